"""Every page of the widget, made of records whose foreign texts are given."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.support.rows import NOW, POLICY, a_row, in_status, settled
from tocsin.delivery.attempt import FailureClass, Refused
from tocsin.delivery.bulk import RequeueJob, Selection
from tocsin.delivery.bulk import State as JobState
from tocsin.delivery.channel_name import ChannelKind, ChannelName
from tocsin.delivery.circuit import Circuit, State
from tocsin.delivery.filters import Filters
from tocsin.delivery.grouping import grouped
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.send import NoLongerTrue
from tocsin.expiry.explanation import Explanation, Finding, Happened, Told
from tocsin.inventory.audit import AuditEvent
from tocsin.inventory.certificate import Certificate, CertificateStatus
from tocsin.inventory.occurrences import AwaitedDeployment, CertificateEvent
from tocsin.inventory.thresholds import Threshold
from tocsin.widget import pages
from tocsin.widget.pages import Endpoints, Frame, Notice, Page, render
from tocsin.widget.place import Place, Tab, View
from tocsin.widget.rows import CertificateRow, ChannelRow, Letter, timeline

LOOK = "arn:aws:lambda:us-east-1:123456789012:function:customWidget-tocsin:live"
ACT = "arn:aws:lambda:us-east-1:123456789012:function:customWidget-tocsin-act:live"
FRAME = Frame(Endpoints(LOOK, ACT), "tocsin", NOW, "request-1")


def a_dead(error: str = "HTTP 503 Service Unavailable", **fields: Any) -> Notification:
    """Make a row that spent its budget and died now."""
    spent = replace(a_row(**fields), retry_count=4)
    return settled(spent, Refused(FailureClass.RETRYABLE, error, 503))


def a_job(**fields: Any) -> RequeueJob:
    """Make a requeue of 300 that is under way."""
    given: dict[str, Any] = {
        "id": "01JOB",
        "state": JobState.RUNNING,
        "created_at": NOW,
        "created_by": "widget:request-0",
        "reason": "Slack is back",
        "selection": Selection(filters=Filters()),
        "died_until": NOW,
        "expected": 300,
        "is_exact": True,
        "requeued": 140,
        "updated_at": NOW,
    }
    return RequeueJob(**given | fields)


def every_page(text: str) -> dict[str, tuple[Page, Place, Notice | None]]:
    """Make every page in every state, with `text` wherever anybody but us may write."""
    foreign: dict[str, Any] = {"subject": text, "recipient": text, "message": text, "certificate_id": text or "x"}
    dead = [replace(a_dead(text, **foreign), type=text, last_error=text) for _ in range(3)]
    rows = [in_status(status, **foreign) for status in Status]
    rows.append(replace(a_row(**foreign), deferred_by="Webhook", last_error=text, due_at=NOW, claimed_until=NOW))
    verdict = NoLongerTrue(text)
    letters = [Letter.of(row, POLICY, verdict if place else None) for place, row in enumerate(dead)]
    events = [AuditEvent("1", NOW, text, "notification/x", text, {"reason": text})]
    circuit = Circuit(name="Webhook", state=State.HELD, since=NOW, reason=text, failed_at=NOW, last_error=text)
    channels = [
        ChannelRow(ChannelName(kind), True, state, circuit, ((circuit, 3),), kind == "Email")
        for kind in ChannelKind
        for state in State
    ]
    certificate = Certificate(
        id="c",
        version=1,
        created_at=NOW,
        updated_at=NOW,
        common_name=text,
        expires_at=NOW + timedelta(days=3),
        watched_since=NOW,
        chain_problem=text,
    )
    threshold = Threshold(7)
    channel, severity = dead[0].channel, dead[0].severity
    told = Told("n", NOW, "7", threshold, severity, channel, text, NOW, arrived=False, arrived_at=None, fate=text)
    happened = Happened(CertificateEvent.REVOCATION, text, NOW, text, severity, (), text)
    awaited = AwaitedDeployment(text, NOW, NOW, text, failed_at=NOW)
    finding = Finding("7", threshold, None, text, NOW)
    explanation = Explanation(
        CertificateStatus.EXPIRING, text, (text,), text, (told,), (happened,), awaited, (finding,), None
    )
    filters = {"status": "sent", "type": text, "channel": text, "contains": text, "error_group": text}
    here = Place.read({"place": {"filters": filters, "cursor": text}})
    groups = pages.Groups(grouped(dead), 3, is_complete=False)
    one = pages.One(letter=letters[1], moments=timeline(dead[1], events), linked=[(text, letters[0])])
    lists = pages.Letters(
        letters=letters,
        cursor=text,
        dead=3,
        oldest=NOW,
        groups=groups,
        jobs=[a_job(reason=text)],
    )
    everywhere = replace(here, tab=Tab.ALL)
    return {
        "dead": (lists, Place(), None),
        "dead, filtered": (replace(lists, searched_until=NOW), here, Notice(text)),
        "dead, refused": (lists, here, Notice(text, is_refusal=True)),
        "dead, none": (pages.Letters(letters=(), dead=0), Place(), None),
        "dead, nothing matches": (pages.Letters(letters=(), dead=3), here, None),
        "dead, uncounted": (pages.Letters(letters=(), dead=None, problem=text), here, None),
        "all": (pages.Letters(letters=[Letter.of(row, POLICY) for row in rows]), everywhere, None),
        "one": (one, replace(here, notification="x"), None),
        **{
            f"one, {row.status}": (
                pages.One(letter=Letter.of(row, POLICY), moments=timeline(row, events), linked=()),
                everywhere,
                None,
            )
            for row in rows
        },
        "channels": (pages.Channels(channels=channels), Place(tab=Tab.CHANNELS), Notice(text)),
        "certificates": (
            pages.Certificates(
                certificates=[CertificateRow(certificate, status) for status in CertificateStatus], cursor=text
            ),
            replace(here, tab=Tab.CERTIFICATES, filters={}),
            None,
        ),
        "certificates, none": (pages.Certificates(certificates=()), Place(tab=Tab.CERTIFICATES), None),
        "explained": (pages.Explained(certificate=certificate, explanation=explanation), here, None),
        "preview": (
            pages.Preview(count=300, is_exact=False, sample=letters, token=text, expires_at=NOW, of=text),
            here,
            None,
        ),
        "preview, none": (
            pages.Preview(count=0, is_exact=True, sample=(), token=text, expires_at=NOW, of=text),
            here,
            None,
        ),
        **{
            f"job, {state}": (
                pages.Progress(job=a_job(state=state, reason=text, created_by=text, last_error=text)),
                Place(job="x"),
                None,
            )
            for state in JobState
        },
        "counts": (
            pages.Counts(dead=3, oldest=NOW, due=10_000, waiting=2, ailing=channels[:3], counted=10_000),
            Place(view=View.COUNTS),
            None,
        ),
        "counts, unknown": (
            pages.Counts(dead=None, oldest=None, due=None, waiting=None, ailing=None, counted=10_000),
            Place(view=View.COUNTS),
            None,
        ),
        "failure": (pages.Failure(title="It failed", text=text), here, None),
    }


def html_of(state: str, text: str, **frame: Any) -> str:
    """Render one of `every_page`."""
    page, place, notice = every_page(text)[state]
    return render(page, replace(FRAME, **frame), place, notice)


STATES = tuple(every_page("x"))
