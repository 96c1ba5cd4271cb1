"""A policy that changed: its certificates become due, some a page, as far as time allows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from tocsin.expiry.stores import ChangedPolicy, Watchlist

_PAGE = 100
_SETTLING = timedelta(minutes=1)
"""How long the index of a policy's certificates may lag behind: a change is gone through once more after this."""


def look_anew(watchlist: Watchlist, changed: ChangedPolicy, now: datetime, has_time: Callable[[], bool]) -> int:
    """Make the certificates of one policy due, going on where the last check stopped; say how many it was."""
    made_due = 0
    further: ChangedPolicy | None = changed
    while further is not None and has_time():
        page = watchlist.certificates_of(further, _PAGE)
        made_due += sum(watchlist.look_now(id_, now) for _key, id_ in page)
        further = _behind(watchlist, further, page, now)
    return made_due


def _behind(
    watchlist: Watchlist, changed: ChangedPolicy, page: list[tuple[str, str]], now: datetime
) -> ChangedPolicy | None:
    """Remember how far it has come; None at the end."""
    if len(page) == _PAGE:
        watchlist.go_on(changed, page[-1][0])
        return replace(changed, after=page[-1][0])
    if now - changed.changed_at < _SETTLING:
        watchlist.go_on(changed, None)
    else:
        watchlist.finish(changed)
    return None
