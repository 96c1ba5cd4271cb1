"""The token of a preview: what was counted, when, and how many; signed, so that nobody has to keep it."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin.delivery.bulk import Selection
from tocsin.errors import CursorError
from tocsin.storage.codec import from_timestamp, timestamp
from tocsin.storage.cursor import Cursors
from tocsin.storage.selection import plain_selection, read_selection

LIFETIME = timedelta(minutes=10)
"""How long what was counted may be acted on."""
_LIST = "requeue"
"""What no cursor of a list is bound to."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a preview counted."""

    selection: Selection
    at: datetime
    count: int
    is_exact: bool

    @property
    def name(self) -> str:
        """Write it, in one way only."""
        plain = [timestamp(self.at), self.count, self.is_exact, plain_selection(self.selection)]
        return json.dumps(plain, separators=(",", ":"), sort_keys=True)

    @property
    def expires_at(self) -> datetime:
        """Say until when it may be acted on."""
        return self.at + LIFETIME


def write_token(cursors: Cursors, counted: Counted) -> str:
    """Sign what was counted."""
    return cursors.write(counted.name, _LIST, counted.at)


def read_token(cursors: Cursors, token: str, now: datetime) -> Counted:
    """Read what `write_token` wrote; raise CursorError saying what is wrong with it."""
    try:
        at, count, is_exact, plain = json.loads(cursors.read(token, _LIST, now))
    except CursorError as error:
        known = "it is no token of a preview" if "filters" in error.detail else error.detail
        raise CursorError(known) from None
    counted = Counted(read_selection(plain), from_timestamp(at), count, is_exact)
    if now >= counted.expires_at:
        raise CursorError("it is older than 10 minutes: count again")
    return counted
