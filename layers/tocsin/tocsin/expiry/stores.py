"""The ports that `storage` fills for alerts and the lives of certificates, and the values that pass through them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from tocsin.delivery.notification import Notification
from tocsin.delivery.store import Change, Fetched
from tocsin.expiry.alert import Mark
from tocsin.inventory.audit import AuditEvent
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.lookup import Found
from tocsin.inventory.rules.rule import Rule


class Certificates(Protocol):
    """The inventory's certificates."""

    def get(self, id_: str) -> Certificate:
        """Read one; raise NotFoundError."""

    def fetch(self, ids: Sequence[str]) -> Found[Certificate]:
        """Read many, to act on them."""

    def create(self, thing: Certificate, event: AuditEvent) -> Certificate:
        """Write a new one; raise ConflictError."""

    def update(self, before: Certificate, after: Certificate, event: AuditEvent) -> Certificate:
        """Replace one; raise PreconditionFailedError."""

    def delete(self, thing: Certificate, event: AuditEvent) -> None:
        """Delete one; raise PreconditionFailedError."""


class Raised(Enum):
    """What became of raising an alert."""

    CREATED = "created"
    DUPLICATE = "duplicate"
    """It was raised before, or just now by another check; nothing was written."""
    STALE = "stale"
    """The certificate changed since it was read; nothing was written."""


class Alerts(Protocol):
    """Alerts and marks."""

    def raise_alert(self, row: Notification, mark: Mark, certificate: Certificate) -> Raised:
        """Write the alert, its mark and its audit event, or nothing."""

    def record(self, mark: Mark) -> bool:
        """Write the mark of a decision that alerts nobody; tell whether it is new."""

    def forget(self, mark: Mark) -> None:
        """Let what was decided be decided anew."""

    def marks_of_cycle(self, certificate: Certificate) -> dict[str, Mark]:
        """Give the marks of its present cycle by id."""

    def marks_of(self, certificate_id: str, expires_at: datetime) -> dict[str, Mark]:
        """Give the marks of any of its cycles by id."""


class Notifications(Protocol):
    """What became of alerts that were raised."""

    def get(self, id_: str) -> Notification:
        """Read one row, as it is now; raise NotFoundError."""

    def fetch(self, ids: Sequence[str], *, is_consistent: bool = False) -> Fetched:
        """Read many rows, by `is_consistent` as they are now."""

    def replace(self, change: Change) -> None:
        """Write one step; raise ConflictError."""

    def resolve(self, trigger: Notification, resolve: Notification) -> bool:
        """Write what resolves `trigger`, unless another one does; raise ConflictError where it can't be told yet."""


@dataclass(frozen=True, slots=True)
class EndedCycle:
    """A cycle whose alerts are to be ended, by the change of one version of its certificate."""

    certificate_id: str
    expires_at: datetime
    version: int
    """The version that was changed."""
    at: datetime
    """When the change began."""


class Endings(Protocol):
    """Cycles that end, for as long as that takes: what a crash interrupts, the expiry check finishes."""

    def begin(self, cycle: EndedCycle) -> None:
        """Remember it."""

    def finish(self, cycle: EndedCycle) -> None:
        """Forget it."""


@dataclass(frozen=True, slots=True)
class DueCertificate:
    """A hint: this certificate may have to be looked at. `key` orders hints, and names a place among them."""

    key: str
    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class ChangedPolicy:
    """A policy whose certificates must be looked at anew; those up to the key `after` already will be."""

    id: str
    changed_at: datetime
    after: str | None


@dataclass(frozen=True, slots=True)
class ChangedRules:
    """Rules that changed: all certificates must be held against them, from the key `after` on."""

    change: str
    """Names the last change, so that one that comes meanwhile is not taken for it."""
    after: str | None


@dataclass(frozen=True, slots=True)
class Indexing:
    """How far certificates of an earlier release are written anew, with all that leads to them."""

    is_done: bool = False
    after: str | None = None
    """The key behind which a walk over all certificates goes on; null: it begins."""
    written: int = 0
    """How many this walk has written."""


@dataclass(frozen=True, slots=True)
class LeftOver:
    """What checks before left to this one."""

    position: str | None
    """The key behind which the last check left off for lack of time; null: it came to the end."""
    changed: tuple[ChangedPolicy, ...]
    ended: tuple[EndedCycle, ...] = ()
    """Cycles whose end is not finished."""
    rules: ChangedRules | None = None
    indexing: Indexing = Indexing()


class Indexer(Protocol):
    """Writes certificates of an earlier release anew, once."""

    def go_on(self, indexing: Indexing, has_time: Callable[[], bool]) -> int:
        """Go on from where the check before left off, while `has_time`; say how many were written."""


class Watchlist(Protocol):
    """What is due, and what checks leave to each other."""

    def due(self, now: datetime, after: str | None, limit: int) -> list[DueCertificate]:
        """Give hints of the next `limit` due by `now` behind the key `after`, the longest due first."""

    def look_again(self, certificate: Certificate, at: datetime | None) -> bool:
        """Have it looked at `at` next (null: not before it changes), if it still is as it was read."""

    def look_now(self, certificate_id: str, now: datetime) -> bool:
        """Have it looked at by this check or the next, if it is watched at all."""

    def left_over(self) -> LeftOver:
        """Give what the checks before left to this one."""

    def certificates_of(self, changed: ChangedPolicy, limit: int) -> list[tuple[str, str]]:
        """Give (key, id) of the next `limit` certificates that name the policy."""

    def go_on(self, changed: ChangedPolicy, after: str | None) -> None:
        """Remember how far this one has come (null: back to the first), unless the policy changed again."""

    def finish(self, changed: ChangedPolicy) -> None:
        """Forget it, unless the policy changed again."""

    def leave_off(self, after: str | None) -> None:
        """Remember where this check leaves off; null: at the end."""

    def watched(self, after: str | None, limit: int) -> list[tuple[str, str]]:
        """Give (key, id) of the next `limit` certificates that are watched, behind the key `after`."""

    def go_on_with_rules(self, changed: ChangedRules, after: str) -> None:
        """Remember how far the certificates are held against the rules, unless those changed again."""

    def finish_rules(self, changed: ChangedRules) -> None:
        """Forget that they changed, unless they changed again."""


class RuleBook(Protocol):
    """The rules of the stack."""

    def every(self) -> Found[Rule]:
        """Read all of them, as they are now."""


@dataclass(frozen=True, slots=True)
class Stores:
    """What a check works on."""

    watchlist: Watchlist
    certificates: Certificates
    alerts: Alerts
