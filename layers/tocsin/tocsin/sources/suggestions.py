"""Ask authorities when to renew certificates whose policies leave that to them: those that are due to be asked about.

The expiry check puts a certificate on the list once a cycle, when it looks at it. Each answer says when to ask again,
and that is its place in the list. So a run reads what is due, and never the inventory.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from tocsin.errors import MalformedRowError, NotFoundError
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.policy import RenewalPolicy, Suggestion
from tocsin.sources.ari import LATEST, Advice, source_of
from tocsin.sources.ari_reader import Unknown
from tocsin.sources.failure import SourceFailure

MOST = 400
"""Certificates that one run asks about."""
_AT_ONCE = 8
_TRY_AGAIN = timedelta(hours=1)
"""When a server is asked again that did not answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A place in the list."""

    certificate_id: str
    at: datetime


class List(Protocol):
    """Where the list is kept, and what was suggested. Writes tell whether the certificate still was as it was read."""

    def due(self, now: datetime, limit: int) -> Sequence[Asked]:
        """Give the first `limit` places that are due by `now`."""

    def advise(self, asked: Asked, certificate: Certificate, advice: Advice, now: datetime) -> bool:
        """Write what is suggested, and when to ask again."""

    def postpone(self, asked: Asked, certificate: Certificate, at: datetime) -> bool:
        """Ask again at `at`; what was suggested before stands."""

    def leave(self, asked: Asked, certificate: Certificate | None) -> None:
        """Take a place off the list, and what was suggested off its certificate."""


class Reader(Protocol):
    """Asks one server about one certificate."""

    async def advice(self, directory: str, ari_id: str) -> Advice | Unknown | SourceFailure:
        """Ask it."""


@dataclass(slots=True)
class Asking:
    """One run."""

    listed: List
    read: Callable[[str], Certificate]
    """Reads a certificate to act on it."""
    policy_of: Callable[[Certificate], RenewalPolicy]
    directories: Sequence[str]
    note: Callable[[str, SourceFailure | None], None]
    """Hears how each source was found, once a run."""
    clock: Callable[[], datetime]
    may_start: Callable[[], bool]
    advised: int = 0
    _found: dict[str, SourceFailure | None] = field(default_factory=dict)

    async def run(self, reader: Reader) -> int:
        """Ask about all that is due, while there is time; say how often something was suggested."""
        waiting = list(self.listed.due(self.clock(), MOST))
        while waiting and self.may_start():
            some, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
            wanted = [(asked, one) for asked in some if (one := self._wanted(asked)) is not None]
            answers = await asyncio.gather(*(self._advice(reader, one.ari_id) for _asked, one in wanted))
            for (asked, certificate), answer in zip(wanted, answers, strict=True):
                self._write(asked, certificate, answer)
        for source, failure in self._found.items():
            self.note(source, failure)
        return self.advised

    def _wanted(self, asked: Asked) -> Certificate | None:
        """Give the certificate, if it is still to be asked about; else take its place off the list."""
        try:
            certificate = self.read(asked.certificate_id)
        except (NotFoundError, MalformedRowError):
            self.listed.leave(asked, None)
            return None
        if is_to_be_asked(certificate, self.policy_of(certificate)) and certificate.suggestion_until == asked.at:
            return certificate
        self.listed.leave(asked, certificate)
        return None

    async def _advice(self, reader: Reader, ari_id: str) -> Advice | Unknown | SourceFailure:
        """Ask each server until one knows it. One that did not answer in this run is not asked again."""
        answer: Advice | Unknown | SourceFailure = Unknown()
        for directory in self._alive():
            said = await reader.advice(directory, ari_id)
            source = source_of(directory)
            if isinstance(said, Advice):
                self._found.setdefault(source, None)
                return said
            if isinstance(said, SourceFailure):
                self._found[source] = answer = said
            else:
                self._found.setdefault(source, None)
        return answer

    def _alive(self) -> Iterable[str]:
        return [one for one in self.directories if not self._found.get(source_of(one))]

    def _write(self, asked: Asked, certificate: Certificate, answer: Advice | Unknown | SourceFailure) -> None:
        now = self.clock()
        if isinstance(answer, Advice):
            self.advised += self.listed.advise(asked, certificate, answer, now)
        else:  # nobody knows it: another day; nobody answered: soon
            self.listed.postpone(asked, certificate, now + (_TRY_AGAIN if self._is_silent(answer) else LATEST))
            logging.getLogger(__name__).info("nothing is suggested for certificate %s", certificate.id)

    def _is_silent(self, answer: Unknown | SourceFailure) -> bool:
        return isinstance(answer, SourceFailure) or not list(self._alive())


def is_to_be_asked(certificate: Certificate, policy: RenewalPolicy) -> bool:
    """Tell whether a certificate's authority is to be asked when to renew it."""
    is_there = certificate.archived_at is None and certificate.replaced_at is None
    return policy.renew_before is Suggestion.ARI and bool(certificate.ari_id) and is_there
