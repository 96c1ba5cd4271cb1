"""One post to the secret URL of a channel's own document, as Slack and Teams take messages.

| what happened                                                         | gives                            |
|-----------------------------------------------------------------------|----------------------------------|
| an answer that is none of the following                               | `Answer`: the channel judges it  |
| 429                                                                   | throttled                        |
| 3xx; a URL or an address that the guard refuses: so is every message  | broken                           |
| no answer                                                             | refused, as `http.request` says  |

What a receiver says may repeat the URL, which is the secret: only a known form of code is taken from it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus

from pydantic import SecretStr

from tocsin.channels.channel import Tools, broken
from tocsin.channels.http import SECRET_LENGTH, Answer, request
from tocsin.delivery.attempt import Broken, FailureClass, Refused, Throttled
from tocsin.delivery.notification import LAST_ERROR_LIMIT
from tocsin.text import bounded

Code = Callable[[str], str]
"""Finds the provider's own code in the text of an answer; empty: there is none."""
_HEADERS = {"content-type": "application/json"}


async def posted(tools: Tools, url: SecretStr, body: bytes, code: Code) -> Answer | Refused | Throttled | Broken:
    """Post `body` once. An answer's text is the provider's code, and nothing else of what it said."""
    address = url.get_secret_value()
    if problem := tools.settings.reach.endpoint_problem(address):
        return broken(f"the document's url: {problem}")
    match await request(tools, address, body=body, headers=_HEADERS):
        case Refused(failure=FailureClass.PERMANENT, error=error):  # what the guard refuses, once the name is known
            return broken(f"the document's url: {error}")
        case Refused() as failure:
            return failure
        case answer:
            return _judged(replace(answer, text=_unless_secret(code(answer.text), address)))


def _judged(answer: Answer) -> Answer | Throttled | Broken:
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(bounded(answer.error, LAST_ERROR_LIMIT), answer.retry_after)
    if answer.is_redirect:
        return broken(f"HTTP {answer.status}: the document's url leads elsewhere, and redirects are never followed")
    return answer


def _unless_secret(code: str, address: str) -> str:
    return "" if len(code) >= SECRET_LENGTH and code in address else code


def compact(payload: Mapping[str, object]) -> bytes:
    """Write `payload` as JSON in ASCII: the same bytes every time, and no shorter in any encoding it is kept in."""
    return json.dumps(payload, separators=(",", ":")).encode()
