"""Which policy and which people a certificate has, and what is wrong with them. Each is read once a run."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from tocsin.errors import InvalidFieldsError, MalformedRowError, NotFoundError
from tocsin.inventory.audit import Kind
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.contacts import Owner, People, Team, checked_contact
from tocsin.inventory.policy import RenewalPolicy, default_policy
from tocsin.inventory.thresholds import Threshold

Thing = TypeVar("Thing")
Thing_co = TypeVar("Thing_co", covariant=True)
_UNKNOWN = "is unknown"


@dataclass(frozen=True, slots=True)
class Found(Generic[Thing_co]):
    """What reading many gave: things by id, and by id what is wrong with those that can't be read."""

    things: Mapping[str, Thing_co]
    broken: Mapping[str, str]


class Records(Protocol[Thing_co]):
    """Where things of one kind are kept."""

    def read(self, id_: str) -> Thing_co:
        """Read one to act on it; raise NotFoundError or MalformedRowError."""

    def fetch(self, ids: Sequence[str]) -> Found[Thing_co]:
        """Read many, to act on them; those that are not there are in neither part."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a certificate refers to, or the certificate itself, can't be used; and what was done instead."""

    certificate_id: str
    kind: Kind
    id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """What applies to a certificate."""

    policy: RenewalPolicy
    people: People
    problems: tuple[Problem, ...]


class Resolver:
    """Looks things up for one run, and remembers them."""

    def __init__(
        self,
        policies: Records[RenewalPolicy],
        owners: Records[Owner],
        teams: Records[Team],
        *,
        fallback_email: str = "",
    ) -> None:
        """Read from all three; `fallback_email` gets what belongs to nobody (empty: nobody does)."""
        self._policies = _Memory(Kind.POLICY, policies, lambda policy: policy)
        self._owners = _Memory(Kind.OWNER, owners, checked_contact)
        self._teams = _Memory(Kind.TEAM, teams, checked_contact)
        self._fallback_email = fallback_email

    def prepare(self, certificates: Collection[Certificate]) -> None:
        """Read at once all that `certificates` refer to and that is not known yet."""
        self._policies.prepare(certificate.policy_id for certificate in certificates)
        self._owners.prepare(certificate.owner_id for certificate in certificates)
        self._teams.prepare(certificate.team_id for certificate in certificates)

    def resolve(self, certificate: Certificate) -> Resolved:
        """Give what applies to `certificate`: defaults for an unknown or broken policy, nobody for such people."""
        policy, of_policy = self._policies.look_up(certificate.policy_id, certificate)
        owner, of_owner = self._owners.look_up(certificate.owner_id, certificate)
        team, of_team = self._teams.look_up(certificate.team_id, certificate)
        return Resolved(
            policy or default_policy(certificate.created_at, certificate.source),
            People(owner, team, self._fallback_email),
            tuple(problem for problem in (of_policy, of_owner, of_team) if problem is not None),
        )

    def thresholds_of(self, certificate: Certificate) -> tuple[Threshold, ...]:
        """Give the thresholds that apply to `certificate`: what its status depends on."""
        policy, _problem = self._policies.look_up(certificate.policy_id, certificate)
        return (policy or default_policy(certificate.created_at, certificate.source)).thresholds


class _Memory(Generic[Thing]):
    """Things of one kind by id; a text says why there is none."""

    def __init__(self, kind: Kind, records: Records[Thing], check: Callable[[Thing], Thing]) -> None:
        """Read from `records`; `check` gives a thing back, or raises InvalidFieldsError."""
        self._kind = kind
        self._records = records
        self._check = check
        self._known: dict[str, Thing | str] = {}

    def prepare(self, ids: Iterable[str | None]) -> None:
        """Read many that are not known yet, in one call a hundred."""
        if unknown := sorted({id_ for id_ in ids if id_ is not None} - self._known.keys()):
            found = self._records.fetch(unknown)
            for id_ in unknown:
                broken = found.broken.get(id_)
                self._known[id_] = f"is broken: {broken}" if broken else self._checked(found.things.get(id_))

    def look_up(self, id_: str | None, certificate: Certificate) -> tuple[Thing | None, Problem | None]:
        """Give what `certificate` refers to, or the problem with it; nothing where it refers to nothing."""
        if id_ is None:
            return None, None
        if id_ not in self._known:
            self._known[id_] = self._read_or_reason(id_)
        found = self._known[id_]
        if isinstance(found, str):
            return None, Problem(certificate.id, self._kind, id_, found)
        return found, None

    def _read_or_reason(self, id_: str) -> Thing | str:
        try:
            return self._checked(self._records.read(id_))
        except NotFoundError:
            return _UNKNOWN
        except MalformedRowError as error:
            return f"is broken: {error.detail}"

    def _checked(self, thing: Thing | None) -> Thing | str:
        try:
            return _UNKNOWN if thing is None else self._check(thing)
        except InvalidFieldsError as error:
            return f"is broken: {error.detail}"
