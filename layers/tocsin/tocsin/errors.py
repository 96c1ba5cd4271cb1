"""The errors that callers are meant to handle: a shallow tree, each a name and a sentence.

An error's message is its docstring, followed by what was seen.
"""


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


class NotFoundError(TocsinError):
    """There is nothing by this id."""


class ConflictError(TocsinError):
    """Somebody else changed this first."""


class IdempotencyMismatchError(TocsinError):
    """This Idempotency-Key was used before with another body."""


class MalformedRowError(TocsinError):
    """A stored row can't be read as what its table holds."""


class CursorError(TocsinError):
    """The cursor can't be used; start again without one."""


class ChannelConfigurationError(TocsinError):
    """The channel's stored configuration is not valid."""
