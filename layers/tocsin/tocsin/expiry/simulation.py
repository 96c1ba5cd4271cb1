"""What a policy would raise: over certificates as they are, in a stretch of time, sending nothing. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Severity
from tocsin.expiry.alert import message_text
from tocsin.expiry.plan import timeline
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.policy import RenewalPolicy
from tocsin.inventory.thresholds import Threshold


@dataclass(frozen=True, slots=True)
class SimulatedAlert:
    """An alert that would be raised at an instant. A null channel: its severity has none, so nobody would be told."""

    at: datetime
    certificate_id: str
    common_name: str
    expires_at: datetime
    threshold: Threshold
    severity: Severity
    channel: ChannelName | None
    message: str


def simulate(
    draft: RenewalPolicy, certificates: Iterable[Certificate], start: datetime, end: datetime
) -> list[SimulatedAlert]:
    """Give what `draft` would raise from `start` to just before `end`, in the order of time.

    As if the policy had been there since each certificate was first watched: `draft.since` is not looked at.
    """
    alerts = (alert for certificate in certificates for alert in _alerts(draft, certificate))
    return sorted(
        (alert for alert in alerts if start <= alert.at < end),
        key=lambda alert: (alert.at, alert.certificate_id, str(alert.threshold), alert.channel or ""),
    )


def _alerts(draft: RenewalPolicy, certificate: Certificate) -> Iterator[SimulatedAlert]:
    if not certificate.is_watched:
        return
    for planned in timeline(certificate, draft.always()):
        if planned.superseded_by is None:
            yield SimulatedAlert(
                at=planned.at,
                certificate_id=certificate.id,
                common_name=certificate.common_name,
                expires_at=certificate.expires_at,
                threshold=planned.route.threshold,
                severity=planned.route.severity,
                channel=planned.route.channel,
                message=message_text(certificate, planned.route.threshold, planned.at),
            )
