"""A change of a certificate ends the alerts that are true no more, and says what it was."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.inventory import DAY, T0, a_certificate
from tests.support.lives import Lives
from tests.support.rows import a_row
from tocsin.delivery.notification import Status
from tocsin.inventory.audit import Action
from tocsin.inventory.certificate import Certificate

RENEWED = {"expires_at": T0 + 200 * DAY}


def some_lives() -> Lives:
    """Make lives of which one has begun."""
    lives = Lives()
    lives.lifecycle.create(a_certificate(), "somebody")
    return lives


def change(lives: Lives, **fields: Any) -> Action:
    """Change the only certificate."""
    (before,) = lives.certificates.things.values()
    return lives.lifecycle.change(before, before.changed(replace(before, **fields), T0), "somebody")


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ({"owner_id": "o1"}, Action.CERTIFICATE_UPDATED),
        (RENEWED, Action.CERTIFICATE_RENEWED),
        ({"expires_at": T0 + DAY}, Action.CERTIFICATE_RENEWED),  # an older one is what will expire now
        ({"archived_at": T0, **RENEWED}, Action.CERTIFICATE_ARCHIVED),
        ({"revoked_at": T0, "archived_at": T0}, Action.CERTIFICATE_REVOKED),  # what matters most
    ],
)
def test_a_change_is_named_for_what_matters_most_of_it(fields: dict[str, Any], action: Action) -> None:
    lives = some_lives()
    assert change(lives, **fields) is action
    assert lives.actions == [Action.CERTIFICATE_CREATED, action]


def test_a_renewal_supersedes_what_is_owed_or_dead() -> None:
    """Contract 1 [T]: `pending`, `failed`, `dead` -> `superseded`; what was sent or read stays what it is."""
    lives = some_lives()
    ids = {status: lives.alerted(a_certificate(), days, status) for days, status in enumerate(Status)}
    change(lives, **RENEWED)
    ended = {Status.PENDING, Status.FAILED, Status.DEAD}
    for status, id_ in ids.items():
        assert lives.alerts.rows[id_].status is (Status.SUPERSEDED if status in ended else status)
    assert set(lives.ended) == {ids[status] for status in ended}


def test_alerts_of_another_cycle_are_left_alone() -> None:
    lives = some_lives()
    older: Certificate = replace(a_certificate(), expires_at=a_certificate().expires_at - 90 * DAY)
    id_ = lives.alerted(older, 7, Status.DEAD)
    change(lives, **RENEWED)
    assert lives.alerts.rows[id_].status is Status.DEAD


def test_an_alert_that_is_being_sent_or_moves_on_is_left_to_its_worker() -> None:
    """Each is asked again whether it is true before it is sent the next time."""
    lives = some_lives()
    claimed, moving, other = (lives.alerted(a_certificate(), days, Status.PENDING) for days in (30, 14, 7))
    row = a_row(id=claimed)
    lives.alerts.rows[claimed] = row.claimed("token", T0 + timedelta(minutes=5), T0)
    lives.alerts.moved_on.add(moving)
    change(lives, **RENEWED)
    assert lives.alerts.rows[claimed].status is Status.PENDING
    assert lives.alerts.rows[other].status is Status.SUPERSEDED
    assert lives.ended == [other]
