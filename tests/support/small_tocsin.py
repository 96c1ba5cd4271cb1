"""Tocsin in memory, for the tests of the demo: the real domain behind an API, and a clock that moves when told to."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import urllib3
from ulid import ULID

from local.stack import Answer
from tocsin.channels.signature import key_of, signed_headers
from tocsin.channels.webhook import event_body
from tocsin.delivery.attempt import Accepted, FailureClass, NotConfigured, Refused, SendResult
from tocsin.delivery.notification import ChannelName, DeliveryPolicy, Notification, Severity, Status
from tocsin.delivery.retry import RetryPolicy
from tocsin.expiry.alert import Mark
from tocsin.expiry.explanation import explain
from tocsin.expiry.plan import Raise, Superseded, decide, mark_of, notification_of
from tocsin.expiry.still_true import why_untrue
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.contacts import Owner, People
from tocsin.inventory.policy import RenewalPolicy, default_policy, parse_policy

SECRET = "whsec_" + "c2VjcmV0" * 4


@dataclass
class SmallTocsin:
    """The stack, and all else that the demo looks at. Each option spoils one thing."""

    base: float = 1
    sweeps: bool = True
    checks: bool = True
    watched_for: timedelta = timedelta()
    """How long certificates are watched already when they are created."""
    ends_alerts: bool = True
    """Whether a renewal ends the alerts of the old cycle."""
    shows_marks: bool = True
    """Whether explanations know what was raised."""
    mail_arrives: bool = True
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
        self.certificates: dict[str, Certificate] = {}
        self.owners: dict[str, Owner] = {}
        self.policies: dict[str, RenewalPolicy] = {}
        self.marks: dict[str, Mark] = {}
        self.webhook_url = ""
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
        for certificate in self.certificates.values() if self.checks else ():
            self._check(certificate)
        for row in self.rows.values():
            due = row.status is Status.FAILED and row.due_at is not None and row.due_at <= self.now and self.sweeps
            if row.status is Status.PENDING or due:
                self.rows[row.id] = row.settled(self._send(row), started_at=self.now, now=self.now, policy=self.policy)

    def _check(self, certificate: Certificate) -> None:
        for decision in decide(*self._situation(certificate), self.marks, self.now):
            if isinstance(decision, Raise):
                self.rows[decision.id] = notification_of(decision, certificate, self.policy, self.now)
            if isinstance(decision, Raise | Superseded):
                mark = mark_of(decision, certificate, self.now)
                self.marks[mark.id] = mark

    def _situation(self, certificate: Certificate) -> tuple[Certificate, RenewalPolicy, People]:
        policy = self.policies.get(certificate.policy_id or "", default_policy(self.began))
        return certificate, policy, People(self.owners.get(certificate.owner_id or ""))

    def _send(self, row: Notification) -> SendResult:
        match row.channel:
            case ChannelName.WEBHOOK:
                for _ in range(self.copies - 1):
                    self._post(row)
                return self._post(row)
            case ChannelName.SLACK:
                return self.slack
        self.sent += f"{row.id} {row.recipient}\n" if self.mail_arrives else ""
        return Accepted()

    def _post(self, row: Notification) -> SendResult:
        body = event_body(row)
        name = str(ULID()) if self.fresh_webhook_ids else row.id
        headers = {**signed_headers(name, datetime.now(UTC), body, [key_of(self.secret)])}
        try:
            to = row.recipient or self.webhook_url
            status = urllib3.request("POST", to, body=body, headers=headers, retries=False).status
        except urllib3.exceptions.HTTPError:
            return Refused(FailureClass.RETRYABLE, "can't connect: Connection refused")
        return Accepted(status) if status < 300 else Refused(FailureClass.RETRYABLE, f"HTTP {status}", status)

    # ── The API ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def request(
        self, method: str, path: str, *, query: Any = None, json_body: Any = None, headers: Any = None
    ) -> Answer:
        match method, path.removeprefix("/api/v1/").split("/"):
            case "POST", ["owners" | "renewal-policies" | "certificates" as kind]:
                return self._answer(201, {"id": self._made(kind, json_body)})
            case _, ["certificates", id_, *rest]:
                return self._about(self.certificates[id_], rest, json_body, headers)
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

    def _made(self, kind: str, body: dict[str, Any]) -> str:
        id_ = str(ULID())
        match kind:
            case "owners":
                self.owners[id_] = Owner(id=id_, created_at=self.now, updated_at=self.now, **body)
            case "renewal-policies":
                self.policies[id_] = parse_policy(id_, body["name"], self.began, channels=body["channels"])
            case _:
                said = body | {"expires_at": datetime.fromisoformat(body["expires_at"])}
                self.certificates[id_] = Certificate(
                    id=id_, created_at=self.now, updated_at=self.now, watched_since=self.now - self.watched_for, **said
                )
        return id_

    def _about(self, certificate: Certificate, rest: list[str], body: Any, headers: Any) -> Answer:
        ids = [mark.id for mark in self.marks.values() if mark.certificate_id == certificate.id]
        match rest:
            case ["notifications"]:
                return self._answer(200, {"items": [self._shown(self.rows[id_]) for id_ in ids if id_ in self.rows]})
            case ["explain"]:
                marks = [self.marks[id_] for id_ in ids] if self.shows_marks else []
                found = explain(*self._situation(certificate), marks=marks, notifications=self.rows, now=self.now)
                findings = [{"threshold": str(one.threshold), "reason": one.reason} for one in found.findings]
                told = [{"notification_id": one.notification_id, "arrived": one.arrived} for one in found.told]
                return self._answer(200, {"summary": found.summary, "told": told, "findings": findings})
        if body is not None:
            assert headers == {"If-Match": certificate.etag}
            self._renew(certificate, datetime.fromisoformat(body["expires_at"]), ids)
        return self._answer(200, {}, {"ETag": certificate.etag})

    def _renew(self, before: Certificate, expires_at: datetime, ids: list[str]) -> None:
        after = before.changed(replace(before, expires_at=expires_at), self.now)
        self.certificates[before.id] = after
        for id_ in ids:
            reason = why_untrue(self.marks[id_], after)
            if self.ends_alerts and reason and id_ in self.rows:
                self.rows[id_] = self.rows[id_].superseded(reason, self.now)

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

    def _answer(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> Answer:
        return Answer(status, headers or {}, json.dumps(body, default=lambda at: at.isoformat()).encode())

    # ── What is elsewhere ────────────────────────────────────────────────────────────────────────────────────────────

    def unsigned(self) -> int:
        return self.unsigned_status

    def mails(self) -> str:
        return self.sent

    def messages(self) -> str:
        return self.sent

    def alarm(self, name: str) -> str:
        return self.alarm_state

    def send_webhooks_to(self, url: str) -> None:
        self.webhook_url = url
