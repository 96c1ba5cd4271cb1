"""The bodies of a mail: whatever a notification says, the HTML has the same tags, and shows the text as text."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.channels import a_notification
from tests.support.hooks import FOREIGN, HOSTILE
from tocsin.channels.mail_body import COLOURS, html_of, text_of, title_of
from tocsin.channels.wording import Links, Wording, as_it_is, default_wording, subject_line
from tocsin.delivery.notification import MESSAGE_LIMIT, Notification, Severity
from tocsin.text import lines_of

LINKS = Links("https://api.example.com/live")
MARKUP = [
    *HOSTILE,
    "</p></td></tr></table><img src=//evil.example/x.png onerror=alert(1)>",
    '" onmouseover="alert(1)" style="display:none',
    "' style='background:url(//evil.example)'",
    "</title></style><style>*{display:none}</style>",
    "<a href='javascript:alert(1)'>x</a>",
    "<!-- -- > <![CDATA[ <?php ",
    "<!--[if mso]><table><![endif]-->",
    "&#60;b&#62; &lt b &notit; &amp",
    "x\r\nBcc: all@example.com\r\n\r\n<html>",
    "\u0634\u0647\u0627\u062f\u0629 \u05e9\u05dc\u05d5\u05dd",
]


class Shown(HTMLParser):
    """What a mail reader finds in the HTML: its tags, and the text in each place that matters."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.links: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.others: list[str] = []
        self._open: list[tuple[str, int]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag == "br":
            self.handle_data("\n")
            return
        self.tags.append((tag, [(name, value) for name, value in attrs if name != "href"]))
        if tag != "meta":
            self._open.append((tag, len(self.texts.setdefault(tag, []))))
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            tag, number = self._open[-1]
            self.texts[tag][number] += data

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)


def worded(notification: Notification) -> Wording:
    return default_wording(notification, as_it_is)


def shown(links: Links = LINKS, **fields: Any) -> Shown:
    notification = a_notification(**fields)
    return Shown(html_of(notification, worded(notification), links))


def check(text: str) -> None:
    """State that `text`, wherever it stands, is shown as text, and changes no tag and no attribute."""
    name = text or "x"
    seen = shown(subject=name, message=text, type=text, certificate_id=name, fallback_of="x")
    bland = shown(certificate_id="x", fallback_of="x")
    assert seen.tags == bland.tags
    assert seen.others == []
    title = subject_line(name)  # of the type, which is the same text, where nothing is left of the subject
    assert seen.texts["title"] == seen.texts["h1"] == [title]
    assert seen.texts["p"] == ["\n".join(lines_of(text))]
    facts = (text, name, "x", a_notification().id)
    assert seen.texts["td"][-4:] == [" ".join(lines_of(fact)) for fact in facts]
    assert [re.sub(r"[\w.%~-]+/explain$", "", link) for link in seen.links] == [
        f"{LINKS.base}/api/v1/notifications/{a_notification().id}",
        f"{LINKS.base}/api/v1/certificates/",
    ]


@pytest.mark.parametrize("text", MARKUP)
def test_a_hostile_text_is_text(text: str) -> None:
    check(text)


@given(text=FOREIGN | st.lists(st.sampled_from(MARKUP[-10:]), max_size=4).map("".join))
def test_any_text_is_text(text: str) -> None:
    check(text)


def test_the_parser_would_find_a_tag() -> None:
    """So the tests above would notice."""
    html = html_of(a_notification(), Wording("", "", html="<p onclick='x'>a<!-- b --></p>"), LINKS)
    assert (Shown(html).tags, Shown(html).others) == ([("p", [("onclick", "x")])], [" b "])


@pytest.mark.parametrize("severity", Severity)
def test_the_severity_is_a_word_and_a_colour(severity: Severity) -> None:
    """And it is the first that a phone shows of the text."""
    seen = shown(severity=severity)
    assert seen.texts["span"] == [severity.upper()]
    (style,) = [attributes for tag, attributes in seen.tags if tag == "span"]
    assert COLOURS[severity] in str(style)


def test_nothing_is_loaded_and_nothing_runs() -> None:
    html = html_of(a_notification(certificate_id="c"), worded(a_notification()), LINKS)
    seen = Shown(html)
    assert {tag for tag, _ in seen.tags}.isdisjoint({"img", "script", "link", "iframe", "object", "form", "input"})
    assert not re.search(r"url\(|@import|\bsrc=|\bon[a-z]+=|javascript:", html)


def test_it_knows_the_dark_and_the_phone() -> None:
    html = html_of(a_notification(), worded(a_notification()), Links())
    assert '<meta name="color-scheme" content="light dark">' in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert "width=device-width" in html


def test_without_a_base_there_are_no_links() -> None:
    notification = a_notification(certificate_id="c-1")
    assert shown(Links(), certificate_id="c-1").links == []
    assert "http" not in text_of(notification, worded(notification), Links())


def test_the_text_says_the_same() -> None:
    notification = a_notification(certificate_id="a/b", fallback_of="01J1")
    assert text_of(notification, worded(notification), LINKS) == (
        "[threshold:7] renew it\n\n-- \nSeverity: warning\nType: ExpirationWarning\nCertificate: a/b\n"
        f"Instead of: 01J1\nId: {notification.id}\n"
        f"Open the notification: https://api.example.com/live/api/v1/notifications/{notification.id}\n"
        "Why it alerts: https://api.example.com/live/api/v1/certificates/a%2Fb/explain\n"
    )


def test_a_fact_is_one_line() -> None:
    text = text_of(a_notification(certificate_id="c\r\nId: other"), Wording("", ""), Links())
    assert "\nCertificate: c Id: other\n" in text


def test_a_template_has_the_last_word() -> None:
    """Templates: what it leaves out is as it would be without it."""
    notification = a_notification()
    assert html_of(notification, Wording("s", "b", html="<i>x</i>"), LINKS) == "<i>x</i>"
    assert Shown(html_of(notification, Wording("s", "<b>own</b>"), LINKS)).texts["p"] == ["<b>own</b>"]


def test_a_mail_without_a_subject_says_its_type() -> None:
    assert title_of(a_notification(), Wording("", "x")) == "ExpirationWarning"


@pytest.mark.parametrize("character", ["'", "\n", "🔥"])
def test_the_largest_message_is_whole(character: str) -> None:
    """SES takes 40 MB (quotas); nothing is cut."""
    message = character * (MESSAGE_LIMIT // len(character.encode()))
    assert len(shown(message=message).texts["p"][0]) >= len(message) - 1
    assert len(html_of(a_notification(), Wording("", message), LINKS).encode()) < 250_000


def test_every_try_sends_the_same_bytes() -> None:
    assert html_of(a_notification(), worded(a_notification()), LINKS) == html_of(
        a_notification(retry_count=3, last_error="x"), worded(a_notification()), LINKS
    )
