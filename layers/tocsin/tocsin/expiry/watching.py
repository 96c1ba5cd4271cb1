"""What reading and writing the inventory gives the expiry check: hints, findings, answers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Generic, TypeVar

from tocsin.expiry.still_true import AlertFacts
from tocsin.inventory.certificate import Certificate

Thing = TypeVar("Thing")


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
class LeftOver:
    """What checks before left to this one."""

    position: str | None
    """The key behind which the last check left off for lack of time; null: it came to the end."""
    changed: tuple[ChangedPolicy, ...]


@dataclass(frozen=True, slots=True)
class Found(Generic[Thing]):
    """What reading many gave: things by id, and by id what is wrong with those that can't be read."""

    things: Mapping[str, Thing]
    broken: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """What an alert stands on, as it is now. Null facts: it is not one of the expiry check's."""

    facts: AlertFacts | None
    certificate: Certificate | None


class Raised(Enum):
    """What became of raising an alert."""

    CREATED = "created"
    DUPLICATE = "duplicate"
    """It was raised before, or just now by another check; nothing was written."""
    STALE = "stale"
    """The certificate changed since it was read; nothing was written."""
