"""Fallbacks: what can't be delivered goes another way: once, linked, and never in a circle."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rows import NOW, POLICY, REJECTED, a_row, settled
from tests.unit.delivery.test_admission import BROKEN, World
from tocsin.delivery.channel_name import ChannelKind, ChannelName, Target
from tocsin.delivery.circuit import Terms
from tocsin.delivery.fallback import HOPS, stand_in, with_stand_in
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.store import Change

MAIL = Target(ChannelName.EMAIL, "ops@example.com")
TEAMS = Target(ChannelName.TEAMS)


def a_dead(**fields: Any) -> Notification:
    return settled(a_row(**({"channel": ChannelName.SLACK, "recipient": ""} | fields)), REJECTED)


def made(row: Notification, otherwise: Target | None = None) -> Notification:
    new = stand_in(row, otherwise, NOW, POLICY)
    assert new is not None
    return new


def test_a_stand_in_says_the_same_another_way() -> None:
    row = a_dead(fallback=MAIL)
    new = made(row)
    same = ("type", "subject", "message", "severity", "certificate_id")
    assert [getattr(new, name) for name in same] == [getattr(row, name) for name in same]
    assert (new.channel, new.recipient, new.status) == (MAIL.channel, MAIL.recipient, Status.PENDING)
    assert (new.fallback_of, new.created_by, new.attempts, new.retry_count) == (row.id, "fallback", (), 0)


def test_the_row_s_own_fallback_goes_before_its_channel_s() -> None:
    assert made(a_dead(fallback=MAIL), TEAMS).channel == "Email"
    assert made(a_dead(), TEAMS).channel == "Teams"
    assert stand_in(a_dead(), None, NOW, POLICY) is None


def test_it_is_made_once_whoever_makes_it() -> None:
    row = a_dead(fallback=MAIL)
    assert made(row).id == made(replace(row, attempts=())).id
    assert stand_in(replace(row, fell_back_to="x"), None, NOW, POLICY) is None


@pytest.mark.parametrize(
    ("row", "target"),
    [
        (a_dead(), Target(ChannelName.SLACK)),  # to itself
        (a_dead(), Target(ChannelName.EMAIL)),  # to nobody
        (a_dead(came_by=(ChannelName.TEAMS,)), TEAMS),  # back to where it came from
    ],
)
def test_where_it_makes_no_sense_there_is_none(row: Notification, target: Target) -> None:
    assert stand_in(row, target, NOW, POLICY) is None


@given(st.dictionaries(st.sampled_from([*ChannelKind]), st.sampled_from([*ChannelKind]), min_size=1))
def test_a_chain_ends_whatever_the_channels_say(ways: dict[ChannelKind, ChannelKind]) -> None:
    """Loop-guarded: documents in SSM are written one at a time, so a circle can't be refused when it is made."""
    row: Notification | None = a_row(channel=ChannelName(next(iter(ways))), recipient="")
    seen = []
    while row is not None:
        seen.append(Target(row.channel, row.recipient))
        dead = settled(row, REJECTED)
        way = ways.get(row.channel.kind)
        target = None if way is None else Target(ChannelName(way), "ops@example.com")
        row = stand_in(dead, target, NOW, POLICY)
    assert len(seen) == len(set(seen)) <= HOPS


def test_all_of_a_chain_name_the_first() -> None:
    """Who reads the last of them finds what it is about, and so does the check whether it is still true."""
    first = a_dead(fallback=TEAMS)
    second = settled(made(first), REJECTED)
    third = made(second, MAIL)
    assert (second.fallback_of, third.fallback_of) == (first.id, first.id)
    assert third.came_by == (ChannelName.SLACK, ChannelName.TEAMS)


def test_a_step_that_ends_nothing_brings_none() -> None:
    row = a_row(fallback=MAIL)
    assert with_stand_in(Change(row, row.claimed("t", NOW, NOW - timedelta(1))), None, NOW, POLICY).stand_in is None


# ── In a run ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_dies_goes_to_its_fallback() -> None:
    world = World(Slack=REJECTED)
    (row,) = world.rows(1, fallback=MAIL)
    world.deliver([row])
    after = world.now(row)
    assert after.status is Status.DEAD
    assert after.fell_back_to is not None
    new = world.table.get(after.fell_back_to)
    assert (new.channel, new.fallback_of, new.status) == ("Email", row.id, Status.PENDING)


def test_what_waits_too_long_for_its_channel_goes_to_its_fallback_and_goes_on_waiting() -> None:
    """ "Its channel is held longer than N minutes": told once another way, and delivered when it is mended as well."""
    world = World(Slack=BROKEN)

    async def terms(_row: Notification) -> Terms:
        return Terms(fallback=TEAMS, fallback_after=timedelta(minutes=15))

    world.channels.terms = terms  # type: ignore[method-assign, assignment]
    rows = world.rows(5)
    world.deliver(rows)
    for minutes in (10, 10, 10):
        world.clock.forward(minutes=minutes)
        world.deliver([world.now(row) for row in rows], drain="Slack", waits=True)
    after = [world.now(row) for row in rows]
    assert {(row.status, row.deferred_by, row.retry_count) for row in after} == {(Status.PENDING, "Slack", 0)}
    ids = {row.fell_back_to for row in after}
    assert len(ids) == 5
    assert {world.table.get(id_).channel for id_ in ids if id_} == {"Teams"}
    assert len(world.table.items) == 10, "each once"
