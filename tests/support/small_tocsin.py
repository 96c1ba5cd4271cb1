"""Tocsin in memory, for the tests of the demo: the real domain behind an API, and a clock that moves when told to."""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import urllib3
from ulid import ULID

from ops.stack import Answer
from tocsin.attempt import Accepted, FailureClass, NotConfigured, Refused, SendResult
from tocsin.channels.signature import key_of, signed_headers
from tocsin.channels.webhook import event_body
from tocsin.notification import ChannelName, DeliveryPolicy, Notification, Severity, Status
from tocsin.retry import RetryPolicy

SECRET = "whsec_" + "c2VjcmV0" * 4


@dataclass
class SmallTocsin:
    """The stack, and all else that the demo looks at. Each option spoils one thing."""

    base: float = 1
    sweeps: bool = True
    copies: int = 1
    fresh_webhook_ids: bool = False
    secret: str = SECRET
    slack: SendResult = field(default_factory=NotConfigured)
    requeue_status: int = 200
    unsigned_status: int = 403
    alarm_state: str = "ALARM"
    sent: str = ""
    """What mailbox and queue hold."""

    def __post_init__(self) -> None:
        self.began = datetime.now(UTC)
        self.seconds = 0.0
        self.rows: dict[str, Notification] = {}
        self.policy = DeliveryPolicy(RetryPolicy(base=self.base))

    @property
    def now(self) -> datetime:
        return self.began + timedelta(seconds=self.seconds)

    # ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def clock(self) -> float:
        return self.seconds

    def pause(self, seconds: float) -> None:
        """Let time pass, and deliver what is due by then."""
        self.seconds += seconds
        for row in self.rows.values():
            due = row.status is Status.FAILED and row.due_at is not None and row.due_at <= self.now and self.sweeps
            if row.status is Status.PENDING or due:
                self.rows[row.id] = row.settled(self._send(row), started_at=self.now, now=self.now, policy=self.policy)

    def _send(self, row: Notification) -> SendResult:
        match row.channel:
            case ChannelName.WEBHOOK:
                for _ in range(self.copies - 1):
                    self._post(row)
                return self._post(row)
            case ChannelName.SLACK:
                return self.slack
        self.sent += row.id
        return Accepted()

    def _post(self, row: Notification) -> SendResult:
        body = event_body(row)
        name = str(ULID()) if self.fresh_webhook_ids else row.id
        headers = {**signed_headers(name, datetime.now(UTC), body, [key_of(self.secret)])}
        try:
            status = urllib3.request("POST", row.recipient, body=body, headers=headers, retries=False).status
        except urllib3.exceptions.HTTPError:
            return Refused(FailureClass.RETRYABLE, "can't connect: Connection refused")
        return Accepted(status) if status < 300 else Refused(FailureClass.RETRYABLE, f"HTTP {status}", status)

    # ── The API ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def request(self, method: str, path: str, *, query: Any = None, json_body: Any = None) -> Answer:
        match method, path.removeprefix("/api/v1/").split("/"):
            case "POST", ["notifications"]:
                return self._answer(202, self._created(json_body))
            case "POST", ["notifications", id_, "requeue"]:
                self.rows[id_] = self.rows[id_].requeued(self.now, self.policy)
                return self._answer(self.requeue_status, self._shown(self.rows[id_]))
            case "GET", ["stats", "summary"]:
                return self._answer(200, {"notifications_dead": len(self._listed(status="dead"))})
            case _:
                filters = {name: value for name, value in query.items() if name != "limit"}
                return self._answer(200, {"items": self._listed(**filters)[::-1]})

    def _created(self, body: dict[str, str]) -> dict[str, Any]:
        boring = {"recipient": "", "created_at": self.now, "updated_at": self.now}
        named = {"channel": ChannelName(body["channel"]), "severity": Severity(body.get("severity", "informational"))}
        row = Notification(id=str(ULID()), **{**boring, **body, **named})  # type: ignore[arg-type]  # as the API would
        self.rows[row.id] = row.accepted(self.now, self.policy)
        return self._shown(self.rows[row.id])

    def _listed(self, **filters: str) -> list[dict[str, Any]]:
        shown = map(self._shown, self.rows.values())
        return [row for row in shown if all(row[name] == value for name, value in filters.items())]

    def _shown(self, row: Notification) -> dict[str, Any]:
        return asdict(row) | {"max_attempts": self.policy.retry.max_attempts, "next_retry_at": row.next_retry_at}

    def _answer(self, status: int, body: object) -> Answer:
        return Answer(status, {}, json.dumps(body, default=lambda at: at.isoformat()).encode())

    # ── What is elsewhere ────────────────────────────────────────────────────────────────────────────────────────────

    def unsigned(self) -> int:
        return self.unsigned_status

    def mails(self) -> str:
        return self.sent

    def messages(self) -> str:
        return self.sent

    def alarm(self, name: str) -> str:
        return self.alarm_state
