"""An alert's id and its words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from tests.support.inventory import DAY, T0, a_certificate, a_policy
from tests.support.rows import POLICY
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Severity, Status
from tocsin.delivery.send import NoLongerTrue, Retold
from tocsin.expiry.alert import (
    CYCLE_LENGTH,
    alert_id,
    cycle_of,
    event_message,
    event_subject,
    message_text,
    remaining_text,
    subject_text,
)
from tocsin.expiry.plan import Raise, mark_of, notification_of
from tocsin.expiry.still_true import verdict, why_untrue
from tocsin.inventory.certificate import Certificate, Source
from tocsin.inventory.occurrences import CertificateEvent, Occurrence
from tocsin.inventory.thresholds import Threshold, Unit

CERTIFICATE = a_certificate(
    issuer="CN=Example CA", serial="0a:1b", fingerprint_sha256="ab" * 32, renewal_status="FAILED", source_ref="a:443"
)
EXPIRY = CERTIFICATE.expires_at
SEVEN = Threshold(7)
ROUTE = a_policy().routes[2]
RAISE = Raise(ROUTE, alert_id(CERTIFICATE.id, EXPIRY, SEVEN, ChannelName.EMAIL), "ada@example.com")


def test_the_id_is_derived_from_all_four_and_nothing_else() -> None:
    """Contract 4.3 [T]: from certificate, its expiry instant, threshold and channel."""
    ids = {
        alert_id("a", EXPIRY, SEVEN, ChannelName.EMAIL),
        alert_id("b", EXPIRY, SEVEN, ChannelName.EMAIL),
        alert_id("a", EXPIRY + timedelta(microseconds=1), SEVEN, ChannelName.EMAIL),
        alert_id("a", EXPIRY, Threshold(14), ChannelName.EMAIL),
        alert_id("a", EXPIRY, Threshold(7, Unit.PERCENT), ChannelName.EMAIL),
        alert_id("a", EXPIRY, SEVEN, ChannelName.SLACK),
        alert_id("a", EXPIRY, SEVEN, None),
    }
    assert len(ids) == 7
    there = EXPIRY.astimezone(timezone(timedelta(hours=-7)))
    assert alert_id("a", there, SEVEN, ChannelName.EMAIL) == alert_id("a", EXPIRY, SEVEN, ChannelName.EMAIL)


@given(st.integers(-20 * 365, 8000 * 365))
def test_the_id_is_a_ulid_that_begins_with_its_cycle(days: int) -> None:
    expires_at = datetime(1970, 1, 1, tzinfo=UTC) + days * DAY
    id_ = alert_id("a", expires_at, SEVEN, ChannelName.EMAIL)
    assert str(ULID.from_str(id_)) == id_
    assert id_[:CYCLE_LENGTH] == cycle_of(expires_at)


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (7 * DAY, "expires in 7 days"),
        (7 * DAY - timedelta(seconds=1), "expires in 6 days 23 hours"),
        (DAY, "expires in 1 day"),
        (timedelta(hours=23, minutes=59), "expires in 23 hours 59 minutes"),
        (timedelta(hours=1), "expires in 1 hour"),
        (timedelta(seconds=59), "expires in less than a minute"),
        (timedelta(), "expired just now"),
        (-timedelta(minutes=1), "expired 1 minute ago"),
        (-4 * DAY, "expired 4 days ago"),
    ],
)
def test_the_words_are_true_at_their_time(left: timedelta, text: str) -> None:
    """Contract 4.5 [S]: never "expired" before the instant. Issue 3: no "expires in 7 days" four days later."""
    assert remaining_text(EXPIRY, EXPIRY - left) == text


def test_the_message_carries_the_tag_and_the_facts() -> None:
    """Contract 4.2 [S]: the message carries the tag `[threshold:N]`."""
    text = message_text(CERTIFICATE, SEVEN, EXPIRY - 3 * DAY)
    assert text.startswith(
        "[threshold:7] The certificate api.example.com expires in 3 days, at 2026-04-15 12:00:00 UTC."
    )
    for fact in ("FAILED", "a:443", "CN=Example CA", "0a:1b", "ab" * 32, CERTIFICATE.id):
        assert fact in text
    assert "[threshold:33%]" in message_text(CERTIFICATE, Threshold(33, Unit.PERCENT), T0)


SECRET = a_certificate(
    common_name="db/password",
    expires_at=EXPIRY,
    source=Source.SECRETS_MANAGER,
    source_ref="arn:aws:secretsmanager:us-east-1:123456789012:secret:db/password-AbCdEf",
)


@pytest.mark.parametrize(
    ("source", "beginning"),
    [
        (Source.ACM, "[threshold:7] The certificate x.example.com expires in 3 days, at"),
        (Source.IAM, "[threshold:7] The certificate x.example.com expires in 3 days, at"),
        (Source.ACM_PCA, "[threshold:7] The certificate authority x.example.com expires in 3 days, at"),
        (Source.DOMAIN, "[threshold:7] The domain x.example.com expires in 3 days, at"),
        (Source.SECRETS_MANAGER, "[threshold:7] The rotation of the secret x.example.com is due in 3 days, at"),
    ],
)
def test_what_expires_is_called_by_its_name(source: Source, beginning: str) -> None:
    """Contract 4.13 [T]: the words fit what it is."""
    row = replace(CERTIFICATE, source=source, common_name="x.example.com")
    assert message_text(row, SEVEN, EXPIRY - 3 * DAY).startswith(beginning)


@pytest.mark.parametrize("left", [timedelta(days=3), timedelta(), -timedelta(days=2)])
def test_what_is_said_of_a_secret_speaks_of_no_certificate(left: timedelta) -> None:
    """Nor what is said when it is over, or of what happened."""
    now = EXPIRY - left
    told = [subject_text(SECRET, now), message_text(SECRET, SEVEN, now)]
    can_happen = (CertificateEvent.RENEWAL_SUCCESS, CertificateEvent.RENEWAL_FAILURE, CertificateEvent.POLICY_VIOLATION)
    for event in can_happen:
        occurrence = Occurrence(event, EXPIRY, T0, "The one before expires at another time.")
        told += [event_subject(SECRET, occurrence, now), event_message(SECRET, occurrence, now)]
    over: list[dict[str, Any]] = [{"expires_at": EXPIRY + DAY}, {"expires_at": EXPIRY - DAY}, {"archived_at": T0}]
    told += [str(why_untrue(MARK, replace(SECRET, **change))) for change in over]
    assert not [text for text in told if "certificate" in text.lower().replace("certificates/", "")]


def test_what_is_said_of_a_secret() -> None:
    assert subject_text(SECRET, EXPIRY - DAY) == "[Tocsin] the rotation of db/password is due in 1 day"
    assert subject_text(SECRET, EXPIRY + DAY) == "[Tocsin] the rotation of db/password was due 1 day ago"
    rotated = Occurrence(CertificateEvent.RENEWAL_SUCCESS, EXPIRY, T0)
    assert event_subject(SECRET, rotated, EXPIRY - DAY) == "[Tocsin] the rotation of db/password took place"
    assert event_message(SECRET, rotated, EXPIRY - DAY).startswith(
        "[RenewalSuccess] The rotation of the secret db/password took place.\nIt is due in 1 day, at 2026-04-15 12:00"
    )
    later = replace(SECRET, expires_at=EXPIRY + 30 * DAY)
    assert why_untrue(MARK, later) == "the secret was rotated: it is due at 2026-05-15 12:00:00 UTC now"


def test_hostile_names_stay_bounded_and_on_their_line() -> None:
    hostile = replace(CERTIFICATE, common_name="x\r\nBcc: y" + "z" * 100_000, issuer="\u202eevil\n" * 1000)
    assert "\n" not in subject_text(hostile, T0)
    assert len(subject_text(hostile, T0).encode()) <= 200
    assert len(message_text(hostile, SEVEN, T0).encode()) < 2048


def test_the_alert_is_a_pending_notification() -> None:
    row = notification_of(RAISE, CERTIFICATE, POLICY, EXPIRY - 7 * DAY)
    assert (row.id, row.type, row.channel, row.recipient) == (
        RAISE.id,
        "ExpirationWarning",
        ChannelName.EMAIL,
        "ada@example.com",
    )
    assert (row.status, row.severity, row.certificate_id) == (Status.PENDING, Severity.WARNING, CERTIFICATE.id)
    assert row.due_at == EXPIRY - 7 * DAY + POLICY.pending_grace
    assert row.subject == "[Tocsin] api.example.com expires in 7 days"


MARK = mark_of(RAISE, CERTIFICATE, T0)


def test_an_alert_is_true_while_its_certificate_is_as_it_was() -> None:
    assert why_untrue(MARK, CERTIFICATE) is None
    assert why_untrue(MARK, replace(CERTIFICATE, owner_id="other", renewal_status="FAILED")) is None
    there = EXPIRY.astimezone(timezone(timedelta(hours=5)))
    assert why_untrue(MARK, replace(CERTIFICATE, expires_at=there)) is None


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        (None, "deleted"),
        (replace(CERTIFICATE, expires_at=EXPIRY + DAY), "renewed: it expires at 2026-04-16 12:00:00 UTC now"),
        (replace(CERTIFICATE, expires_at=EXPIRY - DAY), "replaced"),
        (replace(CERTIFICATE, archived_at=T0), "archived"),
        (replace(CERTIFICATE, revoked_at=T0), "revoked"),
    ],
)
def test_an_alert_whose_fact_is_gone_says_why(certificate: Certificate | None, reason: str) -> None:
    """Contract 4.9 [T]: a renewed certificate makes its alerts superseded, with the reason."""
    found = verdict(notification_of(RAISE, CERTIFICATE, POLICY, T0), MARK, certificate, T0)
    assert isinstance(found, NoLongerTrue)
    assert reason in found.reason
    assert why_untrue(MARK, certificate) == found.reason


def test_a_late_delivery_says_what_is_so_when_it_is_sent() -> None:
    """Issue 3: the text of a late delivery is right at the time it is sent."""
    planned = notification_of(RAISE, CERTIFICATE, POLICY, EXPIRY - 7 * DAY)
    told = verdict(planned, MARK, CERTIFICATE, EXPIRY - 3 * DAY)
    assert isinstance(told, Retold)
    late = told.row
    assert "expires in 7 days" in planned.message
    assert "expires in 3 days" in late.message
    assert "expires in 3 days" in late.subject
    assert replace(late, subject=planned.subject, message=planned.message) == planned
