"""The CloudWatch widget: what its two functions read, do, and answer with.

`look` only reads: its role may write nothing, not even a lease. `act` does one thing that an operator asks for, and
answers with the page that it was asked from. Who that is CloudWatch does not say: the audit trail has the request's id,
by which CloudTrail has the person.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tocsin.bootstrap import delivery, expiry, inventory, operating, requeueing, resources, trial
from tocsin.bootstrap.health import Health, health_of_channels
from tocsin.delivery.bulk import RequeueJob, Selection
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.filters import Filters
from tocsin.delivery.linked import linked_id
from tocsin.delivery.notification import Act, Notification, Severity
from tocsin.delivery.snapshot import COUNTED, take_snapshot
from tocsin.errors import (
    CursorError,
    FieldProblem,
    InvalidFieldsError,
    NotFoundError,
    StorageUnavailableError,
    TocsinError,
)
from tocsin.inventory.audit import AuditFilters, Kind
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.filters import CertificateFilters
from tocsin.storage import paging
from tocsin.storage.codec import time_of
from tocsin.storage.cursor import Cursors, stored_key
from tocsin.storage.paging import Row
from tocsin.widget import pages, rows
from tocsin.widget.pages import Endpoints, Frame, Notice, Page, render
from tocsin.widget.place import Place, Tab, View, reason_of, recipient_of
from tocsin.widget.words import zone_of

SEARCH_SECONDS = 8.0
"""How long a page is looked for behind empty ones: an operator waits for it."""
GROUP_SECONDS = 3.0
"""How long the dead are grouped, the latest first; a page behind the first one has no groups."""
_EVENTS = 100
"""Lines of the audit trail that a timeline goes back."""
_JOBS = 10
"""Requeue jobs that are looked through for those under way."""
_CERTIFICATES = "widget: certificates"
"""Names the list of certificates in a cursor."""

DESCRIPTION = """# Tocsin

Dead letters, and what an operator does about them. Parameters:

```yaml
view: letters # or: counts
tab: dead # or: all, channels, certificates
limit: 25 # rows of a page, 100 at most
filters: {} # status, type, channel, severity, contains, certificate_id
```

The view `letters` should not update with the dashboard (`updateOn` all false): it has a Refresh of its own, and an
update would lead an operator back to the first page. `counts` should.
"""

Answer = str | dict[str, str]


def look(event: Mapping[str, Any], context: resources.LambdaContext) -> Answer:
    """Answer with the page that the event asks for: HTML, and for `describe` markdown."""
    if event.get("describe"):
        return {"markdown": DESCRIPTION}
    return _Answering(event, context).page(lambda answering: answering.looked())


def act(event: Mapping[str, Any], context: resources.LambdaContext) -> Answer:
    """Do what the event asks for, and answer with the page that it was asked from."""
    if event.get("describe"):
        return {"markdown": DESCRIPTION}
    try:
        return _Answering(event, context).page(lambda answering: answering.acted())
    finally:
        resources.finish()


def _cursors() -> Cursors:
    """Give the stack's cursors, without making their key: who looks may not write.

    Until somebody made it they are signed by the table's name, which is no secret: such a cursor is a place in lists
    that its holder may read as a whole.
    """
    table = resources.settings().notifications_table
    return Cursors(stored_key(resources.dynamodb(), table) or hashlib.sha256(table.encode()).digest())


@dataclass(frozen=True, slots=True)
class _Shown:
    page: Page
    place: Place
    notice: Notice | None = None


class _Answering:
    """One event, and what is answered to it."""

    def __init__(self, event: Mapping[str, Any], context: resources.LambdaContext) -> None:
        settings = resources.settings()
        said = event.get("widgetContext")
        about = said if isinstance(said, Mapping) else {}
        self._event = event
        self._place = Place.read(event)
        self._frame = Frame(
            endpoints=Endpoints(settings.widget_look, settings.widget_act),
            stack=settings.stack,
            now=resources.now(),
            request_id=context.aws_request_id,
            zone=zone_of(about),
            is_dark=about.get("theme") == "dark",
        )

    def page(self, make: Callable[["_Answering"], _Shown]) -> str:
        """Give the HTML of what `make` gives; of an error a page of its own, which says nothing of its inside."""
        try:
            shown = make(self)
            return render(shown.page, self._frame, shown.place, shown.notice)
        except NotFoundError as error:
            return self._failed("There is nothing by this id", str(error))
        except (ClientError, BotoCoreError, StorageUnavailableError):
            resources.logger().exception("storage failed")
            return self._failed("The storage did not answer", "Nothing is known of what is dead just now. Try again.")
        except Exception:  # noqa: BLE001 - CloudWatch would show it as JSON, with what it holds
            resources.logger().exception("crashed")
            return self._failed("This page could not be made", "That is a defect of Tocsin; its log says more.")

    def _failed(self, title: str, text: str) -> str:
        return render(pages.Failure(title=title, text=text), self._frame, self._place)

    # ── Looking ──

    def looked(self, notice: Notice | None = None) -> _Shown:
        """Show the place that the event names; a list whose cursor can't be used from its beginning."""
        try:
            return _Shown(self._at(self._place), self._place, notice)
        except CursorError as error:
            first = replace(self._place, cursor="")
            return _Shown(self._at(first), first, notice or Notice(str(error), is_refusal=True))

    def _at(self, place: Place) -> Page:
        if place.view is View.COUNTS:
            return _counts()
        if place.job:
            return pages.Progress(job=requeueing.job(place.job))
        if place.notification:
            return _one(operating.notification(place.notification))
        match place.tab:
            case Tab.CHANNELS:
                return pages.Channels(channels=[_channel_row(one) for one in health_of_channels()])
            case Tab.CERTIFICATES:
                return self._certificates(place)
        return self._letters(place)

    def _letters(self, place: Place) -> pages.Letters:
        summary = _summary() if place.tab is Tab.DEAD else {}
        try:
            filters = place.asked
        except InvalidFieldsError as error:
            return pages.Letters(letters=(), problem=_capital(error.detail), **summary)
        at = _cursors().read(place.cursor, filters.digest, self._frame.now) if place.cursor else None
        found, after = _searched(lambda key, limit: resources.lists().page(filters, limit, key), place.limit, at)
        is_full = len(found) >= place.limit
        return pages.Letters(
            letters=rows.shown(_as_they_are(found, filters), resources.settings().delivery, delivery.review),
            cursor=_cursors().write(after, filters.digest, self._frame.now) if after else None,
            searched_until=time_of(after) if after and not is_full else None,
            groups=_groups(filters) if summary.get("dead") and not place.cursor else None,
            **summary,
        )

    def _certificates(self, place: Place) -> Page:
        if place.certificate:
            certificate = inventory.records().certificates.get(place.certificate)
            return pages.Explained(certificate=certificate, explanation=expiry.explanation_of(certificate))
        now, resolver = self._frame.now, inventory.resolver()
        at = _cursors().read(place.cursor, _CERTIFICATES, now) if place.cursor else None
        found, after = _searched(
            lambda key, limit: _watched(
                inventory.lists().certificates(CertificateFilters(), limit, key, now, resolver.thresholds_of)
            ),
            place.limit,
            at,
        )

        def row(one: Certificate) -> rows.CertificateRow:
            return rows.CertificateRow(one, one.status(now, resolver.thresholds_of(one)))

        return pages.Certificates(
            certificates=[row(one) for one in found],
            cursor=_cursors().write(after, _CERTIFICATES, now) if after else None,
        )

    # ── Acting ──

    def acted(self) -> _Shown:
        """Do what is asked for, and show where it was asked from; a refusal is explained there."""
        try:
            match self._event.get("do"):
                case "preview":
                    return _Shown(self._preview(), self._place)
                case "start":
                    job = requeueing.start(str(self._event.get("token")), self._actor, reason_of(self._event) or "")
                    return _progress(job, self._place)
                case "cancel":
                    job = requeueing.cancel(str(self._event.get("job")), self._actor)
                    return _progress(job, self._place, Notice("Cancelled. What was requeued stays so."))
            notice = Notice(self._done())
        except InvalidFieldsError as error:
            notice = Notice(f"Nothing was done: {error.detail}.", is_refusal=True)
        except TocsinError as error:
            notice = Notice(f"Nothing was done. {_capital(error.detail or str(error))}", is_refusal=True)
        return self.looked(notice)

    @property
    def _actor(self) -> str:
        return f"widget:{self._frame.request_id}"

    def _preview(self) -> Page:
        """Count what a requeue of the place's filters would take; nothing is changed."""
        selection = Selection(filters=self._place.to(tab=Tab.DEAD, filters=self._place.filters).asked)
        found = requeueing.preview(selection)
        policy = resources.settings().delivery
        return pages.Preview(
            count=found.count,
            is_exact=found.is_exact,
            sample=rows.shown(found.sample, policy, delivery.review),
            token=found.token,
            expires_at=found.expires_at,
            of=_in_words(self._place),
        )

    def _done(self) -> str:
        actor, reason = self._actor, reason_of(self._event)
        match self._event.get("do"):
            case "requeue":
                row = operating.requeue(str(self._event.get("id")), actor, reason)
                return f"Requeued, and on its way to {row.channel}: {row.subject}"
            case "read":
                row = operating.acknowledge(str(self._event.get("id")), actor, reason)
                return f"Marked read: {row.subject}"
            case "test":
                return self._tested(actor, reason)
        raise InvalidFieldsError([FieldProblem("do", "names nothing that can be done here")])

    def _tested(self, actor: str, reason: str | None) -> str:
        name = str(self._event.get("channel"))
        try:
            channel = ChannelName(name)
        except ValueError as error:
            raise InvalidFieldsError([FieldProblem("channel", str(error))]) from None
        found = trial.send_test(channel, recipient_of(self._event, name), Severity.INFORMATIONAL, actor, reason)
        status = f", HTTP {found['http_status']}" if found["http_status"] else ""
        said = f"Test of {channel}: {found['result']}{status}, after {found['duration_ms']:,} ms"
        return f"{said}: {found['error']}" if found["error"] else f"{said}."


def _summary() -> dict[str, Any]:
    """Give what stands above the list of the dead."""
    return {
        "dead": resources.table().count_dead(),
        "oldest": resources.lists().oldest_death(),
        "jobs": [job for job in requeueing.jobs(_JOBS, None).rows if job.is_open],
    }


def _groups(filters: Filters) -> pages.Groups:
    found = operating.dead_letter_groups(filters, GROUP_SECONDS)
    return pages.Groups(found.groups, found.examined, found.complete)


def _searched(
    turn: Callable[[str | None, int], paging.Page[Row]], limit: int, place: str | None
) -> tuple[list[Row], str | None]:
    """Look for a page of rows, and behind empty pages on; give where the next one begins: null at the end.

    `turn` gives up to so many rows behind a key.
    """
    found: list[Row] = []
    until = time.monotonic() + SEARCH_SECONDS
    while True:
        page = turn(place, limit - len(found))
        found += page.rows
        place = page.after
        if place is None or len(found) >= limit or time.monotonic() >= until:
            return found, place


def _watched(page: paging.Page[Certificate]) -> paging.Page[Certificate]:
    return replace(page, rows=tuple(one for one in page.rows if one.is_watched))


def _as_they_are(found: Sequence[Notification], filters: Filters) -> list[Notification]:
    """Read the rows of a page again, consistently: an index, and a read of any copy, may be a moment behind."""
    fetched = resources.table().fetch([row.id for row in found], is_consistent=True)
    now = {row.id: row for row in fetched.rows} | {one.row.id: one.row for one in fetched.malformed}
    return [now[row.id] for row in found if row.id in now and filters.match(now[row.id])]


def _one(row: Notification) -> pages.One:
    policy = resources.settings().delivery
    trail = resources.audit_trail().page(AuditFilters(resource=Kind.NOTIFICATION.resource(row.id)), _EVENTS, None)
    how = pages.related(row)
    if row.act is Act.TRIGGER and row.channel.keeps_incidents:
        how |= {linked_id(row.id, Act.ACKNOWLEDGE): "Acknowledged by", linked_id(row.id, Act.RESOLVE): "Resolved by"}
    others = resources.table().fetch(list(how)).rows if how else ()
    (letter,) = rows.shown([row], policy, delivery.review)
    return pages.One(
        letter=letter,
        moments=rows.timeline(row, trail.rows),
        linked=[(how[other.id], rows.Letter.of(other, policy)) for other in others],
    )


def _channel_row(health: Health) -> rows.ChannelRow:
    return rows.ChannelRow(
        name=health.name,
        is_configured=health.configured,
        state=health.state,
        known=health.known,
        circuits=health.circuits,
        needs_recipient=resources.settings().reach.problem(health.name, "") is not None,
    )


def _counts() -> pages.Counts:
    """Count what can be counted; what can't just now is null, and logged."""
    snapshot = take_snapshot(resources.table(), resources.now())
    ailing: list[rows.ChannelRow] | None = None
    oldest: datetime | None = None
    waiting: int | None = None
    try:
        oldest = resources.lists().oldest_death()
        channels = [_channel_row(one) for one in health_of_channels()]
        ailing = [one for one in channels if one.tone in ("bad", "warn")]
        waiting = sum(one.waiting for one in channels)
    except (ClientError, BotoCoreError):
        resources.logger().exception("a part of the counts failed")
    return pages.Counts(
        dead=snapshot.notifications_dead,
        oldest=oldest,
        due=snapshot.notifications_due,
        waiting=waiting,
        ailing=ailing,
        counted=COUNTED,
    )


def _progress(job: RequeueJob, place: Place, notice: Notice | None = None) -> _Shown:
    return _Shown(pages.Progress(job=job), place.to(job=job.id), notice)


def _in_words(place: Place) -> str:
    """Say which dead letters a place's filters want."""
    names = {"contains": "text", "certificate_id": "certificate", "error_group": "group of errors"}
    said = [f"{names.get(name, name)} {value}" for name, value in place.filters.items() if name != "status"]
    return f"Dead letters with {', '.join(said)}" if said else "All dead letters"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
