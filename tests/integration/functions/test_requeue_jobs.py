"""Contract 3.8 [T]: dead letters are requeued by the hundred, against DynamoDB Local: each once, counted, audited."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.database import Database, item_size
from tests.support.emf import blobs_in
from tests.support.engine import Clock
from tests.support.faults import answer_lost, faulty, throttled
from tests.support.functions import Context, call, handler, sample
from tests.support.inventory_store import Store
from tests.support.requeueing import (
    API,
    DIED,
    ERROR,
    JOBS,
    Left,
    a_dead_one,
    dead_letters,
    fill,
    previewed,
    run,
    start,
    started,
    the_job,
)
from tests.support.rows import RETENTION, a_row, an_id, in_status
from tocsin.bootstrap import requeueing, resources
from tocsin.delivery import requeue_run
from tocsin.delivery.bulk import Selection, Step
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.filters import Filters
from tocsin.delivery.grouping import group_id
from tocsin.delivery.notification import Notification, Severity, Status
from tocsin.storage.inventory.requeue_jobs import RequeueJobs
from tocsin.storage.lease import Lease
from tocsin.storage.notifications.item import encode

FIELDS = {
    *("id", "state", "created_at", "created_by", "reason", "selection", "expected", "is_exact", "requeued"),
    *("superseded", "passed_over", "updated_at", "started_at", "finished_at", "last_error"),
}
USER = "arn:aws:iam::123456789012:user/ops"


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing wait: neither for the pace, nor after a failure."""
    monkeypatch.setattr("tocsin.bootstrap.requeueing.time.sleep", lambda _seconds: None)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda _self, _context: 0)


@pytest.fixture(autouse=True)
def invoked(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Stand in for Lambda: note that a run was asked for."""
    asked: list[None] = []
    monkeypatch.setattr(requeueing, "_start_a_run", lambda: asked.append(None))
    return asked


def as_user() -> dict[str, Any]:
    context = sample("api_create")["requestContext"]
    return {"requestContext": context | {"identity": context["identity"] | {"userArn": USER}}}


def trail(resource: str) -> list[Any]:
    items: list[Any] = call("GET", f"{API}/audit-events?resource={resource}").json["items"]
    return items


def test_a_preview_counts_and_shows_some_and_changes_nothing(stack: Database, store: Store) -> None:
    fill(stack, [*dead_letters(120), a_row(), in_status(Status.READ)])
    before = stack.items()
    found = previewed()
    assert found.keys() == {"count", "is_exact", "sample", "token", "expires_at"}
    assert (found["count"], found["is_exact"], len(found["sample"])) == (120, True, 5)
    assert {row["status"] for row in found["sample"]} == {"dead"}
    assert [item for item in stack.items() if item["id"]["S"] != "secret#cursor"] == before
    assert store.items("Inventory") == store.items("Audit") == []


def test_all_dead_letters_are_requeued_each_with_its_full_budget(
    stack: Database, store: Store, invoked: list[None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Three transactions, the last of them part-filled; the history stays, and the trail names who, why and the job."""
    rows = list(dead_letters(120))
    fill(stack, [*rows, in_status(Status.SENT), in_status(Status.READ)])
    answer = start(previewed()["token"], **as_user())
    job = answer.json
    assert (answer.status, answer.headers["location"]) == (202, f"{JOBS}/{job['id']}")
    assert job.keys() == FIELDS
    assert (job["state"], job["expected"], job["is_exact"], job["requeued"]) == ("queued", 120, True, 0)
    assert (job["created_by"], job["selection"]) == (USER, {"ids": None, "filters": {}})
    assert (job["started_at"], job["finished_at"]) == (None, None)
    assert len(invoked) == 1
    capsys.readouterr()

    ran = run()
    assert (ran["skipped"], ran["jobs"], ran["requeued"]) == (False, 1, 120)
    requeued = sum(sum(blob.values["Requeued"]) for blob in blobs_in(capsys.readouterr().out) if "Requeued" in blob.raw)
    assert requeued == 120
    done = the_job(job["id"])
    assert (done["state"], done["requeued"], done["superseded"], done["passed_over"]) == ("done", 120, 0, 0)
    assert done["started_at"] <= done["finished_at"] == done["updated_at"]
    left = Left.of(store)
    assert left.requeued == 120
    assert left.states == {"pending": 120, "sent": 1, "read": 1}
    again = stack.table.get(rows[60].id)
    assert (again.retry_count, again.last_error, again.attempts) == (0, None, rows[60].attempts)
    (line,) = trail(f"notification/{again.id}")
    assert (line["actor"], line["action"]) == (USER, "notification_requeued")
    assert line["detail"] == {"was": "dead", "last_error": ERROR, "job": job["id"], "reason": "the proxy is mended"}
    (line,) = trail(f"requeue_job/{job['id']}")
    assert (line["actor"], line["action"], line["detail"]["reason"]) == (USER, "requeue_job_started", job["reason"])
    assert run()["jobs"] == 0, "nothing is open any more"


def test_only_what_the_filters_want_is_requeued(stack: Database, store: Store) -> None:
    of_channel: dict[str, Any] = {"channel": ChannelName("Slack:payments"), "severity": Severity.CRITICAL}
    wanted = [replace(row, last_error=f"HTTP 500: row {n}") for n, row in enumerate(dead_letters(60, **of_channel))]
    others = [*dead_letters(60), *dead_letters(3, channel=ChannelName("Slack:payments"))]
    fill(stack, [*wanted, *others])
    filters = {"channel": "Slack:payments", "error_group": group_id(wanted[0].channel, "HTTP 500: row 9")}
    found = previewed(filters=filters)
    assert (found["count"], found["is_exact"]) == (60, True)
    job = start(found["token"]).json
    assert job["selection"] == {"ids": None, "filters": filters}
    run()
    assert the_job(job["id"])["requeued"] == 60
    assert Left.of(store).lines.keys() == {row.id for row in wanted}


@pytest.mark.parametrize(
    "filters",
    [
        {"type": "RenewalFailure"},
        {"severity": "critical"},
        {"contains": "PAYMENTS"},
        {"certificate_id": "c-1"},
        {"created_after": "2026-02-01T00:00:00Z"},
        {"created_before": "2025-02-01T00:00:00+01:00"},
    ],
    ids=str,
)
def test_each_filter_narrows_the_selection(stack: Database, store: Store, filters: dict[str, str]) -> None:
    of_name: dict[str, dict[str, Any]] = {
        "type": {"type": "RenewalFailure"},
        "severity": {"severity": Severity.CRITICAL},
        "contains": {"message": "Of payments."},
        "certificate_id": {"certificate_id": "c-1"},
        "created_after": {"created_at": DIED + timedelta(days=60)},
        "created_before": {"created_at": DIED - timedelta(days=400)},
    }
    (name,) = filters
    wanted = a_dead_one(**of_name[name])
    fill(stack, [wanted, *dead_letters(3)])
    found = previewed(filters=filters)
    assert [row["id"] for row in found["sample"]] == [wanted.id]
    job = start(found["token"]).json
    assert job["selection"]["filters"].keys() == {name}
    run()
    assert the_job(job["id"])["requeued"] == 1
    assert Left.of(store).lines.keys() == {wanted.id}


def test_rows_are_named_one_by_one(stack: Database, store: Store) -> None:
    """Those that are not dead are passed over, as are those that are no more; one that is named twice is one."""
    rows, sent = list(dead_letters(110)), in_status(Status.SENT)
    fill(stack, [*rows, sent, a_dead_one()])
    ids = [*(row.id for row in rows), sent.id, an_id(), rows[0].id]
    found = previewed(ids=ids)
    assert (found["count"], found["is_exact"], len(found["sample"])) == (110, True, 5)
    job = start(found["token"]).json
    assert (job["selection"], job["expected"]) == ({"ids": 112, "filters": None}, 110)
    run()
    done = the_job(job["id"])
    assert (done["state"], done["requeued"], done["passed_over"]) == ("done", 110, 2)
    assert Left.of(store).lines.keys() == {row.id for row in rows}


def test_nothing_at_all_is_done_at_once(stack: Database) -> None:
    job = started()
    run()
    assert (the_job(job["id"])["state"], the_job(job["id"])["requeued"]) == ("done", 0)


def test_what_is_true_no_more_is_superseded(stack: Database, store: Store) -> None:
    """As a single requeue does: an incident that is over is not opened anew."""
    over = a_dead_one(channel=ChannelName("PagerDuty"), recipient="")
    fill(stack, [replace(over, resolved_by=an_id()), *dead_letters(10)])
    job = started()
    ran = run()
    assert (ran["requeued"], ran["superseded"]) == (10, 1)
    done = the_job(job["id"])
    assert (done["requeued"], done["superseded"], done["passed_over"]) == (10, 1, 0)
    assert Left.of(store).states == {"pending": 10, "superseded": 1}
    assert "resolves it" in (stack.table.get(over.id).last_error or "")


def test_the_same_token_is_the_same_job(stack: Database, store: Store, invoked: list[None]) -> None:
    fill(stack, dead_letters(3))
    token = previewed()["token"]
    first, again = start(token), start(token, reason="said otherwise")
    assert (again.status, again.json) == (202, first.json)
    run()
    assert start(token).json["state"] == "done"
    assert len(invoked) == 2, "a job that is done needs no run"
    assert len(trail(f"requeue_job/{first.json['id']}")) == 1
    assert Left.of(store).requeued == 3


def test_another_preview_is_another_job(stack: Database) -> None:
    first, second = started(), started()
    assert first["id"] < second["id"]
    listed = call("GET", f"{JOBS}?limit=1").json
    assert [job["id"] for job in listed["items"]] == [second["id"]]
    following = call("GET", f"{JOBS}?limit=1&cursor={listed['next_cursor']}").json
    assert [job["id"] for job in following["items"]] == [first["id"]]


def test_a_token_is_good_for_ten_minutes(stack: Database, clock: Clock) -> None:
    fill(stack, [a_dead_one()])
    clock.now = DIED + timedelta(days=1)
    found = previewed()
    assert found["expires_at"] == "2026-01-02T00:10:00Z"
    clock.forward(seconds=599)
    assert start(found["token"]).status == 202
    clock.forward(seconds=1)
    late = start(found["token"])
    assert (late.status, late.fields) == (422, {"token"})
    assert "older than 10 minutes: count again" in late.json["detail"]


def test_a_token_can_be_neither_altered_nor_borrowed(stack: Database, store: Store) -> None:
    fill(stack, dead_letters(3))
    token = previewed()["token"]
    cursor = call("GET", f"{API}/notifications?limit=1").json["next_cursor"]
    for wrong in (f"{token[:-2]}AA", f"A{token[1:]}", token[:40], cursor, "nonsense", "é"):
        answer = start(wrong)
        assert (answer.status, answer.fields) == (422, {"token"}), wrong
        assert "can't be used" in answer.json["detail"]
    as_cursor = call("GET", f"{API}/notifications?limit=1&cursor={token}")
    assert (as_cursor.status, as_cursor.fields) == (400, {"cursor"})
    assert store.items("Inventory") == []


def test_what_dies_after_it_was_counted_is_left_alone(stack: Database, clock: Clock) -> None:
    """What an operator has agreed to is what was counted."""
    clock.now = DIED + timedelta(days=1)
    rows = list(dead_letters(3))
    fill(stack, rows)
    token = previewed()["token"]
    clock.forward(seconds=60)
    late = replace(a_dead_one(), died_at=clock.now)
    again = replace(rows[0], died_at=clock.now, updated_at=clock.now)
    fill(stack, [late, again])
    clock.forward(seconds=60)
    job = start(token).json
    run()
    assert (the_job(job["id"])["requeued"], the_job(job["id"])["expected"]) == (2, 3)
    assert stack.indexed("dead") == {late.id, again.id}


def test_a_row_that_dies_again_is_not_taken_again_whatever_clock_its_worker_had(
    stack: Database, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker's clock is behind: by its key the row died before the job began, and the job comes to it once more."""
    fill(stack, [a_dead_one(0), a_dead_one(5), *(a_dead_one(n) for n in range(10, 60))])
    monkeypatch.setattr(requeue_run, "BATCH", 2)
    monkeypatch.setattr("tocsin.storage.inventory.requeue_jobs._AHEAD", 4)
    job = started()
    died: list[Notification] = []

    def die_again(step: Step) -> None:
        if not died:
            row = step.changes[0].after
            died.append(replace(row, status=Status.DEAD, died_at=DIED + timedelta(milliseconds=30), due_at=None))
            item = stack.item(row.id) | encode(died[0], RETENTION)
            stack.put({name: value for name, value in item.items() if name not in ("due_shard", "next_retry_at")})

    monkeypatch.setattr(requeueing, "_written", die_again)
    run()
    done = the_job(job["id"])
    assert (done["state"], done["requeued"], done["passed_over"]) == ("done", 52, 1)
    assert stack.table.get(died[0].id).status is Status.DEAD
    assert set(Left.of(store).lines.values()) == {1}


def test_a_job_is_cancelled_before_it_begins(stack: Database, store: Store) -> None:
    fill(stack, dead_letters(3))
    job = started()
    answer = call("POST", f"{JOBS}/{job['id']}/cancel", **as_user())
    assert (answer.status, answer.json["state"]) == (200, "cancelled")
    assert answer.json["finished_at"] == answer.json["updated_at"]
    assert run()["jobs"] == 0
    assert Left.of(store).requeued == 0
    again = call("POST", f"{JOBS}/{job['id']}/cancel")
    assert again.status == 409
    assert "it is cancelled" in again.json["detail"]
    line, _started = trail(f"requeue_job/{job['id']}")
    assert (line["action"], line["actor"]) == ("requeue_job_cancelled", USER)


def test_a_job_is_cancelled_in_the_middle(stack: Database, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is requeued stays so, and is what the job says."""
    fill(stack, dead_letters(200))
    job = started()

    def cancel(_step: object) -> None:
        assert call("POST", f"{JOBS}/{job['id']}/cancel").status in (200, 409)

    monkeypatch.setattr(requeueing, "_written", cancel)
    run()
    done = the_job(job["id"])
    assert (done["state"], done["requeued"]) == ("cancelled", 49)
    assert Left.of(store).requeued == 49
    assert call("POST", f"{JOBS}/{job['id']}/cancel").status == 409


def test_rows_that_somebody_else_changes_meanwhile_are_passed_over(
    stack: Database, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the read and the write: the others of the same transaction are requeued."""
    rows = list(dead_letters(49))
    fill(stack, rows)
    job = started()

    def review(asked: Any) -> dict[str, Any]:
        for row in (rows[3], rows[40]):
            if stack.table.get(row.id).status is Status.DEAD:
                assert call("POST", f"{API}/notifications/{row.id}/read").status == 200
        return {}

    monkeypatch.setattr("tocsin.bootstrap.delivery.review", review)
    run()
    done = the_job(job["id"])
    assert (done["state"], done["requeued"], done["passed_over"]) == ("done", 47, 2)
    assert Left.of(store).states == {"pending": 47, "read": 2}


def test_a_row_that_the_table_can_not_take_keeps_no_other_from_it(stack: Database, store: Store) -> None:
    rows = list(dead_letters(60))
    fill(stack, rows)
    item = {name: value for name, value in stack.item(rows[20].id).items() if name != "last_error"}
    stack.put(item | {"filling": {"S": "x" * (400 * 1024 - item_size(item) - len("filling"))}})
    job = started()
    run()
    done = the_job(job["id"])
    assert (done["state"], done["requeued"], done["passed_over"]) == ("done", 59, 1)
    assert Left.of(store).states == {"pending": 59, "dead": 1}


def test_a_row_that_can_not_be_read_is_passed_over(stack: Database, store: Store) -> None:
    rows = list(dead_letters(5))
    fill(stack, rows)
    stack.put(stack.item(rows[2].id) | {"attempts": {"S": "nonsense"}})
    job = started()
    run()
    assert (the_job(job["id"])["requeued"], the_job(job["id"])["passed_over"]) == (4, 1)
    assert Left.of(store).states == {"pending": 4, "dead": 1}


def test_two_runs_at_once_do_nothing_twice(stack: Database, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease only saves work: where both hold it, the place in the job is what decides."""
    fill(stack, dead_letters(400))
    job = started()
    now = resources.now()
    assert Lease(resources.dynamodb(), stack.name, "requeue", "another").take(now, now + timedelta(minutes=5))
    assert run() == {"skipped": True}
    monkeypatch.setattr(Lease, "take", lambda *_given: True)
    together, seen = Barrier(3), Counter[str]()

    def work(name: str) -> None:
        together.wait()
        seen[name] = run(name)["requeued"]

    threads = [Thread(target=work, args=(f"run-{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(seen.values()) == 400
    assert (the_job(job["id"])["state"], the_job(job["id"])["requeued"]) == ("done", 400)
    assert Left.of(store).requeued == 400


def test_a_small_job_does_not_wait_for_a_large_one(stack: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open jobs have turns."""
    large, small = list(dead_letters(300)), list(dead_letters(5, channel=ChannelName("SNS")))
    fill(stack, [*large, *small])
    first = started(filters={"channel": "Webhook"})
    second = started(filters={"channel": "SNS"})
    monkeypatch.setattr(requeue_run, "TURN", timedelta(0, 0, 1))
    order: list[str] = []
    monkeypatch.setattr(requeueing, "_written", lambda step: order.extend(one.after.channel for one in step.changes))
    run()
    assert order.index("SNS") < 100
    assert [the_job(job["id"])["requeued"] for job in (first, second)] == [300, 5]


def test_throttling_is_waited_out(stack: Database, store: Store) -> None:
    fill(stack, dead_letters(120))
    job = started()
    with faulty(resources.dynamodb(), "TransactWriteItems", throttled(), times=7):
        ran = run()
    assert ran["failures"] > 0
    done = the_job(job["id"])
    assert (done["state"], done["requeued"], done["last_error"]) == ("done", 120, None)
    assert Left.of(store).requeued == 120


def test_a_write_whose_answer_is_lost_is_counted_once(stack: Database, store: Store) -> None:
    """All tries of the second batch are done by the table, and none is answered: the next turn goes on behind it."""
    fill(stack, dead_letters(120))
    job = started()
    with faulty(resources.dynamodb(), "TransactWriteItems", answer_lost(), first=1, times=resources.TRIES):
        run()
    assert (the_job(job["id"])["state"], the_job(job["id"])["requeued"]) == ("done", 120)
    assert Left.of(store).requeued == 120


class Fading(Context):
    """A worker whose time runs out: each look at it costs ten seconds."""

    def get_remaining_time_in_millis(self) -> int:
        self.milliseconds -= 10_000
        return self.milliseconds


def test_a_job_says_why_it_does_not_go_on_and_fails_after_an_hour(
    stack: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(stack, dead_letters(120))
    clock.now = DIED + timedelta(days=1)
    job = started()

    def burn(*_given: Any) -> None:
        raise OSError("the disk is on fire")

    with monkeypatch.context() as patch:
        patch.setattr(RequeueJobs, "read", burn)
        assert handler("bulk_requeue")({}, Fading(milliseconds=200_000))["failures"] > 1
        stumbled = the_job(job["id"])
        assert (stumbled["state"], stumbled["last_error"]) == ("queued", "OSError: the disk is on fire")
        clock.forward(hours=1)
        handler("bulk_requeue")({}, Fading(milliseconds=200_000))
    failed = the_job(job["id"])
    assert (failed["state"], failed["requeued"], failed["last_error"]) == ("failed", 0, stumbled["last_error"])
    assert run()["jobs"] == 0


def test_a_job_that_waited_for_hours_does_not_fail_with_its_first_failure(
    stack: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run came, as in an outage: the hour counts from the first failure."""
    fill(stack, dead_letters(3))
    clock.now = DIED + timedelta(days=1)
    job = started()
    clock.forward(hours=2)
    with faulty(resources.dynamodb(), "TransactWriteItems", throttled(), times=resources.TRIES):
        ran = run()
    assert ran["failures"] == 1
    done = the_job(job["id"])
    assert (done["state"], done["requeued"], done["last_error"]) == ("done", 3, None)


def test_a_run_stops_in_time_and_the_next_one_goes_on(stack: Database, store: Store) -> None:
    """However little time each has; and where there is none, nothing is begun."""
    fill(stack, dead_letters(300))
    job = started()
    assert run(seconds=20)["skipped"]
    runs = 0
    while the_job(job["id"])["state"] != "done":
        handler("bulk_requeue")({}, Fading(f"run-{runs}", milliseconds=80_000))
        runs += 1
    assert runs > 2
    assert the_job(job["id"])["requeued"] == 300
    assert Left.of(store).requeued == 300


def test_rows_are_paced(stack: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """RequeueRate is rows a second: what a batch took less is waited."""
    fill(stack, dead_letters(98))
    started()
    waited: list[float] = []
    monkeypatch.setattr("tocsin.bootstrap.requeueing.time.sleep", waited.append)
    moment = resources.now()
    monkeypatch.setattr(resources, "now", lambda: moment)
    run()
    assert waited == [0.49, 0.49]


@pytest.mark.parametrize("paused", ["no", "yes"])
def test_a_tick_of_the_sweep_starts_what_goes_on(
    stack: Database, store: Store, invoked: list[None], monkeypatch: pytest.MonkeyPatch, paused: str
) -> None:
    """Where a run was killed, or its start was lost: also while the stack is paused, as what is requeued waits then."""
    monkeypatch.setenv("PAUSED", paused)
    resources.settings.cache_clear()
    tick = handler("retry_sweep")
    tick({}, Context())
    assert invoked == []
    fill(stack, dead_letters(3))
    started()
    invoked.clear()
    tick({}, Context())
    tick({"shards": [0, 1]}, Context())
    assert len(invoked) == 1, "a sweep of a part leaves that to the whole one"
    run()
    invoked.clear()
    tick({}, Context())
    assert invoked == []
    assert Left.of(store).requeued == 3


def test_a_sweep_does_not_wait_for_what_it_can_not_read(stack: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = ClientError({"Error": {"Code": "AccessDeniedException"}}, "Query")

    def refuse(_jobs: RequeueJobs) -> bool:
        raise refused

    monkeypatch.setattr(RequeueJobs, "is_any_open", refuse)
    assert handler("retry_sweep")({}, Context())["skipped"] is False


def test_a_storage_that_does_not_answer_is_a_503(stack: Database) -> None:
    fill(stack, [a_dead_one()])
    token = previewed()["token"]
    for operation, method, url, body in (
        ("Query", "POST", f"{JOBS}/preview", {"filters": {}}),
        ("BatchGetItem", "POST", f"{JOBS}/preview", {"ids": [an_id()]}),
        ("TransactWriteItems", "POST", JOBS, {"token": token, "reason": "x"}),
        ("GetItem", "GET", f"{JOBS}/x", None),
        ("Query", "GET", JOBS, None),
        ("GetItem", "POST", f"{JOBS}/x/cancel", None),
    ):
        with faulty(resources.dynamodb(), operation, throttled()):
            answer = call(method, url, body)
        assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json"), url


def test_counting_ends_when_its_time_does(stack: Database) -> None:
    fill(stack, dead_letters(250))
    for selection in (Selection(filters=Filters(severity=Severity.WARNING)), Selection(filters=Filters())):
        found = requeueing.preview(selection, seconds=0)
        assert (found.is_exact, found.count < 250) == (False, True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"ids": None}, "ids"),
        ({"filters": None}, "filters"),
        ({"ids": [an_id()], "filters": {}}, "body"),
        ({"ids": []}, "ids"),
        ({"ids": [an_id()] * 501}, "ids"),
        ({"ids": ["x"]}, "ids.0"),
        ({"ids": ["é" * 26]}, "ids.0"),
        ({"ids": "01"}, "ids"),
        ({"filters": {"status": "sent"}}, "filters.status"),
        ({"filters": {"channel": "Fax"}}, "filters.channel"),
        ({"filters": {"type": "a b"}}, "filters.type"),
        ({"filters": {"severity": 5}}, "filters.severity"),
        ({"filters": {"contains": ""}}, "filters.contains"),
        ({"filters": {"contains": "\ud800"}}, "filters.contains"),
        ({"filters": {"error_group": "xyz"}}, "filters.error_group"),
        ({"filters": {"created_after": 5}}, "filters.created_after"),
        ({"filters": {"created_before": "yesterday"}}, "filters.created_before"),
        ({"filters": []}, "filters"),
        ({"filters": {}, "more": 1}, "more"),
    ],
    ids=lambda given: str(given)[:40],
)
def test_a_selection_that_is_wrong_is_named(stack: Database, body: object, field: str) -> None:
    answer = call("POST", f"{JOBS}/preview", body)
    assert (answer.status, answer.fields) == (422, {field}), answer.body


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"token", "reason"}),
        ({"token": "x"}, {"reason"}),
        ({"token": "x", "reason": ""}, {"reason"}),
        ({"token": "x", "reason": "two\nlines"}, {"reason"}),
        ({"token": "x", "reason": "x" * 513}, {"reason"}),
        ({"token": "x" * 32_769, "reason": "x"}, {"token"}),
        ({"token": 5, "reason": "x"}, {"token"}),
        ({"token": "x", "reason": "x", "more": 1}, {"more"}),
    ],
    ids=lambda given: str(sorted(given) if isinstance(given, set) else given)[:40],  # a set has no order to name it by
)
def test_a_start_that_is_wrong_is_named(stack: Database, body: object, fields: set[str]) -> None:
    answer = call("POST", JOBS, body)
    assert (answer.status, answer.fields) == (422, fields), answer.body


@pytest.mark.parametrize("id_", ["x", an_id(), "é", "%00", "x" * 900])
def test_a_job_that_is_not_there_is_a_404(stack: Database, id_: str) -> None:
    assert call("GET", f"{JOBS}/{id_}").status == 404
    assert call("POST", f"{JOBS}/{id_}/cancel").status == 404


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(scalars, lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(), deeper))
named = st.dictionaries(st.sampled_from(["ids", "filters", "token", "reason", "channel", "contains"]), anything)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([f"{JOBS}/preview", JOBS]), named | named.map(lambda inner: {"filters": inner}))
def test_no_body_whatever_is_a_defect(stack: Database, url: str, body: object) -> None:
    assert call("POST", url, body).status in (200, 400, 422)
