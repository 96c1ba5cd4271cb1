"""Contract 2.14: SES says what became of a mail, and its row says so too. The function as Lambda calls it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.database import Database
from tests.support.emf import blobs_in
from tests.support.engine import Clock
from tests.support.functions import Context, call, handler, sample
from tests.support.inventory import T0
from tests.support.rows import REJECTED, a_row, an_id, settled
from tocsin.bootstrap import feedback, resources
from tocsin.delivery.attempt import Accepted
from tocsin.delivery.channel_name import ChannelName, Target
from tocsin.delivery.notification import Notification, Outcome, Status
from tocsin.delivery.store import Change
from tocsin.errors import ConflictError, ResultPendingError

RECEIPT = "0107019c00000000-00000000-0000-0000-0000-000000000000-000000"
MINUTE = timedelta(minutes=1)


def an_event(kind: str, row: Notification, receipt: str = RECEIPT, at: datetime = T0, **said: Any) -> dict[str, Any]:
    """Make the event of `kind` about a mail of `row`; `said` are the parts of its detail, beside the mail."""
    event = sample("delivery_feedback_bounced")
    mail = event["detail"]["mail"] | {"messageId": receipt, "timestamp": at.isoformat().replace("+00:00", "Z")}
    mail["tags"] = mail["tags"] | {"notification_id": [row.id]}
    return event | {"detail-type": f"Email {kind}", "detail": {"mail": mail, **said}}


def bounced(row: Notification, type_: str = "Permanent", **mail: Any) -> dict[str, Any]:
    bounce = sample("delivery_feedback_bounced")["detail"]["bounce"] | {"bounceType": type_}
    return an_event("Bounced", row, bounce=bounce, **mail)


def hear(event: Any) -> str:
    answer = handler("delivery_feedback")(event, Context())
    return str(answer["heard"])


def a_mail(**fields: Any) -> Notification:
    return a_row(**({"channel": ChannelName.EMAIL, "recipient": "ops@example.com", "created_at": T0} | fields))


@pytest.fixture
def sent(stack: Database, clock: Clock) -> Notification:
    """Store a row whose mail SES took."""
    row = settled(a_mail(), Accepted(200, RECEIPT), T0)
    stack.fill([row])
    clock.forward(minutes=1)
    return row


def counted(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    values: dict[str, float] = {}
    for blob in blobs_in(capsys.readouterr().out):
        values |= {name: sum(found) for name, found in blob.values.items()}
    return values


def test_a_delivery_lifts_the_row(stack: Database, sent: Notification, capsys: pytest.CaptureFixture[str]) -> None:
    event = an_event("Delivered", sent, delivery={"timestamp": "2026-03-01T12:00:01.000Z", "recipients": []})
    assert [hear(event), hear(event)] == ["applied", "nothing_new"]
    row = stack.table.get(sent.id)
    assert (row.status, row.outcome, row.sent_at) == (Status.SENT, Outcome.DELIVERED, sent.sent_at)
    assert counted(capsys) == {"Delivered": 1}


def test_a_permanent_bounce_is_a_dead_letter_with_the_server_s_reason(
    stack: Database, sent: Notification, capsys: pytest.CaptureFixture[str]
) -> None:
    """Invariant I7: dead metric = transitions to dead."""
    event = bounced(sent)
    assert [hear(event), hear(event)] == ["applied", "nothing_new"]
    shown = call("GET", f"/api/v1/notifications/{sent.id}").json
    assert (shown["status"], shown["outcome"]) == ("dead", "bounced")
    assert shown["last_error"] == "bounced (Permanent/General): smtp; 550 5.1.1 user unknown"
    assert stack.indexed("dead") == {sent.id}
    assert counted(capsys) == {"Bounced": 1, "Dead": 1}
    again = call("POST", f"/api/v1/notifications/{sent.id}/requeue").json
    assert (again["status"], again["outcome"]) == ("pending", None)
    assert hear(event) == "nothing_new", "of an earlier life"


@pytest.mark.parametrize("type_", ["Transient", "Undetermined"])
def test_a_bounce_that_is_not_final_changes_nothing(stack: Database, sent: Notification, type_: str) -> None:
    assert hear(bounced(sent, type_)) == "not_final"
    assert hear(an_event("Delivery Delayed", sent)) == "not_final"
    assert stack.table.get(sent.id) == sent


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (("Rejected", {"reject": {"reason": "Bad content"}}), "SES rejected it: Bad content"),
        (("Rendering Failed", {"failure": {"errorMessage": "no such name"}}), "it can't be rendered: no such name"),
    ],
)
def test_what_ses_took_and_never_sent_is_bounced(
    stack: Database, sent: Notification, event: tuple[str, Any], why: str
) -> None:
    assert hear(an_event(event[0], sent, **event[1])) == "applied"
    row = stack.table.get(sent.id)
    assert (row.outcome, row.last_error) == (Outcome.BOUNCED, why)


def test_a_complaint_marks_the_row_once_and_leaves_one_line_in_the_trail(
    stack: Database, sent: Notification, capsys: pytest.CaptureFixture[str]
) -> None:
    event = an_event("Complaint Received", sent, complaint={"timestamp": "2026-03-01T12:30:00.000Z"})
    assert [hear(event), hear(event)] == ["applied", "nothing_new"]
    row = stack.table.get(sent.id)
    assert (row.status, row.updated_at, str(row.complained_at)) == (
        Status.SENT,
        sent.updated_at,
        "2026-03-01 12:30:00+00:00",
    )
    (line,) = call("GET", "/api/v1/audit-events?action=recipient_complained").json["items"]
    assert (line["resource"], line["actor"]) == (f"notification/{sent.id}", "delivery_feedback")
    assert line["detail"] == {"recipient": "ops@example.com"}
    assert counted(capsys) == {"Complaints": 1}


def test_an_event_before_the_record_of_its_send_comes_again(stack: Database, clock: Clock) -> None:
    """Lambda's asynchronous retry brings it; then the result is there."""
    row = a_mail().claimed("mine", T0 + 5 * MINUTE, T0)
    stack.fill([row])
    clock.forward(seconds=1)
    with pytest.raises(ResultPendingError):
        hear(bounced(row))
    complaint = an_event("Complaint Received", row, complaint={})
    assert hear(complaint) == "applied", "which does not disturb the worker"
    taken = settled(row, Accepted(200, RECEIPT), T0 + MINUTE)
    stack.table.replace(Change(row, taken))
    assert hear(bounced(row)) == "applied"
    dead = stack.table.get(row.id)
    assert (dead.status, dead.complained_at) == (Status.DEAD, T0 + timedelta(seconds=1))


def test_a_mail_whose_result_was_never_learned_is_known_by_its_event(stack: Database, clock: Clock) -> None:
    row = a_mail().claimed("lost", T0 + MINUTE, T0)
    stack.fill([row])
    clock.forward(minutes=2)
    assert hear(an_event("Delivered", row, at=T0 + timedelta(seconds=1))) == "applied"
    proven = stack.table.get(row.id)
    assert (proven.status, proven.outcome, proven.receipt) == (Status.SENT, Outcome.DELIVERED, RECEIPT)
    assert stack.indexed("due") == set()


@pytest.mark.parametrize(("races", "heard"), [(1, "applied"), (2 * feedback.TRIES, None)])
def test_a_lost_race_is_run_again_at_once_and_at_last_by_lambda(
    stack: Database, sent: Notification, monkeypatch: pytest.MonkeyPatch, races: int, heard: str | None
) -> None:
    table, left = resources.table(), [races]
    read = table.get

    def overtaken(id_: str) -> Notification:
        """Read, and let somebody change the row right behind it."""
        row = read(id_)
        if left[0]:
            left[0] -= 1
            later = row.updated_at + MINUTE
            stack.table.replace(Change(row, replace(row, outcome=Outcome.DELIVERED, updated_at=later)))
        return row

    monkeypatch.setattr(table, "get", overtaken)
    if heard:
        assert hear(bounced(sent)) == heard
    else:
        with pytest.raises(ConflictError):
            hear(bounced(sent))


def test_an_unknown_id_is_done(stack: Database, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    assert hear(bounced(a_mail(id=an_id()))) == "unknown"
    assert counted(capsys) == {}


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"detail": None},
        {"detail-type": "Email Opened"},
        {"detail-type": "Email Bounced", "detail": {}},
        {"detail": {"mail": {"messageId": "x" * 129}}},
        {"detail": {"mail": {"tags": {"notification_id": ["lease#retry_sweep"]}}}},
        {"detail": {"mail": {"timestamp": "yesterday"}}},
    ],
)
def test_an_event_that_can_t_be_read_is_counted_and_done(
    stack: Database, clock: Clock, broken: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    event = sample("delivery_feedback_bounced")
    if broken.get("detail", {}) and "mail" in broken["detail"]:
        broken = {"detail": event["detail"] | {"mail": event["detail"]["mail"] | broken["detail"]["mail"]}}
    assert hear(event | broken if broken else broken) == "malformed"
    said = capsys.readouterr()
    assert "lease#" not in said.out
    blobs = blobs_in(said.out)
    assert [blob.values for blob in blobs] == [{"FeedbackMalformed": [1]}]


def test_a_dead_row_stays_dead(stack: Database, clock: Clock) -> None:
    row = settled(a_mail(), REJECTED, T0)
    stack.fill([row])
    assert hear(an_event("Delivered", row, delivery={})) == "nothing_new"
    assert stack.table.get(row.id) == row


def test_a_bounce_goes_to_its_fallback_once(stack: Database, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """Contract 2.16 [T]: when a row bounces, one linked notification goes another way, in the same write."""
    row = replace(settled(a_mail(), Accepted(200, RECEIPT), T0), fallback=Target(ChannelName("Slack:ops")))
    stack.fill([row])
    clock.forward(minutes=1)
    assert [hear(bounced(row)), hear(bounced(row))] == ["applied", "nothing_new"]
    dead = stack.table.get(row.id)
    assert (dead.status, dead.outcome) == (Status.DEAD, Outcome.BOUNCED)
    assert dead.fell_back_to is not None
    instead = stack.table.get(dead.fell_back_to)
    assert (instead.channel, instead.fallback_of, instead.status) == ("Slack:ops", row.id, Status.PENDING)
    assert {item["id"]["S"] for item in stack.items() if "status" in item} == {row.id, instead.id}
    assert counted(capsys) == {"Bounced": 1, "Dead": 1, "FellBack": 1, "NotificationsCreated": 1}
