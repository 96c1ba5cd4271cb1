"""What CloudWatch keeps of a widget's HTML, and what we promise of ours, checked by a parser.

Sources: CloudWatch user guide, "Details about custom widgets", "Interactivity in the custom widget" and "Custom widget
security": scripts, iframes, `use` and handlers are removed; an action binds to the element just before it; fields
without a name do not arrive. That one widget's styles stay out of another's is nowhere promised: so ours are led by a
class of our own.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

LIMIT = 500_000
"""Bytes of a page."""
REMOVED = frozenset({"script", "iframe", "use", "object", "embed", "base", "link", "meta", "frame", "applet"})
FIELDS = frozenset({"input", "select", "textarea"})
ADDRESSES = frozenset({"href", "src", "action", "formaction", "style", "srcdoc", "xlink:href"})
"""Attributes that could lead or reach elsewhere: our pages have none."""
WORDS = frozenset({"title", "value", "confirmation", "placeholder", "aria-label"})
"""Attributes that are shown, and lead nowhere."""
VOID = frozenset({"area", "br", "col", "hr", "img", "input", "source", "wbr"})
LEADER = ".tocsin"
CHANGES = frozenset({"requeue", "read", "start", "cancel", "test"})
"""What an operator is asked about before it is done."""
_UNSEEN = re.compile(r"[\x00-\x20\x7f]")


@dataclass
class Action:
    """A `<cwdb-action>` and the element that it is bound to."""

    attributes: dict[str, str]
    label: str
    bound_to: str | None
    content: str = ""

    @property
    def params(self) -> Any:
        return json.loads(self.content)

    @property
    def endpoint(self) -> str:
        return self.attributes.get("endpoint", "")

    @property
    def confirmation(self) -> str:
        return self.attributes.get("confirmation", "")


@dataclass
class _Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""
    last: "_Element | None" = None
    """The child element that nothing but an action stands behind."""


@dataclass
class Read:
    """A page as a browser reads it."""

    problems: list[str] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    text: str = ""

    def action(self, label: str, number: int = 0) -> Action:
        """Find the action behind a button."""
        return [one for one in self.actions if one.label == label][number]


class _Reader(HTMLParser):
    def __init__(self, read: Read, endpoints: tuple[str, ...]) -> None:
        super().__init__(convert_charrefs=True)
        self._read = read
        self._endpoints = endpoints
        self._stack = [_Element("", {})]
        self._ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self._check(tag, attributes)
        if len(attributes) != len(attrs):
            self._complain(f"<{tag}> has an attribute twice")
        element, parent = _Element(tag, attributes), self._stack[-1]
        if tag == "cwdb-action":
            before = parent.last
            self._read.actions.append(Action(attributes, before.text if before else "", before.tag if before else None))
            if before is None or before.tag == "cwdb-action":
                self._complain("an action is bound to no element")
        parent.last = element
        if tag not in VOID:
            self._stack.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._complain(f"<{tag}/> closes itself")

    def handle_endtag(self, tag: str) -> None:
        if self._stack[-1].tag != tag:
            self._complain(f"</{tag}> closes <{self._stack[-1].tag}>")
            return
        element = self._stack.pop()
        if tag == "style":
            self._read.problems += style_problems(element.text)
            return
        if tag == "cwdb-action":
            self._read.actions[-1].content = element.text
            self._check_action(self._read.actions[-1])
            return
        if tag == "textarea":
            self._read.fields[element.attributes.get("name", "")] = element.text
        self._stack[-1].text += element.text

    def handle_data(self, data: str) -> None:
        self._check_direction(data)
        self._stack[-1].text += data
        self._stack[-1].last = None  # an action binds to an element, and nothing stands between
        if self._stack[-1].tag not in ("style", "cwdb-action"):
            self._read.text += data

    def handle_comment(self, data: str) -> None:
        self._complain("a comment")

    def handle_decl(self, decl: str) -> None:
        self._complain("a declaration")

    def unknown_decl(self, data: str) -> None:
        self._complain("an unknown declaration")

    def handle_pi(self, data: str) -> None:
        self._complain("a processing instruction")

    def close(self) -> None:
        super().close()
        if len(self._stack) > 1:
            self._complain(f"<{self._stack[-1].tag}> is not closed")

    def _check(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in REMOVED:
            self._complain(f"<{tag}>")
        for name, value in attributes.items():
            if name.startswith("on"):
                self._complain(f"{name} of <{tag}>")
            if name not in WORDS and _UNSEEN.sub("", value).lower().startswith(("javascript:", "vbscript:", "data:")):
                self._complain(f"{value[:20]!r} in {name} of <{tag}>")
            if name in ADDRESSES and tag != "cwdb-action":
                self._complain(f"{name} of <{tag}>: our pages have none")
        self._check_field(tag, attributes)
        if "title" in attributes:
            self._read.titles.append(attributes["title"])
        if (id_ := attributes.get("id")) is not None:
            if id_ in self._ids:
                self._complain(f"the id {id_} twice")
            self._ids.add(id_)

    def _check_direction(self, data: str) -> None:
        """Text that is written from right to left turns what stands beside it, where nothing isolates it."""
        is_isolated = any(
            one.tag in ("bdi", "textarea", "cwdb-action") or one.attributes.get("dir") == "auto" for one in self._stack
        )
        if not is_isolated and any(unicodedata.bidirectional(character) in ("R", "AL") for character in data):
            self._complain(f"{data.strip()[:20]!r} is not isolated")

    def _check_field(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in FIELDS:
            if not attributes.get("name"):
                self._complain(f"<{tag}> has no name")
            self._read.fields[attributes.get("name", "")] = attributes.get("value", "")
        if tag == "button" and attributes.get("type") != "button":
            self._complain("a button that would submit its form")

    def _check_action(self, action: Action) -> None:
        if action.attributes.keys() - {"action", "display", "endpoint", "confirmation"}:
            self._complain(f"attributes of an action: {sorted(action.attributes)}")
        if action.attributes.get("action") != "call" or action.attributes.get("display") != "widget":
            self._complain("an action that is no call into the widget")
        if action.bound_to != "button":
            self._complain(f"an action is bound to <{action.bound_to}>, which no keyboard reaches")
        if action.endpoint not in self._endpoints:
            self._complain(f"an action calls {action.endpoint!r}")
        try:
            params = action.params
        except ValueError:
            self._complain(f"an action's content is no JSON: {action.content[:60]!r}")
            return
        if not isinstance(params, dict):
            self._complain("an action's content is no object")
        elif params.get("do") in CHANGES and not action.confirmation:
            self._complain(f"{params['do']} without a question")

    def _complain(self, problem: str) -> None:
        line, column = self.getpos()
        self._read.problems.append(f"{line}:{column} {problem}")


def read(html: str, look: str, act: str) -> Read:
    """Read a page that may call these two functions."""
    found = Read()
    reader = _Reader(found, (look, act))
    reader.feed(html)
    reader.close()
    try:
        size = len(html.encode())
    except UnicodeEncodeError:
        found.problems.append("half a character, which Lambda can't answer")
        return found
    if size > LIMIT:
        found.problems.append(f"{size} bytes")
    return found


def style_problems(css: str) -> list[str]:
    """Say what of a style sheet could reach beyond the widget, or out of the page."""
    problems = [f"{word} in the style" for word in ("@import", "url(", "expression(", "</") if word in css]
    return problems + [f"the selector {one!r}" for one in selectors(css) if not _is_led(one)]


def _is_led(selector: str) -> bool:
    return re.match(rf"{re.escape(LEADER)}(?![\w-])", selector) is not None


def selectors(css: str) -> Iterator[str]:
    """Give every selector of a style sheet, those inside `@container` and `@media` too."""
    text = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    while match := re.search(r"([^{}]+)\{", text):
        head, rest = match[1].strip(), text[match.end() :]
        if head.startswith("@"):
            text = rest  # what is inside comes next; its closing brace is passed over below
            continue
        body, _, text = rest.partition("}")
        if "{" in body:
            yield f"{head} {{nested}}"
        yield from (part.strip() for part in head.lstrip("} \n").split(","))
