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
    """Nothing is known: it may still come, so ask again.

    A service that knows of no such request says so too of one that it has just taken: so the age decides.
    """

    reason: str
    """Why not."""
    retry_after: float | None = None
    """Seconds that the service asked us to wait; already parsed, never negative."""
    is_hung: bool = False
    """Whether it took all of its deadline."""


Fate = Known | NotYet
