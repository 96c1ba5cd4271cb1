"""PagerDuty and JSM: what the events say, laid out as an incident's page lists it. Neither publishes a renderer."""

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any

from build.pictures.example import LINKS, NOTIFICATIONS
from tocsin.channels.channel import ChannelSettings
from tocsin.channels.jsm import alert_of
from tocsin.channels.pagerduty import event_of
from tocsin.channels.wording import as_it_is, default_wording
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.recipient import Reach

SIZE = (1200, 434)

STYLE = """
body { margin: 0; padding: 20px; background: #f3f4f6; font: 13px/19px "Lato", "Noto Sans", sans-serif; color: #1c2024; }
body { display: flex; gap: 20px; align-items: flex-start; }
.card { flex: 1; min-width: 0; background: #fff; border: 1px solid #d9dde2; border-radius: 6px; padding: 14px 16px; }
.of { color: #6b7280; font-size: 12px; } h2 { margin: 4px 0 10px; font-size: 16px; line-height: 22px; }
.mark { display: inline-block; background: #b3261e; color: #fff; border-radius: 3px; padding: 0 6px; }
.mark { margin-right: 6px; }
table { border-collapse: collapse; } td { padding: 1px 10px 1px 0; vertical-align: top; overflow-wrap: anywhere; }
td:first-child { color: #6b7280; white-space: nowrap; } pre { margin: 0 0 10px; white-space: pre-wrap; font: inherit; }
"""


def page() -> str:
    """Give the HTML."""
    settings = ChannelSettings(reach=Reach(), links=LINKS, stack="tocsin")
    row = NOTIFICATIONS[0]
    wording = default_wording(row, as_it_is)
    event = event_of(replace(row, channel=ChannelName.PAGERDUTY), wording, settings)
    alert = alert_of(replace(row, channel=ChannelName.JSM), wording, settings)
    payload = event["payload"]
    cards = _card("PagerDuty incident", payload["severity"], payload["summary"], "", payload["custom_details"])
    cards += _card("JSM alert", alert["priority"], alert["message"], alert["description"], alert["details"])
    return f'<!doctype html><html><head><meta charset="utf-8"><style>{STYLE}</style></head><body>{cards}</body></html>'


def _card(of: str, mark: str, title: str, text: str, details: Mapping[str, Any]) -> str:
    rows = "".join(f"<tr><td>{escape(str(name))}</td><td>{_lines(value)}</td></tr>" for name, value in details.items())
    head = f'<div class="of">{of}</div><h2><span class="mark">{escape(mark)}</span>{escape(title)}</h2>'
    return f'<div class="card">{head}<pre>{escape(text)}</pre><table>{rows}</table></div>'


def _lines(value: object) -> str:
    return escape(str(value)).replace("\n", "<br>")
