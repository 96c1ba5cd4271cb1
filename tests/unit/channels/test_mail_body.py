"""A mail as HTML: what is foreign in it is text, whatever it says, and nothing is loaded from anywhere."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.channels import a_notification
from tocsin.channels.mail_body import html_of
from tocsin.channels.wording import Links, Wording, as_it_is, default_wording
from tocsin.delivery.notification import Severity

LINKS = Links("https://tocsin.example/live")
HOSTILE = [
    "<script>alert(1)</script>",
    "</td></tr></table><img src=https://evil.example/x>",
    '" onmouseover="alert(1)',
    "<a href=https://evil.example>click</a>",
    "<style>body{display:none}</style>",
    "{colour} {0} {{x}} %s",
    "\u202e right to left",
    "🔥" * 3_000,
]


@dataclass
class Seen(HTMLParser):
    """What a reader makes of a page."""

    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str | None]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def seen(html: str) -> Seen:
    parser = Seen()
    parser.feed(html)
    parser.close()
    return parser


def page(subject: str, message: str, certificate: str | None = None) -> Seen:
    row = a_notification(subject=subject, message=message, certificate_id=certificate)
    return seen(html_of(row, default_wording(row, as_it_is), LINKS))


PLAIN = page("subject", "message", "c-1")


@given(*[st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)] * 3)
def test_any_text_stays_text(subject: str, message: str, certificate: str) -> None:
    """No tag, attribute, style or link but our own; and it is all there."""
    found = page(subject, message, certificate)
    assert [tag for tag in found.tags if tag != "br"] == PLAIN.tags
    own = [(name, value) for name, value in found.attributes if name != "href"]
    assert own == [(name, value) for name, value in PLAIN.attributes if name != "href"]
    hrefs = [value for name, value in found.attributes if name == "href"]
    assert all(str(href).startswith("https://tocsin.example/live/api/v1/") for href in hrefs)
    assert certificate in "".join(found.text)


@pytest.mark.parametrize("severity", Severity)
def test_the_severity_is_a_word(severity: Severity) -> None:
    """Not colour alone."""
    row = a_notification(severity=severity)
    assert severity.upper() in seen(html_of(row, default_wording(row, as_it_is), LINKS)).text


def test_lines_are_lines_and_nothing_is_loaded() -> None:
    found = page("s", "one\ntwo\nthree")
    assert found.tags.count("br") == 2
    assert not {"img", "script", "link", "iframe", "object"} & {*found.tags}
    assert not [name for name, _ in found.attributes if name == "src"]


def test_without_a_base_there_are_no_links() -> None:
    row = a_notification(certificate_id="c-1")
    assert "a" not in seen(html_of(row, default_wording(row, as_it_is), Links())).tags


def test_an_operator_s_page_goes_as_it_is() -> None:
    assert html_of(a_notification(), Wording("s", "b", "<p>mine</p>"), LINKS) == "<p>mine</p>"
