"""Dead letters as the API groups them."""

from datetime import datetime
from typing import Annotated, Self

from fields import Shown
from pydantic import BaseModel, StringConstraints

from tocsin.bootstrap.operating import Grouped
from tocsin.delivery.channel_name import ChannelName

GroupId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{12}$")]


class GroupOut(Shown):
    """Dead letters of one channel that died of the same thing; in `error`, what differs is replaced."""

    id: str
    channel: ChannelName
    error: str
    count: int
    first_died_at: datetime
    last_died_at: datetime
    sample_id: str


class GroupList(BaseModel):
    """All groups, the largest first. `examined` dead letters were looked at; `complete`: those were all."""

    items: list[GroupOut]
    examined: int
    complete: bool

    @classmethod
    def of(cls, found: Grouped) -> Self:
        """Show what grouping gave."""
        items = [GroupOut.model_validate(group) for group in found.groups]
        return cls(items=items, examined=found.examined, complete=found.complete)
