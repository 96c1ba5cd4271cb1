"""Asked just before an expiry alert is sent, and before a requeue: is it still true, and in which words?"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tocsin.delivery.notification import Notification
from tocsin.delivery.send import NoLongerTrue, Retold, Verdict
from tocsin.expiry.still_true import retold, still_true
from tocsin.expiry.watching import Standing


class Book(Protocol):
    """Where alerts are recorded."""

    def standings(self, rows: Sequence[Notification]) -> Mapping[str, Standing]:
        """Read what each of `rows` stands on, by its id."""
        ...


def reviewed(row: Notification, standing: Standing, now: datetime) -> Verdict | None:
    """Say why `row` is no longer true, or give it in words that are true at `now`.

    What is not one of the expiry check's own alerts is as it is: nobody but its sender knows what it stands on.
    """
    if standing.facts is None:
        return None
    reason = still_true(standing.facts, standing.certificate)
    if reason is not None or standing.certificate is None:
        return NoLongerTrue(reason or "")
    return Retold(retold(row, standing.facts, standing.certificate, now))


def reviewer(book: Book, clock: Callable[[], datetime]) -> Callable[[Sequence[Notification]], Mapping[str, Verdict]]:
    """Make what `delivery` asks of claimed rows. It never raises: what can't be reviewed is sent as it is."""

    def review(rows: Sequence[Notification]) -> Mapping[str, Verdict]:
        try:
            standings = book.standings(rows)
        except Exception:  # an alert that may be true must not wait for the inventory to answer
            logging.getLogger(__name__).exception("%d alerts could not be reviewed, and go as they are", len(rows))
            return {}
        now = clock()
        verdicts = {row.id: reviewed(row, standings[row.id], now) for row in rows if row.id in standings}
        return {id_: verdict for id_, verdict in verdicts.items() if verdict is not None}

    return review
