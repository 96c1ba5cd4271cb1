"""What a list of notifications may be narrowed to. Pure."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime

from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.grouping import group_id
from tocsin.delivery.notification import Notification, Outcome, Severity, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """All that are given must hold. `created_after` is inclusive, `created_before` exclusive."""

    status: Status | None = None
    type: str | None = None
    channel: ChannelName | None = None
    outcome: Outcome | None = None
    severity: Severity | None = None
    certificate_id: str | None = None
    contains: str | None = None
    deferred: bool | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    error_group: str | None = None
    """What its latest error has in common with others; see `grouping`."""

    @property
    def digest(self) -> str:
        """Name these filters in a cursor, so that it can't be used with others."""
        text = json.dumps(asdict(self), default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def match(self, row: Notification) -> bool:
        """Tell whether `row` is wanted. `contains` looks in the message and ignores case."""
        same = ("status", "type", "channel", "outcome", "severity", "certificate_id")
        return (
            all(getattr(self, name) in (None, getattr(row, name)) for name in same)
            and (self.contains is None or self.contains.casefold() in row.message.casefold())
            and self.deferred in (None, row.is_deferred)
            and (self.created_after is None or row.created_at >= self.created_after)
            and (self.created_before is None or row.created_at < self.created_before)
            and self.error_group in (None, group_id(row.channel, row.last_error))
        )
