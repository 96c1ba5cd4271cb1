"""What the expiry check needs of the tables: the ports that `storage` fills."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin.delivery.notification import Notification
from tocsin.expiry.alert import Mark
from tocsin.expiry.watching import ChangedPolicy, DueCertificate, Found, LeftOver, Raised
from tocsin.inventory.certificate import Certificate


class Lease(Protocol):
    """The right to check."""

    def take(self, now: datetime, until: datetime) -> bool:
        """Take it; tell whether that worked."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


class Watchlist(Protocol):
    """What is due, and what checks leave to each other."""

    def due(self, now: datetime, after: str | None, limit: int) -> list[DueCertificate]:
        """Give hints of the next `limit` due by `now` behind the key `after`, the longest due first."""
        ...

    def look_again(self, certificate: Certificate, at: datetime | None) -> bool:
        """Have it looked at `at` next (null: not before it changes), if it still is as it was read."""
        ...

    def look_now(self, certificate_id: str, now: datetime) -> bool:
        """Have it looked at by this check or the next, if it is watched at all."""
        ...

    def left_over(self) -> LeftOver:
        """Give what the checks before left to this one."""
        ...

    def certificates_of(self, changed: ChangedPolicy, limit: int) -> list[tuple[str, str]]:
        """Give (key, id) of the next `limit` certificates that name the policy."""
        ...

    def go_on(self, changed: ChangedPolicy, after: str | None) -> None:
        """Remember how far this one has come (null: back to the first), unless the policy changed again."""
        ...

    def finish(self, changed: ChangedPolicy) -> None:
        """Forget it, unless the policy changed again."""
        ...

    def leave_off(self, after: str | None) -> None:
        """Remember where this check leaves off; null: at the end."""
        ...


class Certificates(Protocol):
    """The inventory's certificates."""

    def fetch(self, ids: Sequence[str]) -> Found[Certificate]:
        """Read many, to act on them."""
        ...


class Alerts(Protocol):
    """Alerts and marks."""

    def raise_alert(self, row: Notification, mark: Mark, certificate: Certificate) -> Raised:
        """Write the alert, its mark and its audit event, or nothing."""
        ...

    def record(self, mark: Mark) -> bool:
        """Write the mark of a decision that alerts nobody; tell whether it is new."""
        ...

    def marks_of_cycle(self, certificate: Certificate) -> dict[str, Mark]:
        """Give the marks of its present cycle by id."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """All three."""

    watchlist: Watchlist
    certificates: Certificates
    alerts: Alerts
