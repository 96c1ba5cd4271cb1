"""The HTML of a mail: what it says at a glance, with nothing to load from anywhere. Pure.

Mail readers know little CSS, and each another part: what matters is in `style` attributes and a table. Colours are
readable on white; readers that darken mail do so themselves (`color-scheme` says that this one may be).
"""

from html import escape

from tocsin.channels.wording import Links, Wording, facts_of
from tocsin.delivery.notification import Notification, Severity

_COLOURS = {Severity.INFORMATIONAL: "#1f5fa8", Severity.WARNING: "#8a5300", Severity.CRITICAL: "#b3261e"}
"""Of a severity's word and bar: each at least 4.5 : 1 on white (WCAG 2.2, 1.4.3)."""
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_SHELL = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">
<style>:root {{ color-scheme: light dark; }}
@media (prefers-color-scheme: dark) {{ .t-page, .t-card {{ background: #16181c !important; color: #e8eaed !important; }}
.t-dim {{ color: #a9b0b8 !important; }} .t-word {{ color: {dark} !important; }}
a {{ color: #8ab4f8 !important; }} }}</style>
<title>{subject}</title></head>
<body class="t-page" style="margin:0;padding:16px;background:#ffffff;color:#1b1d21;{font}">
<div class="t-card" style="max-width:640px;margin:0 auto;border-left:6px solid {colour};padding:4px 0 4px 16px">
<p class="t-word" style="margin:0 0 4px;font-size:13px;font-weight:700;color:{colour}">{severity}</p>
<h1 style="margin:0 0 12px;font-size:20px;line-height:1.3;overflow-wrap:anywhere">{subject}</h1>
<div style="margin:0 0 16px;font-size:15px;line-height:1.5;overflow-wrap:anywhere">{message}</div>
{links}<table role="presentation" style="border-collapse:collapse;font-size:13px;line-height:1.5">{facts}</table>
</div></body></html>
"""
_DARK = {Severity.INFORMATIONAL: "#8ab4f8", Severity.WARNING: "#fdd663", Severity.CRITICAL: "#f28b82"}


def html_of(notification: Notification, wording: Wording, links: Links) -> str:
    """Write the whole page, unless an operator's template has one: that goes as its author wrote it."""
    if wording.html is not None:
        return wording.html
    severity = notification.severity
    return _SHELL.format(
        subject=escape(wording.subject),
        severity=escape(severity.upper()),
        colour=_COLOURS[severity],
        dark=_DARK[severity],
        font=_FONT,
        message=lines_of(wording.body),
        links=_links(notification, links),
        facts="".join(_fact(label, value) for label, value in facts_of(notification)),
    )


def lines_of(text: str) -> str:
    """Escape text, and keep its lines."""
    return "<br>\n".join(escape(line) for line in text.splitlines())


def links_of(notification: Notification, links: Links) -> list[tuple[str, str]]:
    """Give where more is shown: a label and an address."""
    found = [("The notification", links.notification(notification)), ("Why it alerts", links.explanation(notification))]
    return [(label, address) for label, address in found if address]


def _links(notification: Notification, links: Links) -> str:
    anchors = [f'<a href="{escape(address)}">{label}</a>' for label, address in links_of(notification, links)]
    return f'<p style="margin:0 0 16px;font-size:14px">{" &nbsp;·&nbsp; ".join(anchors)}</p>\n' if anchors else ""


def _fact(label: str, value: str) -> str:
    return (
        f'<tr><td class="t-dim" style="padding:1px 12px 1px 0;color:#5a6069;vertical-align:top">{label}</td>'
        f'<td style="padding:1px 0;overflow-wrap:anywhere">{escape(value)}</td></tr>'
    )
