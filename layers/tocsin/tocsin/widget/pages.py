"""The pages of the widget: what each shows, and the HTML of it. Pure.

CloudWatch drops scripts and handlers, and binds a `<cwdb-action>` to the element just before it (CloudWatch user guide,
"Details about custom widgets" and "Interactivity in the custom widget"). So every action is written by one macro, which
names one of our two functions, and every text passes Jinja's escaping.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tocsin.delivery.bulk import RequeueJob
from tocsin.delivery.grouping import Group
from tocsin.delivery.notification import Notification, Severity, Status
from tocsin.expiry.explanation import Explanation
from tocsin.inventory.certificate import Certificate
from tocsin.widget.place import Place, Tab
from tocsin.widget.rows import CertificateRow, ChannelRow, Letter, Moment
from tocsin.widget.words import age, json_in_html, line, paragraphs, plural, written_in

_TEMPLATES = Path(__file__).parent / "templates"
TYPES = (
    *("ExpirationWarning", "RenewalSuccess", "RenewalFailure", "DeploymentSuccess", "DeploymentFailure"),
    *("PolicyViolation", "Revocation", "RenewalRequested"),
)
"""What notifications are about; callers add `Custom:...` of their own."""
GROUPS_SHOWN = 12
"""Groups of a page, the largest: what is behind them is in the list."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The ARNs of the two functions that actions may name."""

    look: str
    act: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page is shown in."""

    endpoints: Endpoints
    stack: str
    now: datetime
    request_id: str
    zone: tzinfo = UTC
    is_dark: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """What came of the operator's last action, above what it came from."""

    text: str
    is_refusal: bool = False


@dataclass(frozen=True, slots=True)
class Groups:
    """The dead by what they died of."""

    groups: Sequence[Group]
    examined: int
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """A list of notifications, of the dead with their groups above it."""

    template: ClassVar[str] = "letters.html"
    letters: Sequence[Letter]
    cursor: str | None = None
    """Of the next page."""
    searched_until: datetime | None = None
    """How far back the search got before its time was over."""
    dead: int | None = None
    oldest: datetime | None = None
    groups: Groups | None = None
    jobs: Sequence[RequeueJob] = ()
    """Bulk requeues that are under way."""
    problem: str | None = None
    """Why a filter can't be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class One:
    """One notification with its timeline."""

    template: ClassVar[str] = "one.html"
    letter: Letter
    moments: Sequence[Moment]
    linked: Sequence[tuple[str, Letter]]
    """Notifications that it belongs to or that belong to it, each with how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """The channels."""

    template: ClassVar[str] = "channels.html"
    channels: Sequence[ChannelRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """The certificates that expire next."""

    template: ClassVar[str] = "certificates.html"
    certificates: Sequence[CertificateRow]
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One certificate, and why it alerts or not."""

    template: ClassVar[str] = "explained.html"
    certificate: Certificate
    explanation: Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a bulk requeue would do, before it begins."""

    template: ClassVar[str] = "preview.html"
    count: int
    is_exact: bool
    sample: Sequence[Letter]
    token: str
    expires_at: datetime
    of: str
    """The selection in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A bulk requeue and how far it is."""

    template: ClassVar[str] = "job.html"
    job: RequeueJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The small widget: what is wrong, how many, since when."""

    template: ClassVar[str] = "counts.html"
    dead: int | None
    oldest: datetime | None
    due: int | None
    waiting: int | None
    """How many are deferred."""
    ailing: Sequence[ChannelRow] | None
    """Channels that are held or hang."""
    counted: int
    """From how many on a count says `or more`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Something went wrong, here and not with a notification."""

    template: ClassVar[str] = "failure.html"
    title: str
    text: str


Page = Letters | One | Channels | Certificates | Explained | Preview | Progress | Counts | Failure


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_storable,
    )
    made.filters |= {"json": json_in_html, "line": line, "paragraphs": paragraphs, "plural": _plural}
    made.globals |= {
        "Tab": Tab,
        "tabs": [(Tab.DEAD, "Dead letter"), (Tab.ALL, "All"), (Tab.CHANNELS, "Channels"), (Tab.CERTIFICATES, "Expiry")],
        "statuses": list(Status),
        "severities": list(Severity),
        "types": TYPES,
        "groups_shown": GROUPS_SHOWN,
    }
    return made


def _plural(count: int, noun: str, nouns: str | None = None) -> str:
    return plural(count, noun, nouns)


def _storable(value: Any) -> Any:  # noqa: ANN401 - whatever a template shows
    """Replace half a character, which no answer of Lambda's can hold."""
    return value.encode(errors="replace").decode() if type(value) is str else value


def render(page: Page, frame: Frame, place: Place, notice: Notice | None = None) -> str:
    """Give the HTML of `page`."""

    def ago(at: datetime) -> str:
        return age(frame.now - at) if at <= frame.now else f"in {age(at - frame.now)}"

    template = _environment().get_template(page.template)
    return template.render(
        page=page,
        frame=frame,
        place=place,
        notice=notice,
        ago=ago,
        since=lambda at: age(frame.now - at),
        full=lambda at: written_in(at, frame.zone),
    )


def related(row: Notification) -> dict[str, str]:
    """Name the notifications that `row` belongs to, or that belong to it, by id, each with how."""
    named = {
        row.about: "What it is about",
        row.resolved_by: "Resolved by",
        row.fallback_of: "Stands in for",
        row.fell_back_to: "Its stand-in",
    }
    return {id_: how for id_, how in named.items() if id_}
