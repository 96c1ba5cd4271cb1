"""The two notifications that every picture shows: an alert that can wait until morning, and one that can't."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tocsin.channels.wording import Links
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification, Severity
from tocsin.expiry.alert import ALERT_TYPE, alert_id, message_text, subject_text
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.thresholds import Threshold

LINKS = Links("https://abc123.execute-api.eu-central-1.amazonaws.com/live")
_NOW = datetime(2026, 3, 1, 2, 58, tzinfo=UTC)


def _alert(name: str, severity: Severity, threshold: Threshold, left: timedelta, **found: Any) -> Notification:  # noqa: ANN401 - fields of a certificate
    certificate = Certificate(
        id=name,
        version=1,
        created_at=_NOW,
        updated_at=_NOW,
        common_name=name,
        expires_at=_NOW + left,
        watched_since=_NOW,
        **found,
    )
    return Notification(
        id=alert_id(name, certificate.expires_at, threshold, None),
        type=ALERT_TYPE,
        channel=ChannelName.SLACK,
        recipient="",
        subject=subject_text(certificate, _NOW),
        message=message_text(certificate, threshold, _NOW),
        severity=severity,
        created_at=_NOW,
        updated_at=_NOW,
        certificate_id=name,
    )


NOTIFICATIONS = (
    _alert(
        "api.example.com",
        Severity.CRITICAL,
        Threshold(1),
        timedelta(hours=6, minutes=2),
        renewal_status="FAILED: CAA_ERROR",
        source_ref="api.example.com:443",
        issuer="CN=Example Issuing CA 3",
    ),
    _alert(
        "*.shop.example.com",
        Severity.WARNING,
        Threshold(14),
        timedelta(days=13, hours=21),
        renewal_status="PENDING_VALIDATION",
        source_ref="arn:aws:acm:eu-central-1:123456789012:certificate/5f7e",
    ),
)
"""Worst first."""
