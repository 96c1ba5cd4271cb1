"""The two bodies of a mail: text, and HTML for readers that show it. Pure.

The HTML loads nothing, runs nothing, and is whole without its style sheet, which some readers drop: that has only the
colours for the dark, and all else is in `style` attributes. Foreign text is escaped and stands between tags; in an
attribute only a certificate's id does, as part of the path of Tocsin's own address.
"""

from html import escape

from tocsin.channels.wording import Links, Wording, facts_of, subject_line
from tocsin.delivery.notification import Notification, Severity
from tocsin.text import lines_of

COLOURS = {Severity.INFORMATIONAL: "#1d5fa8", Severity.WARNING: "#8f4700", Severity.CRITICAL: "#b3161b"}
"""Behind the severity's word, which is white: a contrast of 6 to 1 or more (WCAG 2.2, 1.4.3, asks for 4.5). They stay
as they are in the dark."""
WIDTH = 600
"""CSS pixels: what mail readers on a desktop show beside their lists."""

_ELSEWHERE = frozenset({"Severity"})
"""Facts that the HTML shows above its table."""
_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',Arial,sans-serif"
_WRAP = "overflow-wrap:anywhere;word-break:break-word"
"""Both: the second is what older readers know."""
_DARK = """
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (prefers-color-scheme: dark) {
  .page { background-color: #14161a !important; color: #e8e9ed !important; }
  .card { background-color: #1f2228 !important; }
  .card { border-left-color: #3a3e47 !important; border-right-color: #3a3e47 !important; }
  .card { border-bottom-color: #3a3e47 !important; }
  .fact { border-color: #3a3e47 !important; }
  .label { color: #a4a9b5 !important; }
  .link { color: #8ab8ff !important; }
}
"""


def text_of(notification: Notification, wording: Wording, links: Links) -> str:
    """Give the plain text: the body, and below the line by which mail readers know a signature, facts and links."""
    below = [*facts_of(notification), *((label, address) for label, address in _links(notification, links))]
    lines = (f"{label}: {_one_line(value)}" for label, value in below)
    return f"{wording.body}\n\n-- \n" + "\n".join(lines) + "\n"


def html_of(notification: Notification, wording: Wording, links: Links) -> str:
    """Give the HTML: that of an operator's template as it is, where there is one."""
    return _page(notification, wording, links) if wording.html is None else wording.html


def title_of(notification: Notification, wording: Wording) -> str:
    """Give the subject; a mail without one says at least of what type it is."""
    return wording.subject or subject_line(notification.type)


def _page(notification: Notification, wording: Wording, links: Links) -> str:
    title = escape(title_of(notification, wording))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">
<title>{title}</title>
<style>{_DARK}</style>
</head>
<body class="page" style="margin:0;padding:0;background-color:#f2f3f5;color:#1c1e21">
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" \
style="background-color:#f2f3f5;color:#1c1e21;{_FONT};font-size:16px;line-height:24px"><tr><td align="center" \
style="padding:16px 8px">
<table role="presentation" class="card" width="{WIDTH}" cellpadding="0" cellspacing="0" \
style="width:100%;max-width:{WIDTH}px;table-layout:fixed;text-align:left;background-color:#ffffff;\
border:1px solid #d5d8dd;border-top:4px solid {COLOURS[notification.severity]};border-radius:6px">\
<tr><td style="padding:20px 20px 24px">
{_severity(notification)}
<h1 dir="auto" style="margin:12px 0;font-size:20px;line-height:28px;{_WRAP}">{title}</h1>
<p dir="auto" style="margin:0 0 20px;white-space:pre-wrap;{_WRAP}">{_lines(wording.body)}</p>
{_table(notification)}{_buttons(notification, links)}
</td></tr></table>
</td></tr></table>
</body>
</html>
"""


def _severity(notification: Notification) -> str:
    """Say it in a word, on its colour: a colour alone says nothing to many."""
    colours = f"background-color:{COLOURS[notification.severity]};color:#ffffff"
    shape = "display:inline-block;padding:3px 10px;border-radius:3px"
    letters = "font-size:13px;line-height:18px;font-weight:700;letter-spacing:1px"
    return f'<span style="{shape};{letters};{colours}">{notification.severity.upper()}</span>'


def _lines(text: str) -> str:
    """Break lines where the text does; nothing in a line hides or reorders what is beside it."""
    return "<br>".join(map(escape, lines_of(text)))


def _one_line(text: str) -> str:
    return " ".join(lines_of(text))


def _table(notification: Notification) -> str:
    facts = [(label, value) for label, value in facts_of(notification) if label not in _ELSEWHERE]
    head = '<table width="100%" cellpadding="0" cellspacing="0" style="font-size:14px;line-height:20px">\n'
    return head + "\n".join(_row(label, value) for label, value in facts) + "\n</table>"


def _row(label: str, value: str) -> str:
    style = "border-top:1px solid #e3e5e9;padding:8px 0;vertical-align:top;text-align:left"
    name = f'<th scope="row" class="fact label" width="104" style="{style};font-weight:400;color:#5c616b">'
    fact = f'<td dir="auto" class="fact" style="{style};{_WRAP}">'
    return f"<tr>{name}{escape(label)}</th>{fact}{escape(_one_line(value))}</td></tr>"


def _links(notification: Notification, links: Links) -> list[tuple[str, str]]:
    found = [
        ("Open the notification", links.notification(notification)),
        ("Why it alerts", links.explanation(notification)),
    ]
    return [(label, address) for label, address in found if address]


def _buttons(notification: Notification, links: Links) -> str:
    style = "display:inline-block;margin:16px 24px 0 0;color:#0b57c2;font-weight:600"
    shown = (
        f'<a class="link" href="{escape(address)}" style="{style}">{label}</a>'
        for label, address in _links(notification, links)
    )
    return "".join(f"\n{link}" for link in shown)
