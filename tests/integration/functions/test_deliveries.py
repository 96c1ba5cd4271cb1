"""The dispatch and sweep functions as Lambda calls them: real wiring, a real receiver, DynamoDB Local."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from local.receiver import Receiver, answers
from tests.support.channels import SECRET
from tests.support.database import Database, counted_calls
from tests.support.emf import Blob, blobs_in
from tests.support.engine import Clock, FakeSender
from tests.support.faults import faulty, throttled
from tests.support.functions import Context, call, forget_wiring, handler, sample
from tests.support.rows import POLICY, REFUSED, a_row, settled
from tests.support.ssm import PREFIX, a_parameter_store
from tests.support.sweeper import Sweeper
from tocsin.bootstrap import delivery, resources
from tocsin.delivery.attempt import AttemptClass
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification, Outcome, Status
from tocsin.errors import StorageUnavailableError
from tocsin.storage.lease import Lease
from tocsin.storage.notifications.counters import Counts

PATH = "/api/v1/notifications"


@dataclass(frozen=True)
class World:
    """The functions' table, and the one receiver of webhooks."""

    database: Database
    receiver: Receiver

    def a_row(self, **fields: Any) -> Notification:
        """Store a new row, addressed to the receiver."""
        now = resources.now()
        return self.database.table.insert(a_row(**({"recipient": self.receiver.url(), "created_at": now} | fields)))

    async def invoke(self, function: str, event: object, context: Context | None = None) -> Any:
        """Call a function from a thread: it runs an event loop of its own, and the receiver needs this one."""
        return await asyncio.to_thread(handler(function), event, context or Context())

    def received(self) -> Counter[str]:
        return Counter(request.headers["webhook-id"] for request in self.receiver.requests)


@pytest.fixture
async def world(stack: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with a_parameter_store(Webhook={"secrets": [SECRET]}) as ssm, Receiver(answers(204)) as receiver:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", ssm.client.meta.endpoint_url)
        monkeypatch.setenv("CHANNEL_PREFIX", PREFIX)
        monkeypatch.setenv("ALLOWED_PRIVATE_RANGES", "127.0.0.0/8")
        monkeypatch.setenv("ENVIRONMENT", "local")
        monkeypatch.setenv("ALLOW_PLAIN_HTTP", "yes")
        forget_wiring()
        yield World(stack, receiver)


def stream_of(database: Database, *ids: str) -> dict[str, Any]:
    """Make the event by which the table's stream brings these rows, as they are stored."""
    (record,) = sample("dispatch_pending")["Records"]
    return {
        "Records": [
            record
            | {"dynamodb": {"Keys": {"id": {"S": id_}}, "NewImage": database.item(id_), "SequenceNumber": str(n)}}
            for n, id_ in enumerate(ids, start=100)
        ]
    }


def total(blobs: list[Blob], name: str) -> float:
    return sum(sum(blob.values.get(name, [])) for blob in blobs)


async def test_a_notification_arrives_within_its_first_delivery(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Contract 1 [S], from the POST to the receiver; counted as created and delivered."""
    body = {"type": "Revocation", "channel": "Webhook", "recipient": world.receiver.url(), "message": "It is revoked."}
    created = (await asyncio.to_thread(call, "POST", PATH, body)).json
    assert (created["status"], created["next_retry_at"], created["attempts"]) == ("pending", None, [])
    answer = await world.invoke("dispatch", stream_of(world.database, created["id"]))
    assert answer == {"batchItemFailures": []}
    assert world.received() == {created["id"]: 1}
    shown = (await asyncio.to_thread(call, "GET", f"{PATH}/{created['id']}")).json
    assert (shown["status"], shown["outcome"], shown["retry_count"]) == ("sent", "delivered", 0)
    assert [(attempt["number"], attempt["result"], attempt["http_status"]) for attempt in shown["attempts"]] == [
        (1, "delivered", 204)
    ]
    blobs = blobs_in(capsys.readouterr().out)
    assert (total(blobs, "NotificationsCreated"), total(blobs, "Delivered")) == (1, 1)


async def test_the_sample_event_is_one_that_dispatch_takes(world: World) -> None:
    event = sample("dispatch_pending")
    image = event["Records"][0]["dynamodb"]["NewImage"]
    image["recipient"] = {"S": world.receiver.url()}
    world.database.put(image)
    assert await world.invoke("dispatch", event) == {"batchItemFailures": []}
    assert world.received() == {image["id"]["S"]: 1}


async def test_records_that_come_again_are_not_sent_again(world: World) -> None:
    """Faults: the stream brings a batch again; only the guard on the row decides."""
    row = world.a_row()
    event = stream_of(world.database, row.id)
    event["Records"] *= 2
    for _ in range(2):
        assert await world.invoke("dispatch", event) == {"batchItemFailures": []}
    assert world.received() == {row.id: 1}


async def test_rows_that_could_not_be_claimed_are_brought_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Partial batch response: those, and no other."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda _self, _context: 0)
    rows = [world.a_row() for _ in range(3)]
    event = stream_of(world.database, *[row.id for row in rows])
    with faulty(resources.dynamodb(), "BatchExecuteStatement", throttled()):
        answer = await world.invoke("dispatch", event)
    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == ["100", "101", "102"]
    assert world.received() == {}
    assert await world.invoke("dispatch", event) == {"batchItemFailures": []}
    assert world.received() == {row.id: 1 for row in rows}


async def test_without_time_everything_is_brought_again(world: World) -> None:
    row = world.a_row()
    answer = await world.invoke("dispatch", stream_of(world.database, row.id), Context(milliseconds=10_000))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "100"}]}
    assert world.database.table.get(row.id) == row


async def test_an_image_that_can_not_be_read_is_dead_and_the_rest_goes_on(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """I8, I7: counted once, although the stream brings it again."""
    broken, well = world.a_row(), world.a_row()
    world.database.put({name: v for name, v in world.database.item(broken.id).items() if name != "message"})
    event = stream_of(world.database, broken.id, well.id)
    for _ in range(2):
        assert await world.invoke("dispatch", event) == {"batchItemFailures": []}
    assert world.received() == {well.id: 1}
    dead = world.database.table.get(broken.id)
    assert (dead.status, dead.last_error) == (Status.DEAD, f"row {broken.id}: message is missing")
    assert total(blobs_in(capsys.readouterr().out), "Dead") == 1


async def test_a_channel_that_is_not_configured_is_skipped_never_quietly(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Contract 2.6 [S] and [T]: sent, by outcome, history, log and metric."""
    row = world.a_row(channel=ChannelName.SLACK, recipient="")
    await world.invoke("dispatch", stream_of(world.database, row.id))
    skipped = world.database.table.get(row.id)
    assert (skipped.status, skipped.outcome) == (Status.SENT, Outcome.SKIPPED_NO_CHANNEL)
    assert skipped.attempts[0].result is AttemptClass.SKIPPED_NO_CHANNEL
    blobs = blobs_in(capsys.readouterr().out)
    assert (total(blobs, "SkippedNoChannel"), total(blobs, "Delivered")) == (1, 0)
    listed = await asyncio.to_thread(call, "GET", f"{PATH}?outcome=skipped_no_channel")
    assert [item["id"] for item in listed.json["items"]] == [row.id]


async def test_a_missing_channel_is_a_dead_letter_where_the_stack_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract 2.6 [T]: MissingChannelAction."""
    monkeypatch.setenv("MISSING_CHANNEL_ACTION", "dead")
    forget_wiring()
    row = world.a_row(channel=ChannelName.SLACK, recipient="")
    await world.invoke("dispatch", stream_of(world.database, row.id))
    assert world.database.table.get(row.id).status is Status.DEAD


async def test_a_refusal_is_recorded_with_its_next_retry(world: World) -> None:
    """Contract 2.3 [T]: the first delivery's failure enters the loop. Retry-After is honoured (2.11)."""
    world.receiver.behaviour = answers(503, b"down for maintenance", Retry_After="90")
    row = world.a_row()
    await world.invoke("dispatch", stream_of(world.database, row.id))
    shown = (await asyncio.to_thread(call, "GET", f"{PATH}/{row.id}")).json
    assert (shown["status"], shown["retry_count"], shown["attempts"][0]["http_status"]) == ("failed", 1, 503)
    assert "down for maintenance" in shown["last_error"]
    wait = datetime.fromisoformat(shown["next_retry_at"]) - datetime.fromisoformat(shown["updated_at"])
    assert wait == timedelta(seconds=90)


def due(world: World, count: int = 1) -> list[Notification]:
    """Store rows that failed a while ago."""
    then = resources.now() - timedelta(minutes=5)
    rows = [settled(a_row(created_at=then, recipient=world.receiver.url()), REFUSED, then) for _ in range(count)]
    world.database.fill(rows)
    return rows


async def test_a_tick_sweeps_and_says_what_it_did(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Contract 2.5 and 3.3 [S]: counts as JSON for whoever invoked it, as metrics for the graphs and alarms."""
    rows = due(world, 3)
    dead = world.database.table.insert(
        settled(
            a_row(), REFUSED, resources.now(), policy=POLICY.__class__(retry=POLICY.retry.__class__(max_attempts=1))
        )
    )
    answer = await world.invoke("retry_sweep", sample("retry_sweep_tick"))
    json.dumps(answer)
    assert {name: answer[name] for name in ("skipped", "backlog", "settled", "left", "buried", "handed_over")} == {
        "skipped": False,
        "backlog": 3,
        "settled": 3,
        "left": 0,
        "buried": 0,
        "handed_over": False,
    }
    assert 230 < answer["oldest_due_age"] < 260
    assert world.received() == {row.id: 1 for row in rows}
    gauges = [blob for blob in blobs_in(capsys.readouterr().out) if "SweepDuration" in blob.values]
    (gauge,) = gauges
    assert gauge.dimension_sets == [["service"]]
    assert (gauge.values["DueBacklog"], gauge.values["DeadLetterDepth"]) == ([3], [1])
    assert gauge.values["OldestDueAge"] == [answer["oldest_due_age"]]
    assert "OldestPendingAge" not in gauge.values, "a gauge of 0 is not written: a metric costs what it costs"
    assert world.database.table.get(dead.id).status is Status.DEAD


async def test_a_thousand_alerts_are_reviewed_claimed_sent_and_recorded_in_few_calls(stack: Database) -> None:
    """Design 2: at most 150 calls for 1,000 rows, with the question whether each is still true."""
    now = resources.now()
    rows = [
        a_row(created_at=now - POLICY.pending_grace, recipient=f"https://{n % 40}.example.com") for n in range(1000)
    ]
    stack.fill(rows)
    sender = FakeSender()
    sweeper = Sweeper(stack, sender, Clock(now))
    sweeper.bench.review = delivery.review
    with counted_calls(stack.client) as calls, counted_calls(resources.dynamodb()) as reviews:
        swept = await sweeper.sweep()
    assert swept is not None
    assert swept.settled == 1000
    assert Counter(sender.got) == Counter(row.id for row in rows)
    assert reviews.total() >= 40
    assert calls.total() + reviews.total() <= 150, (calls, reviews)


async def test_a_tick_during_another_sweep_does_nothing_and_says_so(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Contract 2.8 [S]."""
    due(world)
    now = datetime.now(UTC)
    other = Lease(world.database.client, world.database.name, "retry_sweep", "another")
    assert other.take(now, now + timedelta(seconds=100))
    assert await world.invoke("retry_sweep", sample("retry_sweep_tick")) == {"skipped": True}
    (blob,) = blobs_in(capsys.readouterr().out)
    assert blob.values == {"SweepSkipped": [1]}
    assert world.received() == {}
    other.release()
    answer = await world.invoke("retry_sweep", sample("retry_sweep_tick"))
    assert answer["settled"] == 1


async def test_a_sweep_that_can_not_read_fails_loudly_and_sends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract 2.9 [S]."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda _self, _context: 0)
    (row,) = due(world)
    client = resources.dynamodb()
    with faulty(client, "Query", throttled()), pytest.raises(client.exceptions.ClientError):
        await world.invoke("retry_sweep", sample("retry_sweep_tick"))
    assert world.received() == {}
    assert world.database.table.get(row.id).updated_at == row.updated_at


async def test_a_late_tick_sends_nothing_twice(world: World) -> None:
    """Faults: a schedule fires twice, late, three queued."""
    rows = due(world, 5)
    late = sample("retry_sweep_tick") | {"time": "2020-01-01T00:00:00Z"}
    contexts = [Context(aws_request_id=f"request-{n}") for n in range(3)]
    await asyncio.gather(*(world.invoke("retry_sweep", late, context) for context in contexts))
    assert world.received() == {row.id: 1 for row in rows}


async def test_a_dead_letter_lives_again_by_hand(world: World) -> None:
    """Contract 2.7 and 3.1 [S]: found by ?status=dead, requeued by its id, delivered; the history stays."""
    world.receiver.behaviour = answers(400, b"no such hook")
    row = world.a_row()
    await world.invoke("dispatch", stream_of(world.database, row.id))
    listed = (await asyncio.to_thread(call, "GET", f"{PATH}?status=dead")).json["items"]
    assert [(item["id"], item["last_error"]) for item in listed] == [(row.id, "HTTP 400: no such hook")]
    requeued = await asyncio.to_thread(call, "POST", f"{PATH}/{row.id}/requeue")
    assert requeued.status == 200
    world.receiver.behaviour = answers(204)
    await world.invoke("dispatch", stream_of(world.database, row.id))
    shown = (await asyncio.to_thread(call, "GET", f"{PATH}/{row.id}")).json
    assert (shown["status"], shown["retry_count"]) == ("sent", 0)
    assert [attempt["result"] for attempt in shown["attempts"]] == ["permanent", "delivered"]
    assert world.received() == {row.id: 2}


async def test_every_death_is_counted_for_prometheus(world: World) -> None:
    """Contract 3.3 [S]: the gauge falls with a requeue, the counter never does; what came to be sent is counted too."""

    async def scraped() -> dict[tuple[str, ...], float]:
        text = (await asyncio.to_thread(call, "GET", "/api/v1/metrics")).body
        return {
            (one.name, *one.labels.values()): one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
        }

    assert (await scraped())["tocsin_notifications_dead_total",] == 0
    world.receiver.behaviour = answers(400)
    rows = [world.a_row() for _ in range(3)]
    await world.invoke("dispatch", stream_of(world.database, *(row.id for row in rows)))
    dead = await scraped()
    assert (dead["tocsin_notifications_dead",], dead["tocsin_notifications_dead_total",]) == (3, 3)
    await asyncio.to_thread(call, "POST", f"{PATH}/{rows[0].id}/requeue")
    await asyncio.to_thread(call, "POST", f"{PATH}/{rows[1].id}/read")
    world.receiver.behaviour = answers(204)
    await world.invoke("dispatch", stream_of(world.database, rows[0].id))
    after = await scraped()
    assert (after["tocsin_notifications_dead",], after["tocsin_notifications_dead_total",]) == (1, 3)
    by_state = {key[1]: value for key, value in after.items() if key[0] == "tocsin_notifications_total"}
    assert by_state == {"dead": 3, "read": 1, "sent": 1}


async def test_a_count_that_can_not_be_written_costs_no_delivery(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_self: Counts, _reached: object) -> None:
        raise StorageUnavailableError("throttled")

    monkeypatch.setattr(Counts, "add", refuse)
    row = world.a_row()
    answer = await world.invoke("dispatch", stream_of(world.database, row.id))
    assert answer == {"batchItemFailures": []}
    assert world.database.table.get(row.id).status is Status.SENT
    assert "not counted" in caplog.text
