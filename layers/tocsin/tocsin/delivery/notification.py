"""The notification: its record, its states, and the only steps between them.

| state      | who moves it next                                                                |
|------------|----------------------------------------------------------------------------------|
| pending    | dispatch, at once; the retry sweep, if that never happened                       |
| failed     | the retry sweep, at `due_at`                                                     |
| sent       | nobody; an operator may mark it read, a bounce ends it; it leaves by retention   |
| dead       | an operator, who requeues it or marks it read                                    |
| read       | nobody, but a bounce ends it; it leaves by retention                             |
| superseded | nobody; it leaves by retention                                                   |

A record never changes: a step is a method named for its outcome, and returns a copy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from tocsin.delivery.attempt import (
    Accepted,
    Attempt,
    AttemptClass,
    Attempted,
    Delivered,
    FailureClass,
    NotConfigured,
    Refused,
    Throttled,
)
from tocsin.delivery.channel_name import ChannelName, Target
from tocsin.delivery.retry import GiveUp, RetryAt, RetryPolicy, decide, throttle_pause
from tocsin.errors import TransitionRefusedError
from tocsin.text import bounded

MESSAGE_LIMIT = 32 * 1024
"""Bytes of UTF-8 in a message; a larger one is refused at the door."""
LAST_ERROR_LIMIT = 512
"""Bytes of UTF-8 kept of the latest error."""
ATTEMPT_ERROR_LIMIT = 80
"""Bytes of UTF-8 kept of each error in the history; five of them fit a row of 1 KB (one write unit)."""
WORKER_LOST = "the worker ended before it recorded a result"
"""The error of an attempt whose holder never reported; its start is the time at which it was missed."""
HISTORY_LIMIT = 20
"""Attempts kept: four whole lives at the default budget; older ones go first."""


class Status(StrEnum):
    """Where a notification is."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DEAD = "dead"
    READ = "read"
    SUPERSEDED = "superseded"


class Severity(StrEnum):
    """How much it matters, least first."""

    INFORMATIONAL = "informational"
    WARNING = "warning"
    CRITICAL = "critical"


class Outcome(StrEnum):
    """What is known of a notification that is done, and never more than that."""

    ACCEPTED = "accepted"
    """A service took it."""
    DELIVERED = "delivered"
    """The receiver itself said yes, or evidence came that it has it."""
    BOUNCED = "bounced"
    """A service took it, and then could not deliver it: it is dead."""
    SKIPPED_NO_CHANNEL = "skipped_no_channel"


class Act(StrEnum):
    """What a notification does at a service that keeps incidents (PagerDuty, OpsGenie, JSM). Others only trigger."""

    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    """Somebody works on what `about` opened."""
    RESOLVE = "resolve"
    """What `about` opened is over."""


_NOT_TAKEN = frozenset({AttemptClass.RETRYABLE, AttemptClass.PERMANENT, AttemptClass.SKIPPED_NO_CHANNEL})
"""How the attempts ended of what nobody can have."""


class MissingChannelAction(StrEnum):
    """What a stack does with a notification whose channel is not configured."""

    SENT = "sent"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """All that the stack's settings say about the life of a notification."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    budgets: Mapping[str, int] = field(default_factory=dict)
    """Attempts of some notifications, by severity, channel, or both: `critical`, `Slack:payments`, `critical/Email`."""
    missing_channel: MissingChannelAction = MissingChannelAction.SENT
    pending_grace: timedelta = timedelta(minutes=2)
    """How long a first delivery may take to start before the sweep takes over."""
    claim_margin: timedelta = timedelta(seconds=330)
    """How long a claim outlives its worker: more than the clocks of two workers may differ (5 minutes)."""
    throttle_budget: timedelta = timedelta(hours=24)
    """How long a notification may be put off by a service that takes no more or a channel that is held or out of
    reach, in a row, before it is a dead letter."""

    def retry_of(self, row: "Notification") -> RetryPolicy:
        """Give the budget and backoff of `row`: what is said of it most closely, or else the stack's own."""
        kind = row.channel.kind
        for name in (f"{row.severity}/{row.channel}", f"{row.severity}/{kind}", row.channel, kind, row.severity):
            if name in self.budgets:
                return replace(self.retry, max_attempts=self.budgets[name])
        return self.retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to one recipient over one channel. All times are aware and in UTC."""

    id: str
    type: str
    channel: ChannelName
    recipient: str
    subject: str
    message: str
    severity: Severity
    created_at: datetime
    updated_at: datetime
    certificate_id: str | None = None
    created_by: str | None = None
    """Who asked for it: an IAM principal, or a part of Tocsin such as `expiry_check`."""
    status: Status = Status.PENDING
    outcome: Outcome | None = None
    retry_count: int = 0
    due_at: datetime | None = None
    """When the sweep acts: the retry of a failed row, the rescue of a pending one, a question about an accepted one."""
    last_error: str | None = None
    sent_at: datetime | None = None
    read_at: datetime | None = None
    died_at: datetime | None = None
    attempts: tuple[Attempt, ...] = ()
    claim_token: str | None = None
    claimed_until: datetime | None = None
    deferred_by: str | None = None
    """The circuit that it waits for: its channel is held, out of reach, or takes no more just now."""
    receipt: str | None = None
    """What the service that took it calls it."""
    act: Act = Act.TRIGGER
    about: str | None = None
    """The notification that opened what this one acknowledges or resolves."""
    resolved_by: str | None = None
    """The notification that resolves what this one opened: this one is not sent any more."""
    fallback: Target | None = None
    """Where a linked notification goes if this one can't be delivered; null: where its channel's configuration says."""
    fallback_of: str | None = None
    """The notification that this one stands in for: the first, where stand-ins had to have some of their own."""
    came_by: tuple[ChannelName, ...] = ()
    """The channels by which it was tried before, as other notifications."""
    fell_back_to: str | None = None
    """The notification that stands in for this one."""
    complained_at: datetime | None = None
    """When its recipient complained of it."""
    fingerprint: str | None = None
    """The hash of the body that an Idempotency-Key was first used with."""

    @property
    def next_retry_at(self) -> datetime | None:
        """When the next attempt is due, as the API shows it: only what failed or is put off has one."""
        return self.due_at if self.status is Status.FAILED or self.is_deferred else None

    @property
    def is_deferred(self) -> bool:
        """Tell whether it is put off, with no attempt spent: by a circuit, or by a service that throttles."""
        return self.is_owed and (self.deferred_by is not None or self._is_throttled)

    @property
    def _is_throttled(self) -> bool:
        return self.claim_token is None and self.claimed_until is not None

    @property
    def is_owed(self) -> bool:
        """Tell whether somebody still waits for it."""
        return self.status in (Status.PENDING, Status.FAILED)

    @property
    def is_out(self) -> bool:
        """Tell whether a service or its receiver took it, and nothing worse is known since."""
        return self.status in (Status.SENT, Status.READ) and self.outcome in (Outcome.ACCEPTED, Outcome.DELIVERED)

    @property
    def may_be_there(self) -> bool:
        """Tell whether a service or its receiver may have it, of whatever life: it was taken, or nobody knows."""
        results = [attempt.result for attempt in self.attempts]
        if self.outcome is Outcome.BOUNCED and AttemptClass.ACCEPTED in results:
            results.remove(AttemptClass.ACCEPTED)  # that copy is known not to be
        is_known = len(results) >= self.retry_count and len(self.attempts) < HISTORY_LIMIT
        return self.is_out or not is_known or not _NOT_TAKEN.issuperset(results)

    @property
    def stands_on_others(self) -> bool:
        """Tell whether it depends on more than itself whether it may be sent: so that is asked just before."""
        return self.certificate_id is not None or self.about is not None or self.channel.keeps_incidents

    def is_in_hand(self, now: datetime) -> bool:
        """Tell whether a worker may be sending it just now: what is put off is claimed by nobody."""
        return self.claim_token is not None and self.is_claimed(now)

    def is_claimed(self, now: datetime) -> bool:
        """Tell whether a live worker holds it."""
        return self.claimed_until is not None and self.claimed_until > now

    def is_free(self, now: datetime) -> bool:
        """Tell whether it may be claimed."""
        return self.is_owed and not self.is_claimed(now)

    def accepted(self, now: datetime, policy: DeliveryPolicy) -> Self:
        """Start a life: pending, and the sweep takes over if the first delivery never happens."""
        return replace(self, status=Status.PENDING, updated_at=now, due_at=now + policy.pending_grace)

    def claimed(self, token: str, until: datetime, now: datetime) -> Self:
        """Let the holder of `token` alone send it and record the result, until the claim runs out."""
        self._require(self.is_free(now), "claim")
        return replace(self, claim_token=token, claimed_until=until)

    def abandoned(self, now: datetime, policy: DeliveryPolicy) -> Self:
        """Count the attempt of a holder that never reported: nobody knows whether it arrived. Due since it was."""
        self._require(self.is_owed and self.claim_token is not None, "count a lost attempt")
        lost = Refused(FailureClass.UNKNOWN, WORKER_LOST)
        failed = self.settled(lost, started_at=now, now=now, policy=policy)
        return failed if failed.status is Status.DEAD else replace(failed, due_at=self.due_at)

    def settled(
        self, result: Attempted, *, started_at: datetime, now: datetime, policy: DeliveryPolicy, dice: float = 0.0
    ) -> Self:
        """Take the result of an attempt that began at `started_at` and ended `now`."""
        self._require(self.is_owed, "record a result")
        match result:
            case Accepted():
                attempt = self._attempt(AttemptClass.ACCEPTED, started_at, now, result)
                ask_at = None if result.ask_after is None else now + timedelta(seconds=result.ask_after)
                return replace(self._sent(Outcome.ACCEPTED, attempt, now, result.receipt), due_at=ask_at)
            case Delivered():
                attempt = self._attempt(AttemptClass.DELIVERED, started_at, now, result)
                return self._sent(Outcome.DELIVERED, attempt, now, result.receipt)
            case NotConfigured():
                return self._skipped(started_at, now, policy.missing_channel)
            case Refused():
                return self._refused(result, started_at, now, policy.retry_of(self), dice)
            case Throttled():
                return self._throttled(result, now, policy)

    def lifted(self, now: datetime) -> Self:
        """Note that the receiver has what a service took."""
        self._require(self.is_out and self.outcome is Outcome.ACCEPTED, "be lifted to delivered")
        return self._released(now, outcome=Outcome.DELIVERED)

    def proven(self, receipt: str | None, now: datetime) -> Self:
        """Note that the receiver has a copy whose result nobody learned. That is no attempt: the history stays."""
        self._require(self.is_owed and not self.is_in_hand(now), "be proven delivered")
        known: dict[str, Any] = {"outcome": Outcome.DELIVERED, "sent_at": now, "receipt": receipt}
        return self._released(now, status=Status.SENT, **known)

    def bounced(self, reason: str, receipt: str | None, now: datetime) -> Self:
        """End it as a dead letter: a service took it, and then could not deliver it. That is no attempt."""
        self._require(self.is_out or (self.is_owed and not self.is_in_hand(now)), "bounce")
        known: dict[str, Any] = {"outcome": Outcome.BOUNCED, "receipt": receipt, "read_at": None}
        why = bounded(reason, LAST_ERROR_LIMIT)
        return self._released(now, status=Status.DEAD, last_error=why, died_at=now, **known)

    def unanswered(self, ask_at: datetime | None) -> Self:
        """Ask its service again later, or no more: what became of it is not known. Nothing else changes."""
        self._require(self.is_out, "ask about it")
        return replace(self, due_at=ask_at)

    def complained(self, at: datetime) -> Self:
        """Note that its recipient complained. `updated_at` stays: a worker that has it must still be able to record."""
        self._require(self.complained_at is None, "complain of it again")
        return replace(self, complained_at=at)

    def deferred(self, by: str, reason: str, until: datetime, now: datetime, policy: DeliveryPolicy) -> Self:
        """Put it off, with no attempt spent, until the circuit `by` lets it go; it is looked at again at `until`.

        `updated_at` stays: it says since when it waits, whatever put it off how often.
        """
        self._require(self.is_owed, "put off")
        if now - self.updated_at >= policy.throttle_budget:
            return self.buried(f"put off since {self.updated_at:%Y-%m-%d %H:%M} UTC: {reason}", now)
        why = bounded(reason, LAST_ERROR_LIMIT)
        # A claim of nobody, which is over at once: the stream's filter starts only rows that were never claimed.
        return replace(self, deferred_by=by, due_at=until, last_error=why, claim_token=None, claimed_until=now)

    def requeued(self, now: datetime, policy: DeliveryPolicy) -> Self:
        """Begin a new life with a full budget; the history stays."""
        self._require(self.status is Status.DEAD, "requeue")
        begun_anew: dict[str, Any] = {"retry_count": 0, "sent_at": None, "receipt": None}
        cleared = replace(self, last_error=None, outcome=None, died_at=None, **begun_anew)
        return cleared.accepted(now, policy)

    def acknowledged(self, now: datetime) -> Self:
        """Mark it read: only what is owed to nobody any more."""
        self._require(self.status in (Status.SENT, Status.DEAD), "mark read")
        return replace(self, status=Status.READ, read_at=now, updated_at=now)

    def superseded(self, reason: str, now: datetime) -> Self:
        """End it: the fact that it reports is no longer true."""
        self._require(self.is_owed or self.status is Status.DEAD, "supersede")
        why = bounded(reason, LAST_ERROR_LIMIT)
        return self._released(now, status=Status.SUPERSEDED, last_error=why, died_at=None)

    def buried(self, reason: str, now: datetime) -> Self:
        """End it as a dead letter without an attempt: what is stored can't be read, or not be delivered."""
        why = bounded(reason, LAST_ERROR_LIMIT)
        return self._released(now, status=Status.DEAD, last_error=why, died_at=now)

    def _require(self, is_allowed: bool, step: str) -> None:  # noqa: FBT001 - the condition is the point
        if not is_allowed:
            raise TransitionRefusedError(f"can't {step}: it is {self.status}")

    def _released(self, now: datetime, **changes: Any) -> Self:  # noqa: ANN401 - of the fields' own types
        """Give what nobody holds and nothing is due of, with `changes`: one copy, not one for each of them."""
        released: dict[str, Any] = {"updated_at": now, "due_at": None, "claim_token": None, "claimed_until": None}
        return replace(self, **released | {"deferred_by": None} | changes)

    def _attempt(self, result: AttemptClass, started_at: datetime, now: datetime, seen: Attempted) -> Attempt:
        return Attempt(
            number=self.retry_count + 1,
            started_at=started_at,
            duration_ms=max(0, round((now - started_at).total_seconds() * 1000)),
            result=result,
            http_status=seen.http_status if isinstance(seen, Accepted | Delivered | Refused) else None,
            error=bounded(seen.error, ATTEMPT_ERROR_LIMIT) if isinstance(seen, Refused) else None,
        )

    def _with(self, attempt: Attempt, now: datetime, **changes: Any) -> Self:  # noqa: ANN401 - of the fields' own types
        return self._released(now, attempts=(*self.attempts, attempt)[-HISTORY_LIMIT:], **changes)

    def _sent(self, outcome: Outcome, attempt: Attempt, now: datetime, receipt: str | None = None) -> Self:
        return self._with(attempt, now, status=Status.SENT, outcome=outcome, sent_at=now, receipt=receipt)

    def _skipped(self, started_at: datetime, now: datetime, action: MissingChannelAction) -> Self:
        attempt = replace(
            self._attempt(AttemptClass.SKIPPED_NO_CHANNEL, started_at, now, NotConfigured()),
            error=f"nothing was sent: {self.channel} is not configured",
        )
        if action is MissingChannelAction.SENT:
            return self._sent(Outcome.SKIPPED_NO_CHANNEL, attempt, now)
        return replace(self._dead(attempt, attempt.error, now), outcome=Outcome.SKIPPED_NO_CHANNEL)

    def _refused(self, seen: Refused, started_at: datetime, now: datetime, policy: RetryPolicy, dice: float) -> Self:
        attempt = self._attempt(AttemptClass(seen.failure), started_at, now, seen)
        error = bounded(seen.error, LAST_ERROR_LIMIT)
        match decide(policy, self.retry_count, seen.failure, now, retry_after=seen.retry_after, dice=dice):
            case GiveUp():
                return self._dead(attempt, error, now)
            case RetryAt(at):
                count, again = self.retry_count + 1, replace(attempt, next_retry_at=at)
                return self._with(again, now, status=Status.FAILED, retry_count=count, due_at=at, last_error=error)

    def _throttled(self, seen: Throttled, now: datetime, policy: DeliveryPolicy) -> Self:
        """Put it off: the claim passes to nobody until it is due again, so that no stream record starts it sooner.

        `updated_at` stays: it says since when it waits, whatever put it off how often.
        """
        waited = now - self.updated_at
        if waited >= policy.throttle_budget:
            return self.buried(f"throttled since {self.updated_at:%Y-%m-%d %H:%M} UTC: {seen.error}", now)
        pause = max(seen.retry_after or 0.0, throttle_pause(waited.total_seconds()))
        until = now + timedelta(seconds=pause)
        why = bounded(seen.error, LAST_ERROR_LIMIT)
        return replace(self, due_at=until, claim_token=None, claimed_until=until, last_error=why)

    def _dead(self, attempt: Attempt, error: str | None, now: datetime) -> Self:
        return self._with(attempt, now, status=Status.DEAD, last_error=error, died_at=now)
