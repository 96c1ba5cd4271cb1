"""Secrets that are planted in documents, and the search for them in what a test left behind.

tests/conftest.py searches what every test of the run printed and logged; tests/integration/functions/test_secrets.py
searches rows and answers as well.
"""

import base64

PLANTED = {
    "path": "T0PLANTED/B0PLANTED/planted-path-of-a-hook",
    "query": "planted-signature-of-a-flow",
    "key": "planted0key0of0an0integration000",
    "whsec": "whsec_" + base64.b64encode(b"planted key of a webhook, 32 byt").decode(),
}
_MARKS = ("planted-path-of-a-hook", "planted-signature-of-a-flow", PLANTED["key"], PLANTED["whsec"][6:])


def found_in(text: str) -> list[str]:
    """Give the planted secrets that `text` holds, with what stands around them."""
    return [text[max(0, place - 300) : place + 50] for mark in _MARKS if (place := text.find(mark)) >= 0]
