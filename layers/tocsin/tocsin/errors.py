"""The errors that callers are meant to handle: a shallow tree, each a name and a sentence.

An error's message is its docstring, followed by what was seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class TocsinError(Exception):
    """Something that Tocsin can name went wrong."""

    def __init__(self, detail: str = "") -> None:
        """Take what was seen, in words; the docstring says what it means."""
        meaning = (type(self).__doc__ or "").partition("\n")[0]
        super().__init__(f"{meaning} {detail}".strip())
        self.detail = detail


class SettingsError(TocsinError):
    """The function's environment is missing a setting, or one can't be read."""


class TransitionRefusedError(TocsinError):
    """The notification's state does not allow this step."""


class JobStateError(TocsinError):
    """The job's state does not allow this step."""


class NotRenewableError(TocsinError):
    """This certificate can't be renewed."""


class NotFoundError(TocsinError):
    """There is nothing by this id."""


class ConflictError(TocsinError):
    """Somebody else changed this first."""


class IdempotencyMismatchError(TocsinError):
    """This Idempotency-Key was used before with another body."""


class MalformedRowError(TocsinError):
    """A stored row can't be read as what its table holds."""


class MalformedEventError(TocsinError):
    """An event can't be read as what it should be."""


class ResultPendingError(TocsinError):
    """The result of a try is about to be recorded; ask again."""


class StorageUnavailableError(TocsinError):
    """The storage did not answer, or refused to just now."""


class PausedError(TocsinError):
    """The stack is paused: it sends nothing."""


class UnwritableError(TocsinError):
    """The storage will never take this: it is too large."""


class SenderUnavailableError(TocsinError):
    """The function that sends can't be asked just now."""


class NoAnswerError(TocsinError):
    """The function that sends did not answer: nobody knows whether the message went out."""


class CursorError(TocsinError):
    """The cursor can't be used; start again without one."""


class TooManyError(TocsinError):
    """There are as many of these as there may be."""


class PreconditionFailedError(TocsinError):
    """This was changed since it was read; read it again and repeat the change on what it is now."""


class InUseError(TocsinError):
    """This can't be deleted while something refers to it."""

    def __init__(self, referrers: Sequence[str], count: int) -> None:
        """Take the first few that refer, as `certificate/<id>`, and how many there are in all."""
        more = f" and {count - len(referrers)} more" if count > len(referrers) else ""
        super().__init__(f"{count} {'refers' if count == 1 else 'refer'} to it: {', '.join(referrers)}{more}")
        self.referrers = tuple(referrers)
        self.count = count


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field, named as the API names it, e.g. `alert_thresholds_days.2`."""

    field: str
    detail: str


class InvalidFieldsError(TocsinError):
    """Some fields can't be accepted."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        """Take every problem that was found, not only the first."""
        super().__init__("; ".join(f"{problem.field} {problem.detail}" for problem in problems))
        self.problems = tuple(problems)
