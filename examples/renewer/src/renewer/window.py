"""When to renew, by what the authority suggests (ACME Renewal Information, RFC 9773). Pure."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from renewer.job import Job

MARGIN = timedelta(hours=1)
"""What is left of the job's deadline at least, when it was waited for the window."""


@dataclass(frozen=True, slots=True)
class Window:
    """What the authority suggests for one certificate."""

    start: datetime
    end: datetime


def start_at(job: Job, window: Window | None, now: datetime) -> datetime:
    """Choose the instant in the window that is this job's own; now, where there is none that the job can wait for.

    By the job's id and not by chance: a step that is repeated chooses the same one.
    """
    if window is None or not job.by_policy:
        return now
    end = min(window.end, job.deadline - MARGIN)
    if window.start >= end:
        return now
    drawn = int.from_bytes(hashlib.sha256(job.id.encode()).digest()[:6]) / 2**48
    return max(now, window.start + drawn * (end - window.start))
