"""Each alarm goes off by its cause, and ends when that is gone.

The real functions do what they do, on DynamoDB Local, by a clock that the test moves; their lines of metrics are
CloudWatch's input. What AWS says of itself (errors, throttles, the depth of a queue, the age of a stream) is put as AWS
would put it. The alarms are the template's, evaluated by a model of CloudWatch: the embedded AWS knows no metric math.
tests/e2e/test_alarms.py has those that it knows, in the deployed stack.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.alarms import ALARM, LOOK_BACK, OK
from local.receiver import Behaviour, Receiver, answers, silent
from tests.docs.template import resources as in_template
from tests.integration.functions.test_deliveries import stream_of
from tests.integration.functions.test_delivery_feedback import RECEIPT, an_event, bounced
from tests.support.channels import SECRET
from tests.support.cloudwatch import CloudWatch
from tests.support.database import Database
from tests.support.emf import blobs_in
from tests.support.engine import Clock
from tests.support.functions import Answer, Context, call, forget_wiring, handler
from tests.support.rows import a_row, settled
from tests.support.ssm import PREFIX, FakeSsm, a_parameter_store
from tocsin.bootstrap import delivery, resources
from tocsin.delivery.attempt import Accepted
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.store import Change
from tocsin.errors import ResultPendingError

pytestmark = pytest.mark.dynamodb_local
ALARMS = in_template("AWS::CloudWatch::Alarm")
SWEEP = 2  # minutes
SLACK = ChannelName("Slack:payments")


@dataclass
class World:
    """The functions, a receiver, and CloudWatch beside them."""

    database: Database
    clock: Clock
    receiver: Receiver
    ssm: FakeSsm
    cloudwatch: CloudWatch
    patch: pytest.MonkeyPatch
    output: pytest.CaptureFixture[str]
    started: list[dict[str, Any]] = field(default_factory=list)
    """What functions started of themselves."""
    behaviour: Behaviour = field(default_factory=lambda: answers(200, b"ok"))

    def state(self, alarm: str) -> str:
        return self.cloudwatch.state(alarm, self.clock())

    def a_row(self, **fields: Any) -> Notification:
        boring = {"recipient": self.receiver.url(), "created_at": self.clock(), "certificate_id": None}
        return self.database.table.insert(a_row(**(boring | fields)))

    async def invoke(self, function: str, event: object) -> Any:
        """Call a function; CloudWatch hears what it prints, and from Lambda whether it raised."""
        failed = 1.0
        try:
            answer = await asyncio.to_thread(handler(function), event, Context())
            failed = 0.0
        finally:
            self._heard()
            if function == "dispatch":
                name = self.cloudwatch.dimensions("FunctionErrorsAlarm", 1)
                self.cloudwatch.put("AWS/Lambda", "Errors", name, failed, self.clock())
        return answer

    async def dispatch(self, *rows: Notification) -> None:
        """Bring rows as the stream does; Lambda says how old the oldest record is."""
        age = max(self.clock() - row.created_at for row in rows) / timedelta(milliseconds=1)
        name = self.cloudwatch.dimensions("StreamBehindAlarm")
        self.cloudwatch.put("AWS/Lambda", "IteratorAge", name, age, self.clock())
        await self.invoke("dispatch", stream_of(self.database, *(row.id for row in rows)))

    async def api(self, method: str, path: str) -> Answer:
        """Call the API; API Gateway says whether it answered 5xx."""
        answer = await asyncio.to_thread(call, method, f"/api/v1{path}")
        self._heard()
        name = self.cloudwatch.dimensions("FunctionErrorsAlarm", 2)
        self.cloudwatch.put("AWS/ApiGateway", "5XXError", name, float(answer.status >= 500), self.clock())
        return answer

    async def sweep(self) -> None:
        """Sweep, and run what the sweep starts."""
        self.started.clear()
        await self.invoke("retry_sweep", {})
        for event in list(self.started):
            await self.invoke("retry_sweep", event)

    async def sweeps(self, minutes: float) -> None:
        """Let time pass, with a sweep as often as its schedule has it."""
        for _ in range(int(minutes // SWEEP)):
            self.clock.forward(minutes=SWEEP)
            await self.sweep()

    async def passes(self, alarm: str) -> None:
        """Let all pass that CloudWatch may look back."""
        said = self.cloudwatch.alarm(alarm)
        period = said.get("Period") or said["Metrics"][-1]["MetricStat"]["Period"]
        await self.sweeps((said["EvaluationPeriods"] + LOOK_BACK) * period / 60 + SWEEP)

    def break_storage(self) -> None:
        """Take the table of notifications away, as somebody who deletes it does."""
        self.patch.setenv("NOTIFICATIONS_TABLE", "nothing-here")
        forget_wiring()

    def mend_storage(self) -> None:
        self.patch.setenv("NOTIFICATIONS_TABLE", self.database.name)
        forget_wiring()

    def _heard(self) -> None:
        self.cloudwatch.hear(blobs_in(self.output.readouterr().out), self.clock())


@pytest.fixture
async def world(
    stack: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[World]:
    holder: list[World] = []

    async def behave(exchange: Any) -> None:
        await holder[0].behaviour(exchange)

    async with Receiver(behave) as receiver, a_parameter_store(Webhook={"secrets": [SECRET]}) as ssm:
        ssm.parameters[SLACK] = json.dumps({"url": receiver.url("/services/T0/B0/s3cret-of-slack")})
        ssm.parameters["Email"] = json.dumps({"sender": "alerts@example.com"})
        settings = {
            "AWS_ENDPOINT_URL_SSM": ssm.client.meta.endpoint_url,
            "CHANNEL_PREFIX": PREFIX,
            "ALLOWED_PRIVATE_RANGES": "127.0.0.0/8",
            "ENVIRONMENT": "local",
            "ALLOW_PLAIN_HTTP": "yes",
            "READ_ACM": "no",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        cloudwatch = CloudWatch(resources.settings().stack)
        made = World(stack, clock, receiver, ssm, cloudwatch, monkeypatch, capsys)
        monkeypatch.setattr(delivery, "_invoke", lambda event: made.started.append(dict(event)))
        monkeypatch.setattr(delivery, "ATTEMPT_DEADLINE", 0.2)
        forget_wiring()
        holder.append(made)
        yield made


# ── What goes off, and what ends it ──────────────────────────────────────────────────────────────────────────────────


async def dead_letters(world: World) -> AsyncIterator[str]:
    """One is refused for good; an operator marks it read."""
    world.behaviour = answers(410, b"gone")
    row = world.a_row()
    await world.dispatch(row)
    await world.sweep()
    yield ALARM
    assert (await world.api("POST", f"/notifications/{row.id}/read")).status == 200
    await world.passes("DeadLettersAlarm")
    yield OK


async def overdue(world: World) -> AsyncIterator[str]:
    """The stack is paused for longer than ten minutes, and goes on."""
    world.patch.setenv("PAUSED", "yes")
    forget_wiring()
    row = world.a_row()
    await world.sweeps(14)
    yield ALARM
    world.patch.setenv("PAUSED", "no")
    forget_wiring()
    await world.sweep()
    await world.passes("OverdueAlarm")
    assert world.database.table.get(row.id).status is Status.SENT
    yield OK


async def channel_held(world: World) -> AsyncIterator[str]:
    """Slack's URL is revoked, and mended."""
    world.behaviour = answers(404, b"no_service")
    row = world.a_row(channel=SLACK, recipient="")
    await world.dispatch(row)
    yield ALARM
    await world.sweeps(6)
    yield ALARM
    world.behaviour = answers(200, b"ok")
    await world.passes("ChannelHeldAlarm")
    assert world.database.table.get(row.id).status is Status.SENT
    yield OK


async def destination_hung(world: World) -> AsyncIterator[str]:
    """A receiver takes requests and says nothing for twenty minutes; then it answers."""
    world.behaviour = silent()
    rows = [world.a_row() for _ in range(3)]
    await world.dispatch(*rows)
    await world.sweeps(8)
    yield OK
    await world.sweeps(14)
    yield ALARM
    world.behaviour = answers(204)
    await world.passes("DestinationHungAlarm")
    yield OK


async def sweep_missing(world: World) -> AsyncIterator[str]:
    """Sweeps fail for ten minutes, and go on."""
    await world.sweeps(12)
    yield OK
    world.break_storage()
    for _ in range(6):
        world.clock.forward(minutes=SWEEP)
        with pytest.raises(ClientError):
            await world.sweep()
    yield ALARM
    world.mend_storage()
    await world.sweep()
    yield OK


async def _hourly_missing(world: World, function: str) -> AsyncIterator[str]:
    await world.invoke(function, {})
    world.clock.forward(hours=1)
    await world.invoke(function, {})
    yield OK
    world.break_storage()
    for _ in range(3):
        world.clock.forward(hours=1)
        with pytest.raises(ClientError):
            await world.invoke(function, {})
    yield ALARM
    world.mend_storage()
    await world.invoke(function, {})
    yield OK


async def expiry_check_missing(world: World) -> AsyncIterator[str]:
    """Checks fail for three hours, and go on."""
    async for state in _hourly_missing(world, "expiry_check"):
        yield state


async def source_sync_missing(world: World) -> AsyncIterator[str]:
    """Syncs fail for three hours, and go on."""
    async for state in _hourly_missing(world, "source_sync"):
        yield state


async def skipped(world: World) -> AsyncIterator[str]:
    """An alert goes to a channel that nobody has configured; the next one to one that somebody has."""
    row = world.a_row(channel=ChannelName.TEAMS, recipient="")
    await world.dispatch(row)
    yield ALARM
    await world.dispatch(world.a_row(channel=SLACK, recipient=""))
    await world.passes("SkippedAlarm")
    yield OK


def _a_sent_mail(world: World) -> Notification:
    row = settled(a_row(channel=ChannelName.EMAIL, created_at=world.clock()), Accepted(200, RECEIPT), world.clock())
    world.database.fill([row])
    world.clock.forward(minutes=1)
    return row


async def complaints(world: World) -> AsyncIterator[str]:
    """A recipient marks a mail as spam, once."""
    await world.invoke("delivery_feedback", an_event("Complaint Received", _a_sent_mail(world), complaint={}))
    yield ALARM
    await world.passes("ComplaintsAlarm")
    yield OK


async def feedback_unheard(world: World) -> AsyncIterator[str]:
    """What SES says can't be brought to its row, since a worker died with it; later it is brought again."""
    now = world.clock()
    row = a_row(channel=ChannelName.EMAIL, created_at=now).claimed("mine", now + timedelta(minutes=9), now)
    world.database.fill([row])
    event = bounced(row, at=now)
    for _ in range(3):  # so often Lambda brings it, and then to the queue of what was given up
        with pytest.raises(ResultPendingError):
            await world.invoke("delivery_feedback", event)
    _queue_has(world, 1)
    yield ALARM
    world.database.table.replace(Change(row, settled(row, Accepted(200, RECEIPT), now)))
    world.clock.forward(minutes=10)
    assert (await world.invoke("delivery_feedback", event))["heard"] == "applied"
    _queue_has(world, 0)  # the runbook's command deletes what was heard
    yield OK


def _queue_has(world: World, count: int) -> None:
    name = world.cloudwatch.dimensions("FeedbackUnheardAlarm")
    world.cloudwatch.put("AWS/SQS", "ApproximateNumberOfMessagesVisible", name, count, world.clock())


async def function_errors(world: World) -> AsyncIterator[str]:
    """The table is gone: the API answers 503, and first deliveries crash; each alone is enough."""
    assert (await world.api("GET", "/notifications")).status == 200
    yield OK
    row = world.a_row()
    world.break_storage()
    assert (await world.api("GET", "/notifications")).status == 503
    yield ALARM
    world.mend_storage()
    await world.passes("FunctionErrorsAlarm")
    yield OK
    world.patch.setenv("MAX_ATTEMPTS", "many")
    forget_wiring()
    with pytest.raises(Exception, match="MAX_ATTEMPTS"):
        await world.dispatch(row)
    yield ALARM
    world.patch.setenv("MAX_ATTEMPTS", "5")
    forget_wiring()
    await world.dispatch(row)
    await world.passes("FunctionErrorsAlarm")
    yield OK


async def throttled(world: World) -> AsyncIterator[str]:
    """Lambda and DynamoDB throttle some for ten minutes: together they are too many. Then they say nothing more."""
    of_table = world.cloudwatch.dimensions("ThrottledAlarm", 2)
    for _ in range(2):
        world.clock.forward(minutes=5)
        world.cloudwatch.put("AWS/Lambda", "Throttles", {}, 6, world.clock())
        world.cloudwatch.put("AWS/DynamoDB", "WriteThrottleEvents", of_table, 4, world.clock())
    yield ALARM
    world.clock.forward(minutes=5)
    yield OK


async def stream_behind(world: World) -> AsyncIterator[str]:
    """Records wait for over a minute for a lane; the next ones do not."""
    late = world.a_row()
    world.clock.forward(seconds=90)
    await world.dispatch(late)
    yield ALARM
    world.clock.forward(minutes=6)
    await world.dispatch(world.a_row())
    yield OK


async def ticks_dropped(world: World) -> AsyncIterator[str]:
    """Scheduler can't start a function twice in a row, and then can."""
    group = world.cloudwatch.dimensions("TicksDroppedAlarm")
    for _ in range(2):
        world.clock.forward(minutes=5)
        world.cloudwatch.put("AWS/Scheduler", "InvocationDroppedCount", group, 1, world.clock())
    yield ALARM
    await world.passes("TicksDroppedAlarm")
    yield OK


Story = Callable[[World], AsyncIterator[str]]
STORIES: dict[str, Story] = {
    "DeadLettersAlarm": dead_letters,
    "OverdueAlarm": overdue,
    "ChannelHeldAlarm": channel_held,
    "DestinationHungAlarm": destination_hung,
    "SweepMissingAlarm": sweep_missing,
    "ExpiryCheckMissingAlarm": expiry_check_missing,
    "SourceSyncMissingAlarm": source_sync_missing,
    "SkippedAlarm": skipped,
    "ComplaintsAlarm": complaints,
    "FeedbackUnheardAlarm": feedback_unheard,
    "FunctionErrorsAlarm": function_errors,
    "ThrottledAlarm": throttled,
    "StreamBehindAlarm": stream_behind,
    "TicksDroppedAlarm": ticks_dropped,
}
WAITING = {"SweepMissingAlarm", "ExpiryCheckMissingAlarm", "SourceSyncMissingAlarm"}
"""Those that go off where nothing is said: a stack that was just made has them until its first tick."""


@pytest.mark.parametrize("alarm", ALARMS)
async def test_it_goes_off_by_its_cause_and_ends_when_that_is_gone(world: World, alarm: str) -> None:
    """Issue 9: each alarm fires and clears. One that is added to the template needs a story of its own here."""
    assert world.state(alarm) == (ALARM if alarm in WAITING else OK)
    seen: list[str] = []
    async for expected in STORIES[alarm](world):
        assert world.state(alarm) == expected, f"{expected} was expected after {seen}"
        seen.append(expected)
    assert ALARM in seen
    assert seen[-1] == OK


def test_every_alarm_has_a_story() -> None:
    assert {*STORIES} == {*ALARMS}


async def test_nothing_goes_off_while_all_is_well(world: World) -> None:
    """An hour of deliveries, sweeps, checks and syncs."""
    for function in ("expiry_check", "source_sync"):
        await world.invoke(function, {})
    for _ in range(6):
        await world.dispatch(world.a_row())
        assert (await world.api("GET", "/notifications")).status == 200
        await world.sweeps(10)
    assert [name for name in ALARMS if world.state(name) != OK] == []


def test_every_alarm_tells_somebody_when_it_ends() -> None:
    for name, said in ALARMS.items():
        assert said["AlarmActions"] == said["OKActions"] == ["AlarmTopic"], name
