"""Is a renewed certificate served where the old one was? Watched of each server (a place) that is known.

A row that is no place (of ACM, an import, an agent, the API) gets another certificate: the places that serve the old
one are to serve the new one, and have a grace for it, counted from the renewal.

| a place serves                                                 | then                                              |
|----------------------------------------------------------------|---------------------------------------------------|
| what was renewed elsewhere                                     | it awaits the new one, until the grace is over    |
| what it awaits, or what the old one that it served became      | DeploymentSuccess; it awaits nothing              |
| another one, when the grace is over                            | DeploymentFailure; it awaits it still             |
| one that expires later than the one that it awaits             | it awaits nothing: what was to be averted is      |
| what it served, whose row went back to that, or is watched no  | it awaits nothing                                 |
| more                                                           |                                                   |

All is decided when the place is looked at, by what is recorded then: so it is the same whoever looks, however often.
The row that was renewed only has its places looked at (docs/decisions/deployments.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from tocsin.expiry.alert import ACTOR
from tocsin.inventory.audit import Kind
from tocsin.inventory.certificate import Certificate, expiry_of
from tocsin.inventory.lookup import Found, Resolved
from tocsin.inventory.occurrences import AwaitedDeployment, CertificateEvent, Occurrence
from tocsin.text import written

_ORIGIN = f"{Kind.CERTIFICATE}/"
PAGE = 100
"""Rows that are read at once."""


class Served(Protocol):
    """What leads from a certificate to the rows that have it, or had it."""

    def having(self, identity: str, after: str = "") -> Sequence[str]:
        """Give the ids of the rows that have this very certificate, in order: the next 100 behind `after`."""

    def renewed(self, identity: str, into: str = "") -> Sequence[str]:
        """Give up to 100 ids of rows, none of them a place, that had it; by `into`: which have that one now."""


class Rows(Protocol):
    """Where certificates are read."""

    def fetch(self, ids: Sequence[str]) -> Found[Certificate]:
        """Read many, to act on them."""


class Attention(Protocol):
    """What has a certificate looked at."""

    def look_now(self, certificate_id: str, now: datetime) -> bool:
        """Have it looked at by this check or the next, if it is watched at all."""


class Changes(Protocol):
    """What changes certificates, with all that this means for their alerts."""

    def change(self, before: Certificate, after: Certificate, actor: str) -> object:
        """Write `after`; raise PreconditionFailedError where it was changed since it was read."""


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of the rows around a place, none of which is a place."""

    renewed: Sequence[Certificate] = ()
    """Those that had what the place serves, and have another one now."""
    became: Sequence[Certificate] = ()
    """Those that had what the place served before, and have what it serves now."""
    origin: Certificate | None = None
    """The row that it awaits the certificate of, or the one that took its part; null: it is gone, or no row has it."""
    is_origin_known: bool = True
    """False: it can't be read, and nobody knows what it has."""


def awaiting(certificate: Certificate, identity: str, origin: str, now: datetime, grace: timedelta) -> Certificate:
    """Make a place await the certificate of `identity`, which `origin` (`renewal_job/<id>`) has, since `now`.

    Gives the very same certificate where it is no place, is not watched, awaits that one already, or is known to serve
    it. Raises ValueError for what is no identity.
    """
    expiry_of(identity)
    if not certificate.source.is_place or not certificate.is_watched:
        return certificate
    is_known = certificate.awaited is not None and certificate.awaited.identity == identity
    is_served = certificate.identity == identity and certificate.has_noted(CertificateEvent.DEPLOYMENT_SUCCESS)
    if is_known or is_served:
        return certificate
    draft = _no_failure(certificate, AwaitedDeployment(identity, since=now, until=now + grace, origin=origin))
    return replace(certificate.changed(draft, now), due_at=now)


def judged(place: Certificate, around: Around, now: datetime, grace: timedelta) -> Certificate:
    """Say what a place awaits at `now`, and what is to be told of that; the very same one where nothing is new."""
    since = _served_since(place, around)
    if since is not None:
        detail = f"{place.source_ref} serves it, {_hours(now - since)} after it was there."
        success = Occurrence(CertificateEvent.DEPLOYMENT_SUCCESS, place.expires_at, now, detail)
        draft = _no_failure(place, None).with_occurrence(success)
    else:
        draft = _overdue(_awaiting(place, around, grace), now)
    draft = replace(draft, due_at=place.due_at)  # the check says when to look again
    return place if draft == place else place.changed(draft, now)


def _served_since(place: Certificate, around: Around) -> datetime | None:
    """Say since when what it serves was to be served there; null: it is not known to be what was to be."""
    if place.awaited is not None and place.awaited.identity == place.identity:
        return place.awaited.since
    there = [_renewed_at(row) for row in around.became if row.is_watched and row.identity == place.identity]
    return min(there, default=None)


def _awaiting(place: Certificate, around: Around, grace: timedelta) -> Certificate:
    """Give it with what it awaits."""
    awaited = _still_awaited(place, around)
    if awaited is None:
        newer = [row for row in around.renewed if row.is_watched and row.identity != place.identity]
        for row in sorted(newer, key=lambda row: (row.expires_at, row.id))[-1:]:
            since = _renewed_at(row)
            awaited = AwaitedDeployment(row.identity, since, since + grace, f"{_ORIGIN}{row.id}")
    return place if awaited == place.awaited else _no_failure(place, awaited)


def _still_awaited(place: Certificate, around: Around) -> AwaitedDeployment | None:
    """Give what it awaits, if it still does; where that was renewed again meanwhile, it is the newest."""
    awaited = place.awaited
    if awaited is None or _seconds(place.expires_at) > expiry_of(awaited.identity):
        return None
    if not awaited.origin.startswith(_ORIGIN) or not around.is_origin_known:
        return awaited
    origin = around.origin
    if origin is None or not origin.is_watched:
        return None
    as_it_is = replace(awaited, identity=origin.identity, origin=f"{_ORIGIN}{origin.id}")
    is_newer = origin.identity and origin.identity != place.identity and origin.expires_at >= place.expires_at
    return as_it_is if is_newer or origin.identity == awaited.identity else None


def _no_failure(place: Certificate, awaited: AwaitedDeployment | None) -> Certificate:
    """Give it with what it awaits now; a failure to serve what it awaited before is none any more.

    Unless that is only the same with another name: it still does not serve the newest.
    """
    is_same = awaited is not None and awaited.failed_at is not None
    kept = place if is_same else place.without(CertificateEvent.DEPLOYMENT_FAILURE)
    return replace(kept, awaited=awaited)


def _overdue(place: Certificate, now: datetime) -> Certificate:
    """Note that the grace is over, in each cycle in which it is."""
    awaited = place.awaited
    if awaited is None or now < awaited.until:
        return place
    detail = (
        f"{place.source_ref} was to serve the one that {awaited.origin} has since {written(awaited.since)}, "
        f"by {written(awaited.until)}."
    )
    failure = Occurrence(CertificateEvent.DEPLOYMENT_FAILURE, place.expires_at, now, detail)
    return replace(place, awaited=replace(awaited, failed_at=awaited.failed_at or now)).with_occurrence(failure)


def _renewed_at(row: Certificate) -> datetime:
    """Say when a row got what it has: as it was noted, or at the latest when it was written the last time."""
    renewals = (one.at for one in row.occurrences if one.event is CertificateEvent.RENEWAL_SUCCESS)
    return next(renewals, row.updated_at)


def _hours(time: timedelta) -> str:
    hours = time // timedelta(hours=1)
    return "less than an hour" if hours < 1 else f"{hours} hour{'' if hours == 1 else 's'}"


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


@dataclass(frozen=True, slots=True)
class DeploymentWatch:
    """Watches places, and has them looked at when what they serve is renewed elsewhere. A `check.Watch`."""

    served: Served
    rows: Rows
    attention: Attention
    lifecycle: Changes

    def look(self, certificate: Certificate, resolved: Resolved, now: datetime) -> Certificate:
        """Bring a place up to date; have the places of a row that was renewed looked at.

        Raises PreconditionFailedError where the certificate was changed since it was read.
        """
        if not certificate.is_watched or not certificate.identity:
            return certificate
        if not certificate.source.is_place:
            self._call_places(certificate, now)
            return certificate
        after = judged(certificate, self._around(certificate), now, resolved.policy.deployment_grace)
        if after is not certificate:
            self.lifecycle.change(certificate, after, ACTOR)
        return after

    def next_look(
        self,
        certificate: Certificate,
        resolved: Resolved,  # noqa: ARG002 - as the check asks every watch
        now: datetime,  # noqa: ARG002
    ) -> datetime | None:
        """Say when the grace of a place is over."""
        awaited = certificate.awaited
        return None if awaited is None or awaited.failed_at or not certificate.is_watched else awaited.until

    def _around(self, place: Certificate) -> Around:
        """Read the rows around a place: a question or two, and none of them is a place."""
        renewed = self.served.renewed(place.identity)
        became = self.served.renewed(place.renewed_from, place.identity) if place.renewed_from else ()
        origin = _origin_id(place)
        ids = [*renewed, *became, *([origin] if origin else ())]
        found: Found[Certificate] = self.rows.fetch(ids) if ids else Found({}, {})
        row = found.things.get(origin)
        successor = row.replaced_by if row is not None else None
        after = self.rows.fetch([successor]) if successor else Found({}, {})
        return Around(
            renewed=_of(renewed, found.things),
            became=_of(became, found.things),
            origin=after.things.get(successor, row) if successor else row,
            is_origin_known=origin not in found.broken and successor not in after.broken,
        )

    def _call_places(self, row: Certificate, now: datetime) -> None:
        """Have each place looked at that is not up to date with what this row has; over when all are."""
        if not row.renewed_from:
            return
        for identity in filter(None, (row.renews, row.identity)):
            for place in self._places(identity):
                if place.is_watched and _is_behind(place, row):
                    self.attention.look_now(place.id, now)

    def _places(self, identity: str) -> Iterator[Certificate]:
        """Give all places that serve this certificate, page after page."""
        after = ""
        while ids := self.served.having(identity, after):
            yield from (one for one in self.rows.fetch(ids).things.values() if one.source.is_place)
            if len(ids) < PAGE:
                return
            after = ids[-1]


def _origin_id(place: Certificate) -> str:
    """Give the id of the row whose certificate it awaits; empty: it awaits none, or no row's."""
    origin = place.awaited.origin if place.awaited is not None else ""
    return origin.removeprefix(_ORIGIN) if origin.startswith(_ORIGIN) else ""


def _of(ids: Sequence[str], things: Mapping[str, Certificate]) -> list[Certificate]:
    return [things[id_] for id_ in ids if id_ in things]


def _is_behind(place: Certificate, row: Certificate) -> bool:
    """Tell whether a look at the place would change something, by what `row` has."""
    if place.awaited is not None:
        is_its_own = _origin_id(place) == row.id
        return place.awaited.identity == place.identity or (is_its_own and place.awaited.identity != row.identity)
    if place.identity == row.renews:
        return True
    return place.renewed_from == row.renews and not place.has_noted(CertificateEvent.DEPLOYMENT_SUCCESS)
