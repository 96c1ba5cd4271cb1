"""Who is told: owners and teams, and which of them an alert goes to. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from tocsin.delivery.channel_name import ChannelKind, ChannelName
from tocsin.delivery.recipient import email_problem
from tocsin.errors import FieldProblem, InvalidFieldsError
from tocsin.inventory.certificate import NAME_LIMIT
from tocsin.inventory.versioned import Versioned
from tocsin.text import line_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact(Versioned):
    """What owners and teams have in common."""

    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Team(Contact):
    """Some people behind one address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner(Contact):
    """One person, of a team or of none."""

    team_id: str | None = None


AnyContact = TypeVar("AnyContact", Owner, Team)


def checked_contact(contact: AnyContact) -> AnyContact:
    """Return it as it is; raise InvalidFieldsError naming each field that can't be accepted."""
    problems = list(_problems(contact))
    if problems:
        raise InvalidFieldsError(problems)
    return contact


def _problems(contact: Owner | Team) -> Iterable[FieldProblem]:
    for field, text in (("name", contact.name), ("team_id", contact.team_id if isinstance(contact, Owner) else None)):
        if text is not None and (problem := line_problem(text, NAME_LIMIT) or (None if text else "is empty")):
            yield FieldProblem(field, problem)
    if problem := email_problem(contact.email):
        yield FieldProblem("email", problem)


@dataclass(frozen=True, slots=True)
class People:
    """Whom a certificate's alerts can go to."""

    owner: Owner | None = None
    team: Team | None = None
    fallback: str = ""
    """The stack's own address for what belongs to nobody; empty: there is none."""

    def recipient(self, channel: ChannelName) -> str | None:
        """Say whom an alert goes to: the owner, or else the team, or else the fallback address; null: nobody.

        Only e-mail needs somebody. The other channels have a destination of their own, named by an empty text.
        """
        if channel.kind is not ChannelKind.EMAIL:
            return ""
        return next(
            (contact.email for contact in (self.owner, self.team) if contact is not None), self.fallback or None
        )
