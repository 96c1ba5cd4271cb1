"""The explanation of a certificate as the API shows it."""

from datetime import datetime
from typing import Self

from fields import Shown, ThresholdText
from pydantic import BaseModel

from bodies.certificates import AwaitedOut
from bodies.renewal_jobs import RenewalJobOut
from bodies.rules import ViolationOut
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Severity
from tocsin.expiry.explanation import Explanation
from tocsin.inventory.certificate import CertificateStatus
from tocsin.inventory.occurrences import CertificateEvent


class ToldOut(Shown):
    """An alert that was raised, and what became of it. `arrived` is null while that is not known."""

    notification_id: str
    expires_at: datetime
    about: str
    """The threshold, or the event that is told."""
    threshold: ThresholdText | None
    severity: Severity
    channel: ChannelName | None
    recipient: str | None
    raised_at: datetime
    arrived: bool | None
    arrived_at: datetime | None
    fate: str


class HappenedOut(Shown):
    """What happened in this cycle, which notifications tell it (`told` says what became of them), and why not.

    A null `severity`: the policy tells nobody of such events.
    """

    event: CertificateEvent
    subject: str
    at: datetime
    detail: str
    severity: Severity | None
    told_by: list[str]
    reason: str


class FindingOut(Shown):
    """Why nobody is alerted (again) by a route. A null `since`: it is so at present, and nothing was recorded."""

    about: str
    threshold: str | None
    channel: ChannelName | None
    reason: str
    since: datetime | None


class NextOut(Shown):
    """What comes next."""

    at: datetime
    threshold: ThresholdText
    severity: Severity
    channel: ChannelName | None


class ExplanationOut(BaseModel):
    """Was anybody alerted, about what, when, did it arrive; what comes next; and if nothing was sent, why not."""

    status: CertificateStatus
    policy: str
    problems: list[str]
    summary: str
    told: list[ToldOut]
    happened: list[HappenedOut]
    awaited: AwaitedOut | None
    findings: list[FindingOut]
    next: NextOut | None
    renewal: RenewalJobOut | None
    """The renewal job of the present cycle."""
    violations: list[ViolationOut]
    """The rules that it violates, as the last check saw it."""

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        """Show `explanation`."""
        return cls(
            status=explanation.status,
            policy=explanation.policy,
            problems=list(explanation.problems),
            summary=explanation.summary,
            told=[ToldOut.model_validate(one) for one in explanation.told],
            happened=[HappenedOut.model_validate(one) for one in explanation.happened],
            awaited=AwaitedOut.model_validate(explanation.awaited) if explanation.awaited else None,
            findings=[
                FindingOut(
                    about=one.about,
                    threshold=str(one.threshold) if one.threshold else None,
                    channel=one.channel,
                    reason=one.reason,
                    since=one.since,
                )
                for one in explanation.findings
            ],
            next=NextOut.model_validate(explanation.next) if explanation.next else None,
            renewal=RenewalJobOut.of(explanation.renewal) if explanation.renewal else None,
            violations=[ViolationOut.model_validate(one) for one in explanation.violations],
        )
