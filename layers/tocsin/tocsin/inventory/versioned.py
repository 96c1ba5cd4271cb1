"""What all things of the inventory have: an id, its times, and a version that counts its changes."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Versioned:
    """A thing that changes by copy. All times are aware. `version` counts its changes from 1: it is the ETag."""

    id: str
    created_at: datetime
    updated_at: datetime
    version: int = 1

    @property
    def etag(self) -> str:
        """Name this version of it, as HTTP does."""
        return f'"{self.version}"'

    def changed(self, draft: Self, now: datetime) -> Self:
        """Take what `draft` says."""
        return replace(draft, id=self.id, created_at=self.created_at, updated_at=now, version=self.version + 1)
