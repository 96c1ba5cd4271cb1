"""A notification as the API shows it."""

from datetime import datetime

from pydantic import BaseModel


class Try(BaseModel):
    """One attempt of the history."""

    number: int
    started_at: datetime
    duration_ms: int
    http_status: int | None
    result: str
    error: str | None
    next_retry_at: datetime | None

    @property
    def wait(self) -> float | None:
        """Seconds from its end to the next attempt's time, to the hundredth; None if there is no next one."""
        if self.next_retry_at is None:
            return None
        return round((self.next_retry_at - self.started_at).total_seconds() - self.duration_ms / 1000, 2)


class Row(BaseModel):
    """One notification."""

    id: str
    channel: str
    recipient: str
    subject: str
    message: str
    severity: str
    status: str
    outcome: str | None
    retry_count: int
    max_attempts: int
    next_retry_at: datetime | None
    last_error: str | None
    attempts: list[Try]

    @property
    def life(self) -> list[Try]:
        """The attempts since it was created, or since it was requeued last."""
        if self.status == "pending":
            return []
        begins = max((place for place, done in enumerate(self.attempts) if done.number == 1), default=0)
        return self.attempts[begins:]

    @property
    def state(self) -> str:
        """The status, in the one word that fits: a row whose channel is not configured was not delivered."""
        return "skipped" if self.outcome == "skipped_no_channel" else self.status

    @property
    def error(self) -> str:
        """Why it was not delivered, or why nothing was sent; empty if there is nothing to say."""
        if self.last_error is None and self.life:
            return self.life[-1].error or ""
        return self.last_error or ""


class Told(BaseModel):
    """An alert that was raised about a certificate."""

    notification_id: str
    arrived: bool | None


class Finding(BaseModel):
    """Why a threshold tells nobody."""

    threshold: str | None
    reason: str


class Explanation(BaseModel):
    """What is known of a certificate's alerts."""

    summary: str
    told: list[Told]
    findings: list[Finding]


class Page(BaseModel):
    """What a list gives."""

    items: list[Row]
