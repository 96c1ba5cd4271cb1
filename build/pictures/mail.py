"""Email: what a mail reader shows of the HTML that is sent, by day and by night, the same mail beside itself."""

import html
from dataclasses import replace

from build.pictures.example import LINKS, NOTIFICATIONS
from tocsin.channels.mail_body import html_of
from tocsin.channels.wording import as_it_is, default_wording
from tocsin.delivery.channel_name import ChannelName

SIZE = (1200, 500)

STYLE = """
body { margin: 0; padding: 0; display: flex; }
iframe { flex: 1; min-width: 0; height: 100vh; border: 0; }
"""

_DARK = "(prefers-color-scheme: dark)"
_ALWAYS = "all"
"""A browser is in one scheme at a time: beside each other, what is for the dark is asked for in these words."""


def page() -> str:
    """Give the HTML."""
    alert = replace(NOTIFICATIONS[0], channel=ChannelName.EMAIL, recipient="ops@example.com")
    light = html_of(alert, default_wording(alert, as_it_is), LINKS)
    dark = light.replace(_DARK, _ALWAYS)
    shown = "".join(f'<iframe srcdoc="{html.escape(mail)}"></iframe>' for mail in (light, dark))
    head = f'<meta charset="utf-8"><style>{STYLE}</style>'
    return f"<!doctype html><html><head>{head}</head><body>{shown}</body></html>"
