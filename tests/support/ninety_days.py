"""A made-up world of certificates for 90 days, and what Tocsin must tell of it, hour by hour.

The expectation is written from the contract's words alone: nothing here asks `expiry.plan`, `inventory` or `sources`.
A row is a place. What it shows changes at whole hours; a certificate expires some minutes after one.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import NamedTuple

from tests.support.inventory import DAY, HOUR, T0
from tocsin.inventory.certificate import Source

DAYS = 90
HOURS = DAYS * 24
GRACE = 6 * HOUR
"""How long a server may serve the old certificate."""


@dataclass(frozen=True)
class Shown:
    """What a row is at some time, its operator's part included."""

    serial: int
    not_before: datetime
    expires_at: datetime
    status: str = ""
    """Of its renewal, as ACM words it."""
    revoked_at: datetime | None = None
    archived_at: datetime | None = None

    @property
    def is_watched(self) -> bool:
        return self.revoked_at is None and self.archived_at is None


@dataclass(frozen=True)
class Rule:
    """What a policy says, in the contract's words: which thresholds, and where each severity goes."""

    thresholds: tuple[str, ...] = ("30", "14", "7", "0")
    channels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By severity; the others go by e-mail."""
    silent: frozenset[str] = frozenset()
    """Events of which nobody wants to hear."""
    renew_before: str = ""
    """When somebody is asked to renew; empty: never."""

    def channels_of(self, about: str) -> tuple[str, ...]:
        if about == "RenewalRequested":
            return ("EventBridge",)
        return self.channels.get(_SEVERITY.get(about, "informational"), ("Email",))


_SEVERITY = {
    **dict.fromkeys(("7", "14", "10%", "PolicyViolation"), "warning"),
    **dict.fromkeys(("0", "RenewalFailure", "Revocation", "DeploymentFailure"), "critical"),
}
"""Contract 4.8: the others are informational."""
RENEWAL_DEADLINE_HOURS = 48
MAXIMUM_LIFETIME = 300
"""Days: what a rule says of all certificates. Those of 398 violate it."""
RULES = {
    "": Rule(),
    "percent": Rule(("25%", "10%", "0")),
    "loud": Rule(channels={"critical": ("Email", "Slack")}),
    "renewing": Rule(renew_before="25%"),
    "quiet": Rule(channels={"warning": ()}, silent=frozenset({"RenewalSuccess"})),
}
"""By the name of the policy; without one: the defaults."""


OF_SECRETS = Rule(("0",), silent=frozenset({"RenewalSuccess"}))
"""What applies to a secret without a policy: only that it should have been rotated."""


class Told(NamedTuple):
    """One message that somebody got."""

    hour: int
    row: str
    about: str
    """A threshold, or a type of event."""
    cycle: datetime
    channel: str


class Held(NamedTuple):
    """A certificate as ACM has it."""

    arn: str
    name: str
    shown: Shown
    is_acme: bool
    is_in_use: bool


@dataclass
class Row:
    """One place, and what is there from which hour on; null: nothing any more.

    What came by ACME is one row, although ACM has each of its certificates under another ARN, and keeps them all.
    """

    ref: str
    source: Source
    rule: str = ""
    changes: dict[int, Shown | None] = field(default_factory=dict)
    is_acme: bool = False
    older: "list[Row]" = field(default_factory=list)
    """Certificates that came by ACME and stay in use when another one is there: rows of their own, for so long."""
    is_older: bool = False
    origin: "Row | None" = None
    """Of a server: the row that has the same certificates, which it is to serve."""
    _hours: list[int] = field(default_factory=list)

    def at(self, hour: int) -> Shown | None:
        if len(self._hours) != len(self.changes):
            self._hours = sorted(self.changes)
        found = bisect_right(self._hours, hour)
        return self.changes[self._hours[found - 1]] if found else None

    def held(self, hour: int) -> Iterator[Held]:
        """Say what ACM has of it."""
        if self.source is not Source.ACM or self.is_older:
            return
        if not self.is_acme:
            if (shown := self.at(hour)) is not None:
                yield Held(self.ref, self.name, shown, is_acme=False, is_in_use=False)
            return
        in_use = {row.ref for row in self.older if row.at(hour) is not None}
        for since, shown in self.changes.items():
            if shown is not None and since <= hour:
                arn = self.arn_of(shown)
                yield Held(arn, self.name, shown, is_acme=True, is_in_use=arn in in_use)

    def arn_of(self, shown: Shown) -> str:
        return f"{self.ref}-{shown.serial:x}"

    @property
    def name(self) -> str:
        """Give its common name."""
        return self.ref.rpartition("/")[2].partition(":")[0]

    @property
    def birth(self) -> int:
        return min(self.changes)


@dataclass(frozen=True)
class Hour:
    """What Tocsin did in one hour: a schedule that failed for hours did nothing in them."""

    number: int
    ran: bool = True
    """The sync and the check."""
    posted: bool = True
    """The sweep: mail went out."""

    @property
    def at(self) -> datetime:
        return T0 + self.number * HOUR


def expected(row: Row, hours: Iterable[Hour]) -> Iterator[Told]:
    """Say who is told what of one row, and in which hour it is sent."""
    life = _Life(row, _Origin(row.origin) if row.origin else None)
    for hour in hours:
        yield from life.live(hour)


@dataclass
class _Life:
    """What is known of a row, what is owed of it, and what is settled for ever."""

    row: Row
    origin: "_Origin | None" = None
    awaited: "_Awaited | None" = None
    before: Shown | None = None
    """What was there before what is known."""
    known: Shown | None = None
    watched_since: datetime = T0
    happened: set[str] = field(default_factory=set)
    """Events of this cycle."""
    asked: dict[datetime, datetime] = field(default_factory=dict)
    """When somebody was asked to renew, by cycle."""
    renewed: set[datetime] = field(default_factory=set)
    """Cycles that a later one followed."""
    owed: dict[tuple[str, datetime, str], None] = field(default_factory=dict)
    settled: set[tuple[str, datetime, str]] = field(default_factory=set)
    """Sent; or silent because something more urgent stood for it."""

    def live(self, hour: Hour) -> Iterator[Told]:
        shown = self.row.at(hour.number)
        if hour.ran or self.row.source is Source.API:
            self._see(shown, hour.at)
        if self.origin is not None:
            self.origin.live(hour)
        if hour.ran:
            self._deploy(hour.at)
            self._check(hour.at)
        if hour.posted:
            sent, self.owed = self.owed, {}
            self.settled |= sent.keys()
            yield from (Told(hour.number, self.row.ref, *key) for key in sent)

    def _see(self, shown: Shown | None, now: datetime) -> None:
        before, self.known = self.known, shown
        if shown is None or shown == before:
            self.owed = self.owed if shown else {}
            return
        if before is None or _watched(before) != _watched(shown):
            self.watched_since = now
        if before is not None and before.expires_at != shown.expires_at:
            self.happened, self.before = set(), before
            self.renewed |= {before.expires_at} if shown.expires_at > before.expires_at else set()
        self.happened |= _events(before, shown)
        self.owed = {key: None for key in self.owed if self._is_true(key[0], key[1], shown)}

    def _is_true(self, about: str, cycle: datetime, shown: Shown) -> bool:
        """Contract 4.9: what is true no more is not sent."""
        if cycle != shown.expires_at or shown.archived_at is not None:
            return False
        if about == "DeploymentFailure" and about not in self.happened:
            return False
        return (about == "Revocation") == (shown.revoked_at is not None)

    def _deploy(self, now: datetime) -> None:
        """Issue 10: a renewed certificate that a watched server does, or after a grace does not, serve."""
        here, there = self.known, self.origin
        if here is None or there is None or there.known is None:
            return
        came = self.before is not None and there.renewed_from == self.before.serial
        if (self.awaited and self.awaited.shown.serial == here.serial) or (
            came and there.known.is_watched and there.known.serial == here.serial
        ):
            self.awaited = None
            self.happened = (self.happened - {"DeploymentFailure"}) | {"DeploymentSuccess"}
            return
        self._await(here, there)
        if self.awaited and now >= self.awaited.since + GRACE:
            self.happened.add("DeploymentFailure")
        else:
            self.happened.discard("DeploymentFailure")
        self.owed = {key: None for key in self.owed if self._is_true(key[0], key[1], here)}

    def _await(self, here: Shown, there: "_Origin") -> None:
        """Say what it is to serve: what its origin has, as long as that is watched and does not expire sooner."""
        assert there.known is not None
        has_it = not there.known.is_watched or there.known.serial == here.serial
        if self.awaited and (has_it or here.expires_at > max(self.awaited.shown.expires_at, there.known.expires_at)):
            self.awaited = None
        elif self.awaited:
            self.awaited = self.awaited._replace(shown=there.known)
        elif there.renewed_from == here.serial and not has_it:
            self.awaited = _Awaited(there.known, there.renewed_at)

    def _check(self, now: datetime) -> None:
        if self.known is None:
            return
        is_secret = self.row.source is Source.SECRETS_MANAGER
        rule = OF_SECRETS if is_secret and not self.row.rule else RULES[self.row.rule]
        if rule.renew_before and self.known.is_watched:
            self._ask(rule, self.known, now)
        is_long = self.known.expires_at - self.known.not_before > MAXIMUM_LIFETIME * DAY
        if is_long and self.known.is_watched and self.row.source not in (Source.DOMAIN, Source.SECRETS_MANAGER):
            self.happened.add("PolicyViolation")  # a rule is of certificates
        for event in sorted(self.happened - rule.silent):
            if self._is_true(event, self.known.expires_at, self.known):
                self._owe(event, rule)
        if self.known.is_watched:
            self._cross(rule, self.known, now)

    def _ask(self, rule: Rule, shown: Shown, now: datetime) -> None:
        """Issue 10: once in a cycle somebody is asked to renew; what no source has seen by the deadline has failed."""
        asked_at = self.asked.get(shown.expires_at)
        if asked_at is None and shown.expires_at - _before_expiry(rule.renew_before, shown) <= now:
            self.asked[shown.expires_at] = now
            self._owe("RenewalRequested", rule)
        elif asked_at is not None and shown.expires_at not in self.renewed:
            late = now >= asked_at + RENEWAL_DEADLINE_HOURS * HOUR
            self.happened |= {"RenewalFailure"} if late else set()

    def _cross(self, rule: Rule, shown: Shown, now: datetime) -> None:
        """Contract 4.2 to 4.4: once for each threshold; of those that were crossed before, the most urgent only."""
        crossings = [(shown.expires_at - _before_expiry(one, shown), one) for one in rule.thresholds]
        told = [(at, one) for at, one in crossings if rule.channels_of(one)]
        late = [pair for pair in told if pair[0] <= self.watched_since]
        for pair in told:
            if pair in late and pair != max(late):
                unsent = {(pair[1], shown.expires_at, channel) for channel in rule.channels_of(pair[1])}
                self.settled |= unsent - self.owed.keys()
            elif pair[0] <= now:
                self._owe(pair[1], rule)

    def _owe(self, about: str, rule: Rule) -> None:
        assert self.known is not None
        for channel in rule.channels_of(about):
            key = (about, self.known.expires_at, channel)
            if key not in self.settled:
                self.owed[key] = None


class _Awaited(NamedTuple):
    """What a server is to serve, and since when."""

    shown: Shown
    since: datetime


@dataclass
class _Origin:
    """The row whose certificates a server is to serve, as far as it is known."""

    row: Row
    known: Shown | None = None
    renewed_from: int | None = None
    """The serial of the certificate that it had before."""
    renewed_at: datetime = T0

    def live(self, hour: Hour) -> None:
        if not hour.ran and self.row.source is not Source.API:
            return
        before, self.known = self.known, self.row.at(hour.number)
        if before is None or self.known is None:
            return
        is_another = before.serial != self.known.serial
        if is_another:
            self.renewed_from = before.serial
        if is_another or (self.known.is_watched and not before.is_watched):
            self.renewed_at = hour.at


def _watched(shown: Shown) -> tuple[datetime, datetime, bool]:
    return shown.not_before, shown.expires_at, shown.is_watched


def _events(before: Shown | None, after: Shown) -> set[str]:
    """Say what happened between two sights."""
    events: set[str] = set()
    if after.archived_at is not None:
        return events
    if before is not None and after.expires_at > before.expires_at:
        events.add("RenewalSuccess")
    if before is not None and after.revoked_at is not None and before.revoked_at is None:
        events.add("Revocation")
    if after.status.startswith("FAILED") and after.is_watched:
        events.add("RenewalFailure")
    return events


def _before_expiry(threshold: str, shown: Shown) -> timedelta:
    if threshold.endswith("%"):
        return (shown.expires_at - shown.not_before) * int(threshold[:-1]) / 100
    return int(threshold) * DAY


_SOURCES = (
    *(Source.ACM, Source.IMPORT, Source.API, Source.AGENT, Source.TLS, Source.ACM),
    *(Source.IAM, Source.DOMAIN, Source.ACM_PCA, Source.SECRETS_MANAGER),
)
_ARN = "arn:aws:acm:us-east-1:123456789012:certificate/"


class Maker:
    """Makes up rows, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.serials = iter(range(0x10000, 0x1000000))
        self.rows: list[Row] = []

    def world(self, lineages: int) -> list[Row]:
        """Make up so many certificates that are renewed or not, each at one place or more."""
        for number in range(lineages):
            self._lineage(number)
        return self.rows

    def _lineage(self, number: int) -> None:
        chain = self._chain()
        source = _SOURCES[number % len(_SOURCES)]
        refs = {Source.TLS: f"tls-{number}.example.com:443", Source.ACM: f"{_ARN}acm-{number}"}
        row = Row(refs.get(source, f"{source}-{number}"), source, self.dice.choice([*RULES]), dict(chain))
        row.is_acme = source is Source.ACM and number % (2 * len(_SOURCES)) >= len(_SOURCES)
        if row.is_acme:
            self._stay_in_use(row)
        elif source is Source.ACM and row.rule != "renewing":
            self._troubles(row)
        if not row.is_acme and row.rule != "renewing":
            self._operator(row)
        self.rows += [row, *row.older]
        if source is not Source.TLS:
            for place in range(self.dice.choice((0, 1, 1, 2))):
                self.rows.append(self._place(f"{number}-{place}", chain, row))
        elif self.dice.random() < 0.4:
            self._flap(row)

    def _chain(self) -> dict[int, Shown]:
        """Make up a certificate and its renewals, by the hour of each: in time, late, or never."""
        validity = self.dice.choice((90, 90, 47, 47, 200, 398, 6))
        expires_at = T0 + self.dice.randrange(min(validity * 24, HOURS + 24 * 20)) * HOUR + self._minutes()
        made = self._made(expires_at, validity)
        chain = {self.dice.choice((0, 0, 0, self.dice.randrange(HOURS // 2))): made}
        while self.dice.random() < 0.85 and len(chain) < 20 and max(chain) < HOURS:
            lead = validity * 24 * self.dice.choice((0.33, 0.33, 0.33, 0.1, 0.02, -0.02))
            hour = int((made.expires_at - T0) / HOUR - lead)
            if hour <= max(chain):
                hour = max(chain) + 24
            made = self._made(T0 + hour * HOUR + validity * DAY + self._minutes(), validity)
            chain[hour] = made
        return chain

    def _made(self, expires_at: datetime, validity: int) -> Shown:
        return Shown(next(self.serials), expires_at - validity * DAY, expires_at)

    def _minutes(self) -> timedelta:
        """Within the hour, but not while Tocsin runs, and so that no tenth of a validity ends then."""
        return timedelta(minutes=self.dice.randrange(46, 48))

    def _stay_in_use(self, row: Row) -> None:
        """Let load balancers use some certificates for a while after another one was issued for the same."""
        for (_, old), (hour, _) in pairwise(sorted(row.changes.items())):
            if old is not None and self.dice.random() < 0.4:
                stays = {hour: old, hour + self.dice.choice((5, 200)): None}
                row.older.append(Row(row.arn_of(old), Source.ACM, row.rule, stays, is_older=True))

    def _troubles(self, row: Row) -> None:
        """Let ACM say that a renewal is pending, hangs, or failed; or revoke a certificate."""
        for hour, shown in [*row.changes.items()]:
            end = min((other for other in row.changes if other > hour), default=HOURS)
            kind = self.dice.choice(("", "pending", "failed", "failed", "hangs", "revoked"))
            middle = hour + (end - hour) // 2
            if shown is None or not hour < middle < end:
                continue
            if kind == "revoked":
                row.changes[middle] = replace(shown, revoked_at=T0 + middle * HOUR)
            elif kind:
                row.changes[middle] = replace(shown, status="PENDING_VALIDATION")
            if kind == "failed" and middle + 30 < end:
                row.changes[middle + 30] = replace(shown, status="FAILED: CAA_ERROR")

    def _operator(self, row: Row) -> None:
        """Let somebody put a row away, and perhaps take it back; or delete it."""
        chance = self.dice.random()
        if chance > 0.2 or row.source is Source.TLS:
            return
        start = row.birth + 24 + self.dice.randrange(HOURS // 2)
        end = start + self.dice.choice((48, 24 * 20, HOURS))
        if chance < 0.04 and row.source is Source.API:
            row.changes = {hour: shown for hour, shown in row.changes.items() if hour < start} | {start: None}
            return
        self._put_away(row, start, end)

    @staticmethod
    def _put_away(row: Row, start: int, end: int) -> None:
        away = {start: row.at(start), end: row.at(end)} | row.changes
        row.changes = {
            hour: replace(shown, archived_at=T0 + start * HOUR) if shown and start <= hour < end else shown
            for hour, shown in away.items()
        }

    def _place(self, name: str, chain: Mapping[int, Shown], origin: Row) -> Row:
        """Make up a server of that certificate: reloaded soon, late or never, or one of two behind one name."""
        row = Row(f"place-{name}.example.com:443", Source.TLS, self.dice.choice([*RULES]), origin=origin)
        delay = self.dice.choice((0, 1, 3, 3, 11, 40, HOURS))
        for number, (hour, shown) in enumerate(chain.items()):
            row.changes[hour if number == 0 else hour + delay] = shown
        if self.dice.random() < 0.3:
            self._flap(row)
        return row

    def _flap(self, row: Row) -> None:
        """Let a place go back and forth between two certificates for a while after a change."""
        hours = sorted(row.changes)
        for before, after in pairwise(hours):
            old, new = row.changes[before], row.changes[after]
            for hour in range(after, after + 2 * self.dice.randrange(1, 12), 2):
                if hour + 1 not in row.changes:
                    row.changes |= {hour + 1: old, hour + 2: row.changes.get(hour + 2, new)}


def coarse(rows: Sequence[Row], step: int, without: Source) -> list[Row]:
    """Let things happen only every so many hours: of several in between the last one. Leave one source out."""
    made = {
        row.ref: replace(row, changes={-(-hour // step) * step: shown for hour, shown in sorted(row.changes.items())})
        for row in rows
        if row.source is not without
    }
    for row in made.values():
        row.origin = made.get(row.origin.ref) if row.origin else None
        row.older = [made[older.ref] for older in row.older]
    return [*made.values()]


def hours_of(step: int = 1, lost: Sequence[range] = (), strikes: Sequence[range] = ()) -> list[Hour]:
    """Give every `step`th of the hours: in `lost` ones no schedule ran, in those and in `strikes` nothing was sent."""

    def within(number: int, some: Sequence[range]) -> bool:
        return any(number in one for one in some)

    return [
        Hour(number, not within(number, lost), not within(number, [*lost, *strikes]))
        for number in range(0, HOURS, step)
    ]
