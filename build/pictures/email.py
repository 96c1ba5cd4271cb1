"""Email: the HTML as it is sent, in a light reader and in a dark one."""

from html import escape

from build.pictures.example import LINKS, NOTIFICATIONS
from tocsin.channels.mail_body import html_of
from tocsin.channels.wording import as_it_is, default_wording

SIZE = (1200, 470)

STYLE = """
body { margin: 0; padding: 16px; background: #dfe3e8; display: flex; gap: 16px; }
iframe { flex: 1; height: 436px; border: 1px solid #b9c0c8; border-radius: 6px; background: #fff; }
"""


def page() -> str:
    """Give the HTML."""
    light, dark = (html_of(each, default_wording(each, as_it_is), LINKS) for each in NOTIFICATIONS)
    darkened = dark.replace("@media (prefers-color-scheme: dark)", "@media all")
    frames = "".join(f'<iframe srcdoc="{escape(each)}"></iframe>' for each in (light, darkened))
    return f'<!doctype html><html><head><meta charset="utf-8"><style>{STYLE}</style></head><body>{frames}</body></html>'
