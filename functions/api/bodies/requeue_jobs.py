"""Requeue jobs as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, Any, Self

from fields import ULID_PATTERN, Instant, Line, Shown, Strict
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from bodies.dead_letters import GroupId
from bodies.notifications import AnyType, NotificationOut
from tocsin.bootstrap.requeueing import Preview
from tocsin.delivery.bulk import MOST_IDS, RequeueJob, Selection, State
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.filters import Filters
from tocsin.delivery.notification import Severity
from tocsin.storage.selection import plain_selection

_TOKEN_LIMIT = 32_768
"""Characters: 500 ids take 20,000."""
NotificationId = Annotated[str, StringConstraints(pattern=ULID_PATTERN)]


class FiltersIn(Strict):
    """Which dead letters: all that are given must hold; none: every dead letter."""

    type: AnyType | None = None
    channel: ChannelName | None = None
    severity: Severity | None = None
    contains: Annotated[Line, Field(min_length=1, max_length=256)] | None = None
    certificate_id: Annotated[Line, Field(min_length=1, max_length=256)] | None = None
    error_group: GroupId | None = None
    created_after: Instant | None = None
    created_before: Instant | None = None


class SelectionIn(Strict):
    """Which dead letters, by `ids` or by `filters`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["ids"]}, {"required": ["filters"]}]})

    ids: Annotated[list[NotificationId], Field(min_length=1, max_length=MOST_IDS, default_factory=list)]
    filters: Annotated[FiltersIn, Field(default_factory=FiltersIn)]

    @model_validator(mode="after")
    def _check_one_is_given(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("needs ids or filters: one of them")
        return self

    @property
    def selection(self) -> Selection:
        """Give the selection as the jobs have it: each id once."""
        if "filters" in self.model_fields_set:
            return Selection(filters=Filters(**dict(self.filters)))
        return Selection(ids=tuple(dict.fromkeys(self.ids)))


class RequeuePreviewOut(BaseModel):
    """What a job would take, and the token that starts it."""

    count: int
    is_exact: bool
    sample: list[NotificationOut]
    token: str
    expires_at: datetime

    @classmethod
    def of(cls, found: Preview) -> Self:
        """Show what was counted."""
        return cls(
            count=found.count,
            is_exact=found.is_exact,
            sample=[NotificationOut.of(row) for row in found.sample],
            token=found.token,
            expires_at=found.expires_at,
        )


class NewRequeueJob(Strict):
    """The token of a preview, and why what it counted shall be requeued."""

    token: Annotated[Line, Field(min_length=1, max_length=_TOKEN_LIMIT)]
    reason: Annotated[Line, Field(min_length=1, max_length=512)]


class SelectionOut(BaseModel):
    """How many ids were named, or which filters."""

    ids: int | None
    filters: dict[str, Any] | None


class RequeueJobOut(Shown):
    """A requeue job, and how far it got."""

    id: str
    state: State
    created_at: datetime
    created_by: str
    reason: str
    selection: SelectionOut
    expected: int
    is_exact: bool
    requeued: int
    superseded: int
    passed_over: int
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    last_error: str | None

    @classmethod
    def of(cls, job: RequeueJob) -> Self:
        """Show `job`."""
        ids = job.selection.ids
        filters = None if ids is not None else plain_selection(job.selection)["filters"]
        shown = {name: getattr(job, name) for name in cls.model_fields if name != "selection"}
        return cls(**shown, selection=SelectionOut(ids=None if ids is None else len(ids), filters=filters))


class RequeueJobList(BaseModel):
    """A page, newest first."""

    items: list[RequeueJobOut]
    next_cursor: str | None
