"""Slack: a page that shows the blocks of a payload as Slack does, and nothing that is not in it."""

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from build.pictures.example import LINKS, NOTIFICATIONS
from tocsin.channels.slack import escape, message
from tocsin.channels.wording import default_wording

SIZE = (1200, 400)

STYLE = """
body { margin: 0; padding: 20px; background: #f8f8f8; font: 15px/22px "Lato", sans-serif; color: #1d1c1d; }
body { display: flex; gap: 20px; align-items: flex-start; }
.message { flex: 1; min-width: 0; background: #fff; border: 1px solid #ddd; border-radius: 8px; padding: 14px 18px; }
.message { display: flex; gap: 10px; }
.icon { width: 36px; height: 36px; border-radius: 6px; background: #4a154b; color: #fff; font: 900 20px/36px Lato; }
.icon { text-align: center; flex: none; }
.who b { font-weight: 900; } .who .app { font-size: 10px; background: #ddd; border-radius: 2px; padding: 0 3px; }
.who .app, .who .at { color: #616061; margin-left: 5px; font-weight: normal; } .who .at { font-size: 12px; }
.header { font-size: 18px; font-weight: 900; margin: 6px 0; line-height: 24px; }
.section { margin: 8px 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px; margin: 10px 0; white-space: pre-wrap; }
.context { font-size: 13px; line-height: 18px; color: #616061; margin: 8px 0 0; }
a { color: #1264a3; text-decoration: none; }
code { font: 12px/18px "DejaVu Sans Mono", monospace; color: #e01e5a; background: #f6f6f6; padding: 2px 3px 1px; }
code { border: 1px solid #ddd; border-radius: 3px; }
"""

_TOKEN = re.compile(r"<!date\^(\d+)\^[^|]*\|[^>]*>|<([^|>]+)\|([^>]*)>|`([^`]+)`|\*([^*]+)\*")


def page() -> str:
    """Give the HTML."""
    shown = "".join(_message(message(each, default_wording(each, escape), LINKS)) for each in NOTIFICATIONS)
    head = f'<meta charset="utf-8"><style>{STYLE}</style>'
    return f"<!doctype html><html><head>{head}</head><body>{shown}</body></html>"


def _message(payload: Mapping[str, Any]) -> str:
    who = '<div class="who"><b>Tocsin</b><span class="app">APP</span><span class="at">2:58 AM</span></div>'
    blocks = "".join(map(_block, payload["blocks"]))
    return f'<div class="message"><div class="icon">T</div><div>{who}{blocks}</div></div>'


def _block(block: Mapping[str, Any]) -> str:
    match block:
        case {"type": "section", "fields": fields}:
            return f'<div class="fields">{"".join(f"<div>{_text(field)}</div>" for field in fields)}</div>'
        case {"type": "context", "elements": elements}:
            return f'<div class="context">{" ".join(map(_text, elements))}</div>'
        case {"type": kind, "text": text}:
            return f'<div class="{kind}">{_text(text)}</div>'
        case _:
            raise ValueError(block["type"])


def _text(text: Mapping[str, str]) -> str:
    """Show a text: entities are the same in HTML, and what mrkdwn means is in no plain text."""
    return _TOKEN.sub(_token, text["text"]) if text["type"] == "mrkdwn" else text["text"]


def _token(found: re.Match[str]) -> str:
    date, url, title, code, bold = found.groups()
    if date:
        return datetime.fromtimestamp(int(date), UTC).strftime("%b %-d, %Y %-I:%M %p")
    if url:
        return f'<a href="{html.escape(url, quote=True)}">{title}</a>'
    return f"<code>{code}</code>" if code else f"<b>{bold}</b>"
