"""What reading an account gives, whatever the service: everything in it, or in part, and why not the rest.

A source of this kind is a module with a function that takes a `Visit` and gives an `AccountRead`, and a line where
`bootstrap.sources` lists them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from tocsin.inventory.certificate import INDEXED, Certificate
from tocsin.sources.failure import FailureKind, SourceFailure
from tocsin.sources.observed import ObservedCertificate

_THROTTLED = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded"}
)
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    }
)
_GONE = frozenset({"ResourceNotFoundException", "NoSuchEntity"})
"""What services say of something that was deleted since it was listed."""
OUT_OF_TIME = SourceFailure(FailureKind.TIMEOUT, "there was no time to read all certificates of the account")
"""A failure, because the next read begins at the same end of the list: somebody has to know, and give it more time."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Visit:
    """One reading of an account."""

    now: datetime
    may_go_on: Callable[[], bool] = lambda: True
    """Tells whether there is time for one more."""
    known: Callable[[Sequence[str]], Mapping[str, Certificate]] = lambda _ids: {}
    """Gives the rows of these ids, as they are now: what is known need not be asked for."""


class Paged(Protocol):
    """A client, for its lists."""

    @property
    def meta(self) -> Any:  # noqa: ANN401 - botocore's own
        """Tell its region."""

    def get_paginator(self, operation_name: Any, /) -> Any:  # noqa: ANN401 - each service has its own
        """Make what turns the pages of one list."""


@dataclass(slots=True)
class AccountRead:
    """What was read of an account, in part if something failed."""

    source: str
    """Names it, e.g. `acm:eu-central-1`."""
    observed: list[ObservedCertificate] = field(default_factory=list)
    continues: dict[str, Certificate] = field(default_factory=dict)
    """By the id of the row that an observed one would begin: the row that it continues."""
    replaced: list[tuple[Certificate, str]] = field(default_factory=list)
    """Rows as they were read, each with the id of the row that has taken its part."""
    unchanged: int = 0
    """Certificates that are as the inventory has them, by what the list says."""
    failures: list[SourceFailure] = field(default_factory=list)
    """One each certificate that could not be read; one without a `ref` if the list broke off, or the time was up."""
    undated: int = 0
    """Certificates without dates: not issued yet, or never."""
    complete: bool = True
    """Whether the whole list was seen, and there was time for each."""

    @property
    def failure(self) -> SourceFailure | None:
        """Give the account's own failure: null, only if everything in it was read."""
        whole = next((failure for failure in self.failures if not failure.ref), None)
        if whole is not None or not self.failures:
            return whole
        first = self.failures[0]
        total = len(self.failures) + len(self.observed) + self.unchanged + self.undated
        detail = f"{len(self.failures)} of {total} certificates can't be read; {first.ref}: {first.detail}"
        return SourceFailure(first.kind, detail)

    def listed(self, client: Paged, visit: Visit, operation: str, of_page: str, **asked: object) -> list[Any]:
        """Give all entries of a list: those under `of_page` of each page.

        What breaks it off is a failure: what was read until then stands. So is time that is up between two pages.
        """
        found: list[Any] = []
        try:
            for page in client.get_paginator(operation).paginate(**asked):
                if found and not visit.may_go_on():
                    self._out_of_time()
                    break
                found += page.get(of_page, ())
        except (ClientError, BotoCoreError) as error:
            self.complete = False
            self.failures.append(failure_of(error))
        return found

    def _out_of_time(self) -> None:
        self.complete = False
        if OUT_OF_TIME not in self.failures:
            self.failures.append(OUT_OF_TIME)

    def asked(self, ref: str, ask: Callable[[], Answer], visit: Visit) -> Answer | None:
        """Ask about one thing; null where there was no time, it is gone, or it can't be read, which stops no other."""
        if not visit.may_go_on():
            self._out_of_time()
            return None
        try:
            return ask()
        except (ClientError, BotoCoreError) as error:
            if not (isinstance(error, ClientError) and _code(error) in _GONE):
                self.failures.append(failure_of(error, ref))
            return None


def is_settled(row: Certificate | None, ref: str, expires_at: datetime) -> bool:
    """Tell whether a row stands for the certificate that lies at `ref` and expires then, in everything it holds."""
    return (
        row is not None
        and row.indexed == INDEXED
        and row.source_ref == ref
        and row.replaced_at is None
        and int(row.expires_at.timestamp()) == int(expires_at.timestamp())
    )


def utc(at: datetime | None) -> datetime | None:
    """Give a time of boto3's, which is local, in UTC."""
    return None if at is None else at.astimezone(UTC)


def failure_of(error: ClientError | BotoCoreError, ref: str = "") -> SourceFailure:
    """Say what AWS said, by its code: its messages may name roles and accounts."""
    if isinstance(error, BotoCoreError):
        return SourceFailure(FailureKind.UNREACHABLE, type(error).__name__, ref)
    kind = FailureKind.AWS_ERROR
    if _code(error) in _THROTTLED:
        kind = FailureKind.THROTTLED
    elif _code(error) in _DENIED:
        kind = FailureKind.DENIED
    return SourceFailure(kind, f"{error.operation_name}: {_code(error)}", ref)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
