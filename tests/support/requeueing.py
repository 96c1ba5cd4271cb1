"""Dead letters by the thousand, the jobs that requeue them, and what both left behind."""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from tests.support.database import Database
from tests.support.functions import Answer, Context, call, handler
from tests.support.inventory_store import Store
from tests.support.rows import REJECTED, RETENTION, a_row, settled
from tocsin.delivery.notification import Notification, Status
from tocsin.storage.notifications.item import encode

API = "/api/v1"
JOBS = f"{API}/requeue-jobs"
ERROR = "HTTP 503: down for maintenance"
DIED = datetime(2026, 1, 1, tzinfo=UTC)
"""When the dead letters of these tests began to die: long before any of them runs."""


def a_dead_one(number: int = 0, **fields: Any) -> Notification:
    """Make a dead letter that stands on nothing, and died so many milliseconds after DIED."""
    chosen: dict[str, Any] = {"certificate_id": None, "created_at": DIED - timedelta(days=1)}
    row = settled(a_row(**(chosen | fields)), REJECTED, DIED)
    return replace(row, last_error=ERROR, died_at=DIED + timedelta(milliseconds=number))


def dead_letters(count: int, **fields: Any) -> Iterator[Notification]:
    """Make so many."""
    return (a_dead_one(number, **fields) for number in range(count))


def fill(stack: Database, rows: Iterable[Notification]) -> None:
    """Store many rows, some calls at a time."""

    def write(batch: list[Notification]) -> None:
        puts: list[Any] = [{"PutRequest": {"Item": encode(row, RETENTION)}} for row in batch]
        answer = stack.client.batch_write_item(RequestItems={stack.name: puts})
        assert not answer["UnprocessedItems"]

    with ThreadPoolExecutor(4) as threads:
        waiting = iter(rows)
        for _done in threads.map(write, iter(lambda: list(islice(waiting, 25)), [])):
            pass


def previewed(**selection: Any) -> Any:
    """Count; by default everything."""
    answer = call("POST", f"{JOBS}/preview", selection or {"filters": {}})
    assert answer.status == 200, answer.body
    return answer.json


def start(token: str, reason: str = "the proxy is mended", **event: Any) -> Answer:
    """Start what was counted."""
    return call("POST", JOBS, {"token": token, "reason": reason}, **event)


def started(**selection: Any) -> Any:
    """Count and start."""
    answer = start(previewed(**selection)["token"])
    assert answer.status == 202, answer.body
    return answer.json


def run(request: str = "run-1", seconds: float = 900) -> Any:
    """Let the function run."""
    return handler("bulk_requeue")({}, Context(request, milliseconds=int(seconds * 1000)))


def the_job(id_: str) -> Any:
    """Read a job by the API."""
    answer = call("GET", f"{JOBS}/{id_}")
    assert answer.status == 200, answer.body
    return answer.json


@dataclass(frozen=True)
class Left:
    """What is stored: rows by state, and how often the audit trail says that each was requeued."""

    states: Counter[str]
    lines: Counter[str]

    @classmethod
    def of(cls, store: Store) -> "Left":
        rows = (item for item in store.items("Notifications") if "status" in item)
        states = Counter(item["status"]["S"] for item in rows)
        events = (item for item in store.items("Audit") if item["action"]["S"] == "notification_requeued")
        return cls(states, Counter(item["resource"]["S"].partition("/")[2] for item in events))

    @property
    def requeued(self) -> int:
        """How many rows were; each once, and none without its line. Of rows that were never pending before."""
        assert set(self.lines.values()) <= {1}
        assert len(self.lines) == self.states[Status.PENDING]
        return len(self.lines)
