"""Where an operator is in the widget: what rides in the actions, so that the next call goes on there. Pure.

CloudWatch keeps no state for a widget. Each action carries its place as JSON, which its caller can change: nothing of
it is believed, and a cursor is signed (`storage.cursor`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.filters import Filters
from tocsin.delivery.notification import Severity, Status
from tocsin.errors import FieldProblem, InvalidFieldsError

FIELD_LIMIT = 256
"""Characters of a filter, as the API has it."""
REASON_LIMIT = 200
"""Characters of a reason, for people who read the audit trail."""
_CURSOR_LIMIT = 1024
PAGE = 25
MOST = 50
"""Rows of a page: by default, and at most."""


class Tab(StrEnum):
    """The parts of the widget."""

    DEAD = "dead"
    ALL = "all"
    CHANNELS = "channels"
    CERTIFICATES = "certificates"


class View(StrEnum):
    """What a widget on a dashboard shows: its parameter `view`."""

    LETTERS = "letters"
    COUNTS = "counts"


FILTERS = ("status", "type", "channel", "severity", "contains", "certificate_id", "error_group")
"""What a list may be narrowed to, named as in the API."""
TYPED = tuple(name for name in FILTERS if name != "error_group")
"""Those that a form has a field for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an operator is. Empty texts are not said."""

    view: View = View.LETTERS
    tab: Tab = Tab.DEAD
    filters: Mapping[str, str] = field(default_factory=dict)
    """By their names in FILTERS; only what is said."""
    cursor: str = ""
    limit: int = PAGE
    notification: str = ""
    """The id of the one that is looked at."""
    certificate: str = ""
    job: str = ""

    @classmethod
    def read(cls, event: Mapping[str, Any]) -> Self:
        """Read it from an action's JSON, from an event without one from the widget's parameters."""
        context = _mapping(event.get("widgetContext"))
        said = _mapping(event.get("place")) or {**_mapping(context.get("params")), **event}
        filters = _mapping(said.get("filters")) or said
        found = cls(
            view=_one_of(View, said.get("view"), View.LETTERS),
            tab=_one_of(Tab, said.get("tab"), Tab.DEAD),
            filters=_told({name: filters.get(name) for name in FILTERS}),
            cursor=_text(said.get("cursor"), _CURSOR_LIMIT),
            limit=_count(said.get("limit")),
            notification=_text(said.get("notification")),
            certificate=_text(said.get("certificate")),
            job=_text(said.get("job")),
        )
        return found._typed(_forms(event)) if event.get("apply") is True else found

    def _typed(self, form: Mapping[str, Any]) -> Self:
        """Take the filters from the form's fields, and begin at the first page."""
        kept = {"error_group": self.filters["error_group"]} if "error_group" in self.filters else {}
        return replace(self, filters=kept | _told({name: form.get(name) for name in TYPED}), cursor="")

    def to(self, **changes: Any) -> Self:  # noqa: ANN401 - of the fields' own types
        """Give another place: what is looked at alone stays only where it is said again."""
        return replace(self, **{"notification": "", "certificate": "", "job": "", "cursor": ""} | changes)

    def without(self, name: str) -> dict[str, str]:
        """Give the filters but one."""
        return {other: value for other, value in self.filters.items() if other != name}

    @property
    def as_json(self) -> dict[str, Any]:
        """Write it for an action, without what is empty."""
        blank = asdict(Place())
        return {name: value for name, value in asdict(self).items() if value != blank[name]}

    @property
    def asked(self) -> Filters:
        """Give the filters of the list; raise InvalidFieldsError for what can't be one.

        A dead list has no other status: `status` is of the list of all.
        """
        problems: list[FieldProblem] = []

        def made(name: str, kind: type[Any]) -> Any:  # noqa: ANN401 - of its kind
            if name not in self.filters:
                return None
            try:
                return kind(self.filters[name])
            except ValueError as error:
                problems.append(FieldProblem(name, str(error)))
                return None

        status = Status.DEAD if self.tab is Tab.DEAD else made("status", Status)
        channel, severity = made("channel", ChannelName), made("severity", Severity)
        if problems:
            raise InvalidFieldsError(problems)
        said = self.filters.get
        return Filters(
            status=status,
            type=said("type"),
            channel=channel,
            severity=severity,
            contains=said("contains"),
            certificate_id=said("certificate_id"),
            error_group=said("error_group"),
        )


def reason_of(event: Mapping[str, Any]) -> str | None:
    """Give the reason that an operator wrote into the form, if any."""
    return _text(_forms(event).get("reason"), REASON_LIMIT) or None


def recipient_of(event: Mapping[str, Any], channel: str) -> str:
    """Give the recipient that an operator wrote beside a channel."""
    return _text(_forms(event).get(f"recipient {channel}"), 2048)


def _forms(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(_mapping(_mapping(event.get("widgetContext")).get("forms")).get("all"))


def _told(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: text for name, value in values.items() if (text := _text(value))}


def _mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - whatever JSON holds
    return value if isinstance(value, Mapping) else {}


def _text(value: Any, limit: int = FIELD_LIMIT) -> str:  # noqa: ANN401 - whatever JSON holds
    return value.strip()[:limit] if isinstance(value, str) else ""


def _count(value: Any) -> int:  # noqa: ANN401 - whatever JSON holds
    try:
        return min(max(int(value), 1), MOST)
    except (TypeError, ValueError, OverflowError):
        return PAGE


def _one_of(kind: type[Any], value: Any, default: Any) -> Any:  # noqa: ANN401 - of its kind
    try:
        return kind(value)
    except ValueError:
        return default
