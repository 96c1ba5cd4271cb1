"""What the event asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

BY_POLICY = "expiry_check"
"""Who asked, where a policy did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One renewal job, as the detail of `Renewal Requested` says it."""

    id: str
    attempt: int
    certificate_id: str
    names: tuple[str, ...]
    """DNS names, the common name first."""
    key_kind: str
    key_size: int | None
    source: str
    source_ref: str
    ari_id: str
    deadline: datetime
    by_policy: bool
    """Whether a policy asked, which can wait for the authority's window, and not a person, who can't."""

    @classmethod
    def parse(cls, detail: Mapping[str, Any]) -> Self:
        """Read the event's detail; raise KeyError or ValueError where it is no such thing."""
        names = dict.fromkeys(name.lower() for name in (detail["common_name"], *detail["names"]) if name)
        return cls(
            id=detail["job_id"],
            attempt=int(detail["attempt"]),
            certificate_id=detail["certificate_id"],
            names=tuple(names),
            key_kind=detail.get("key_kind") or "",
            key_size=detail.get("key_size"),
            source=detail.get("source") or "",
            source_ref=detail.get("source_ref") or "",
            ari_id=detail.get("ari_id") or "",
            deadline=datetime.fromisoformat(detail["deadline"]),
            by_policy=detail.get("requested_by") == BY_POLICY,
        )
