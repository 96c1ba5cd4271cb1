"""Just before an alert is sent its fact is looked at again: the delivery, the inventory and the alerts together."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.support.inventory import DAY, HOUR, T0, a_certificate
from tests.support.inventory_store import Store
from tests.support.rows import ACCEPTED, POLICY, REFUSED, a_row
from tocsin.delivery.attempt import SendResult
from tocsin.delivery.notification import Notification, Status
from tocsin.delivery.send import Delivery, Worker
from tocsin.expiry.still_true import reviewer
from tocsin.inventory.audit import Action

pytestmark = pytest.mark.dynamodb_local


@dataclass
class Receiver:
    """Answers the same to everything, and keeps what it got."""

    answer: SendResult = ACCEPTED
    got: list[Notification] = field(default_factory=list)

    def destination(self, notification: Notification) -> str:
        return notification.recipient

    async def send(self, notification: Notification) -> SendResult:
        self.got.append(notification)
        return self.answer


async def deliver(store: Store, receiver: Receiver) -> None:
    """Deliver all that is stored, as the sweep does."""
    tokens = iter(f"token-{number}" for number in range(1000))
    worker = Worker(lambda: store.now, lambda: 100.0, lambda: 0.0, lambda: next(tokens))
    review = reviewer(store.alerts, lambda: store.now)
    await Delivery(store.notifications, receiver, POLICY, worker, lambda *_: None, review=review).run(store.rows())


def raised(store: Store) -> Notification:
    """Raise the alert of threshold 30."""
    store.add_owner()
    store.add(a_certificate(owner_id="o1"))
    store.now = T0 + 15 * DAY
    store.checked()
    (row,) = store.rows()
    return row


async def test_a_renewed_certificates_alert_is_superseded_before_its_retry(store: Store) -> None:
    """Contract 4.9 [T]: before a retry the fact is checked again: a renewed certificate makes it superseded."""
    row = raised(store)
    await deliver(store, Receiver(REFUSED))
    store.change(a_certificate(), expires_at=T0 + 200 * DAY)
    store.now += HOUR
    receiver = Receiver()
    await deliver(store, receiver)
    after = store.notifications.get(row.id)
    assert receiver.got == []
    assert after.status is Status.SUPERSEDED
    assert after.last_error == "the certificate was renewed: it expires at 2026-09-17 12:00:00 UTC now"


@pytest.mark.parametrize("change", [{"archived_at": T0}, {"revoked_at": T0}])
async def test_what_was_put_away_is_not_alerted_either(store: Store, change: dict[str, Any]) -> None:
    row = raised(store)
    store.change(a_certificate(), **change)
    await deliver(store, Receiver())
    assert store.notifications.get(row.id).status is Status.SUPERSEDED


async def test_a_deleted_certificates_alert_is_superseded(store: Store) -> None:
    row = raised(store)
    current = store.inventory.certificates.get(a_certificate().id)
    store.inventory.certificates.delete(current, store.said(Action.CERTIFICATE_DELETED, current.id))
    await deliver(store, Receiver())
    assert store.notifications.get(row.id).last_error == "the certificate was deleted"


async def test_a_late_delivery_says_what_is_so_when_it_is_sent(store: Store) -> None:
    """Issue 3: no "expires in 30 days" four days later."""
    row = raised(store)
    store.now += 4 * DAY
    receiver = Receiver()
    await deliver(store, receiver)
    (sent,) = receiver.got
    assert "expires in 30 days" in row.message
    assert sent.message.startswith("[threshold:30] The certificate api.example.com expires in 26 days")
    assert sent.subject == "[Tocsin] api.example.com expires in 26 days"
    assert store.notifications.get(row.id).status is Status.SENT


async def test_others_alerts_about_a_certificate_are_left_as_they_are(store: Store) -> None:
    """Whoever posts an alert about a certificate knows what it stands on; the inventory does not."""
    foreign = [a_row(certificate_id="unknown"), a_row(certificate_id=a_certificate().id), a_row(certificate_id=None)]
    store.add(a_certificate())
    for row in foreign:
        store.notifications.insert(row)
    receiver = Receiver()
    await deliver(store, receiver)
    assert {row.id: row.message for row in receiver.got} == {row.id: row.message for row in foreign}


def test_what_cannot_be_reviewed_is_sent_as_it_is(store: Store) -> None:
    row = raised(store)
    broken = replace(store, names=store.names | {"Inventory": "no-such-table"})
    assert reviewer(broken.alerts, lambda: store.now)([row]) == {}
