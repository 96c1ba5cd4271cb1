"""An outage at one provider costs the others nothing, and its own rows no attempt: the functions, by a fast clock."""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import pytest

from tests.support.database import Database
from tests.support.functions import wired
from tests.support.outage import LANES, LATENCY, Cloud, Receiver, a_cloud, present
from tests.support.rows import REFUSED, a_row
from tests.support.virtual_time import run
from tocsin.delivery.attempt import Broken, Delivered, FailureClass, Refused, SendResult
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.circuit import HANGS
from tocsin.delivery.notification import Notification, Outcome, Severity, Status

FLOOD = int(os.environ.get("FLOOD", "20000"))
OUTAGE = 7_200.0
"""Seconds."""
PER_MINUTE = 3_000
SICK = "Teams"
HEALTHY = ("Email", "PagerDuty", "Slack:payments", "Webhook")
DEADLINE = 10.0


async def healthy(row: Notification, tries: int) -> SendResult:
    """Answer at once; every fifth row is refused once, so that sweeps have something to do."""
    await asyncio.sleep(LATENCY)
    return REFUSED if tries == 1 and crc32(row.id.encode()) % 5 == 0 else Delivered(200)


@dataclass
class Sick:
    """A receiver that is sick from one instant to another."""

    how: Callable[[], Awaitable[SendResult]]
    since: float = 0.0
    until: float = OUTAGE
    asked: list[float] = field(default_factory=list)
    """When it was asked while it was sick."""

    async def __call__(self, _row: Notification, _tries: int) -> SendResult:
        now = asyncio.get_running_loop().time()
        if self.since <= now < self.until:
            self.asked.append(now)
            return await self.how()
        await asyncio.sleep(LATENCY)
        return Delivered(200)


async def hangs() -> SendResult:
    await asyncio.sleep(DEADLINE)
    return Refused(FailureClass.UNKNOWN, "no answer within 10 s", hung=True)


async def is_revoked() -> SendResult:
    await asyncio.sleep(LATENCY)
    return Broken("HTTP 404: no_service", 404)


def a_message(channel: str, **fields: Any) -> Notification:
    return a_row(
        channel=ChannelName(channel), recipient="", certificate_id=None, message="m", created_at=present(), **fields
    )


async def flood(cloud: Cloud, count: int, seconds: float) -> None:
    """Accept so many rows for the sick channel, evenly over so long."""
    for number in range(100):
        cloud.accept(a_message(SICK) for _ in range(count // 100))
        await asyncio.sleep(seconds / 100)
        del number


async def traffic(cloud: Cloud, seconds: float, every: float = 40.0) -> None:
    """Accept a row for each healthy channel now and then."""
    while asyncio.get_running_loop().time() < seconds:
        cloud.accept(a_message(channel) for channel in HEALTHY)
        await asyncio.sleep(every)


def lived(stack: Database, sick: Receiver | None, count: int = FLOOD) -> tuple[Cloud, dict[str, list[float]]]:
    """Live through an outage of two hours, or through the same time without; give how long healthy rows took."""

    async def life(cloud: Cloud) -> dict[str, list[float]]:
        work = [traffic(cloud, OUTAGE + 1_200), cloud.run(OUTAGE + 2_400)]
        await asyncio.gather(*work, *([flood(cloud, count, 1_800)] if sick else []))
        await cloud.rest()
        await cloud.close()
        return {channel: cloud.waits(channel) for channel in HEALTHY}

    receivers: dict[str, Receiver] = dict.fromkeys(HEALTHY, healthy) | ({SICK: sick} if sick else {})
    documents: dict[str, dict[str, Any]] = {channel: {} for channel in HEALTHY} | {SICK: {"per_minute": PER_MINUTE}}
    with a_cloud(stack, documents, receivers) as cloud:
        return cloud, run(life(cloud))


def p99(waits: list[float]) -> float:
    return waits[int(len(waits) * 0.99)]


@pytest.fixture(scope="module")
def quiet(dynamodb_endpoint: str) -> dict[str, list[float]]:
    """How long rows take where there is no outage."""
    with wired(dynamodb_endpoint) as store:
        database = Database(dynamodb_endpoint, store.client, store.names["Notifications"])
        return lived(database, None)[1]


def most_in_a_minute(times: list[float]) -> int:
    """Count the requests of the busiest minute of the clock, by which a limit is shared."""
    return max(Counter(int(at // 60) for at in times).values())


@pytest.mark.timeout(900)  # seconds; 20,000 rows on DynamoDB Local
@pytest.mark.parametrize(("how", "opening"), [(hangs, LANES * HANGS), (is_revoked, 0)], ids=["hung", "revoked"])
def test_an_outage_of_two_hours_hurts_nobody_else(
    stack: Database, quiet: dict[str, list[float]], how: Callable[[], Awaitable[SendResult]], opening: int
) -> None:
    """One of five channels is out for two hours, under 20,000 rows; the others take one now and then all the while.

    None of its rows loses an attempt beyond those that opened the circuits of the lanes; all go out when it is well
    again, within its rate. The others' rows take as long as without it, through dispatch and sweep.
    """
    sick = Sick(how)
    cloud, waits = lived(stack, sick)
    rows = cloud.rows(SICK)
    assert len(rows) == FLOOD
    assert {(row.status, row.outcome) for row in rows} == {(Status.SENT, Outcome.DELIVERED)}
    assert sum(row.retry_count for row in rows) <= opening
    afterwards = [at for at, _ in cloud.got[SICK] if at >= OUTAGE]
    assert most_in_a_minute(afterwards) <= PER_MINUTE
    assert max(cloud.tries[row.id] - len(row.attempts) for row in rows) <= 2, "to find out, and to ask"
    assert len(sick.asked) <= opening + 2 * OUTAGE / 60
    for channel in HEALTHY:
        assert p99(waits[channel]) <= 1.1 * p99(quiet[channel])
        assert waits[channel][len(waits[channel]) // 2] <= 1.1 * quiet[channel][len(quiet[channel]) // 2]


@pytest.mark.parametrize(("severity", "seconds"), [(Severity.CRITICAL, 2.0), (Severity.WARNING, DEADLINE + 2.0)])
def test_one_healthy_row_behind_a_thousand_hung_ones(stack: Database, severity: Severity, seconds: float) -> None:
    """A critical row is sent within 2 s; another waits for the first attempts of its lane, and for no more."""
    sick = Sick(hangs)

    async def life(cloud: Cloud) -> float:
        cloud.accept(a_message(SICK) for _ in range(1_000))
        await asyncio.sleep(0.1)
        row = a_message("Webhook", severity=severity)
        cloud.accept([row])
        await cloud.rest()
        await cloud.close()
        (wait,) = cloud.waits("Webhook")
        return wait

    with a_cloud(stack, {SICK: {}, "Webhook": {}}, {SICK: sick, "Webhook": well}) as cloud:
        assert run(life(cloud)) <= seconds
        assert len(sick.asked) <= LANES * HANGS
        assert sum(row.deferred_by == SICK for row in cloud.rows(SICK)) >= 1_000 - LANES * HANGS


async def well(_row: Notification, _tries: int) -> SendResult:
    await asyncio.sleep(LATENCY)
    return Delivered(200)
