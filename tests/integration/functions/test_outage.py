"""An outage at one provider costs the others nothing, and its own rows no attempt: the real functions, by a fast clock."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.database import Database
from tests.support.outage import LANES, LATENCY, Cloud, Receiver, a_cloud, present
from tests.support.rows import REFUSED, a_row
from tests.support.virtual_time import run
from tocsin.delivery.attempt import Broken, Delivered, FailureClass, Refused, SendResult
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.circuit import HANGS
from tocsin.delivery.notification import Notification, Status

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
    return REFUSED if tries == 1 and int(row.id[-4:], 32) % 5 == 0 else Delivered(200)


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


async def traffic(cloud: Cloud, seconds: float, every: float = 20.0) -> None:
    """Accept a row for each healthy channel now and then."""
    while asyncio.get_running_loop().time() < seconds:
        cloud.accept(a_message(channel) for channel in HEALTHY)
        await asyncio.sleep(every)


def lived(stack: Database, sick: Receiver | None, count: int = FLOOD) -> tuple[Cloud, dict[str, list[float]]]:
    """Live through an outage of two hours, or through the same time without; give how long healthy rows took."""

    async def life() -> dict[str, list[float]]:
        work = [traffic(cloud, OUTAGE + 1_200), cloud.run(OUTAGE + 2_400)]
        await asyncio.gather(*work, *([flood(cloud, count, 1_800)] if sick else []))
        await cloud.rest()
        await cloud.close()
        return {channel: cloud.waits(channel) for channel in HEALTHY}

    receivers: dict[str, Receiver] = dict.fromkeys(HEALTHY, healthy) | ({SICK: sick} if sick else {})
    documents = {channel: {} for channel in HEALTHY} | {SICK: {"per_minute": PER_MINUTE}}
    with a_cloud(stack, documents, receivers) as cloud:
        return cloud, run(life())


def p99(waits: list[float]) -> float:
    return waits[int(len(waits) * 0.99)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("how", "opening"), [(hangs, LANES * 2 * HANGS), (is_revoked, 0)], ids=["hung", "revoked"])
def test_an_outage_of_two_hours_hurts_nobody_else(
    stack: Database, how: Callable[[], Awaitable[SendResult]], opening: int
) -> None:
    sick = Sick(how)
    cloud, waits = lived(stack, sick)
    rows = cloud.rows(SICK)
    print(len(sick.asked), cloud.drains, cloud.events, {c: (p99(w), max(w), len(w)) for c, w in waits.items()})
    assert len(rows) == FLOOD
    assert {row.status for row in rows} == {Status.SENT}
    assert sum(row.retry_count for row in rows) <= opening
