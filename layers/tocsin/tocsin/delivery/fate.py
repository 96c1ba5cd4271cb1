"""What became of a message that a service took, as the service says when it is asked. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """The service has done with it."""

    delivered: bool
    """Whether it did what was asked."""
    reason: str
    """In the service's words; at most LAST_ERROR_LIMIT bytes, and no secret."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """Nothing is known: it may still come, so ask again."""

    reason: str
    """Why not."""
    is_unheard: bool = False
    """Whether the service knows of no such request. It says so too of one that it has just taken: the age decides."""
    retry_after: float | None = None
    """Seconds that the service asked us to wait; already parsed, never negative."""
    is_hung: bool = False
    """Whether it took all of its deadline."""


Fate = Known | NotYet
