"""Owners and teams as the API shows and takes them."""

from datetime import datetime
from typing import Annotated, Self

from fields import Id, Named, Says, Shown, Strict
from pydantic import BaseModel, field_validator

from tocsin.bootstrap import resources
from tocsin.delivery.recipient import EMAIL_LIMIT, EMAIL_PATTERN
from tocsin.inventory.contacts import Owner, Team

Email = Annotated[str, Says({"maxLength": EMAIL_LIMIT, "pattern": EMAIL_PATTERN})]


class ContactIn(Strict):
    """What owners and teams have in common."""

    name: Named
    email: Email

    @field_validator("email")
    @classmethod
    def _check_email(cls, email: str) -> str:
        if problem := resources.settings().reach.mail_problem(email):
            raise ValueError(problem)
        return email


class OwnerIn(ContactIn):
    """A person."""

    team_id: Id | None = None


class TeamIn(ContactIn):
    """Some people behind one address."""


class TeamOut(Shown):
    """A team."""

    id: str
    name: str
    email: str
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, contact: Owner | Team) -> Self:
        """Show `contact`."""
        return cls.model_validate(contact)


class OwnerOut(TeamOut):
    """An owner."""

    team_id: str | None


class OwnerList(BaseModel):
    """A page, by creation."""

    items: list[OwnerOut]
    next_cursor: str | None


class TeamList(BaseModel):
    """A page, by creation."""

    items: list[TeamOut]
    next_cursor: str | None
