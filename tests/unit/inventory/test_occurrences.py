"""What a change of a certificate is noted as: a renewal, one that failed, a revocation; each once in a cycle."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.inventory import DAY, HOUR, T0, a_certificate
from tocsin.inventory.certificate import Certificate
from tocsin.inventory.occurrences import CertificateEvent

FAILED = "FAILED: CAA_ERROR"
AWAY = T0 - DAY


def changed(certificate: Certificate, hours: int = 1, **fields: Any) -> Certificate:
    return certificate.changed(replace(certificate, **fields), T0 + hours * HOUR)


def noted(certificate: Certificate) -> list[CertificateEvent]:
    return [one.event for one in certificate.occurrences]


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(a_certificate(renewal_status="PENDING_VALIDATION"), id="since a moment ago"),
        pytest.param(a_certificate(renewal_status=FAILED), id="an earlier release knew it"),
        pytest.param(a_certificate(renewal_status=FAILED, archived_at=AWAY), id="while it was archived"),
        pytest.param(a_certificate(renewal_status=FAILED, revoked_at=AWAY), id="while it was revoked"),
    ],
)
def test_a_failed_renewal_is_noted_as_soon_as_it_matters_and_once(before: Certificate) -> None:
    """Contract 4.5 [T]: nothing that is so stays untold because of what was there before."""
    after = changed(before, renewal_status=FAILED, archived_at=None, revoked_at=None)
    assert noted(after) == [CertificateEvent.RENEWAL_FAILURE]
    again = changed(after, 2, renewal_status="FAILED: DOMAIN_NOT_ALLOWED", issuer="CN=Another")
    assert again.occurrences == after.occurrences
    assert again.due_at is not None


def test_what_happens_to_what_was_put_away_is_not_noted() -> None:
    away = a_certificate(archived_at=AWAY)
    renewed = changed(away, expires_at=T0 + 90 * DAY, renewal_status=FAILED, revoked_at=T0)
    assert noted(renewed) == []
    assert renewed.due_at is None


def test_a_revocation_that_came_while_it_was_archived_is_noted_when_it_is_back() -> None:
    away = changed(a_certificate(archived_at=AWAY), revoked_at=T0)
    back = changed(away, 2, archived_at=None)
    assert noted(back) == [CertificateEvent.REVOCATION]
    assert back.due_at == T0 + 2 * HOUR
    away_again = changed(changed(back, 3, archived_at=T0), 4, archived_at=None)
    assert noted(away_again) == [CertificateEvent.REVOCATION]


def test_another_expiry_begins_a_cycle_without_what_happened_in_the_one_before() -> None:
    failed = changed(a_certificate(serial="a"), renewal_status=FAILED)
    renewed = changed(failed, 2, serial="b", expires_at=T0 + 120 * DAY, renewal_status="SUCCESS")
    assert noted(renewed) == [CertificateEvent.RENEWAL_SUCCESS]
    assert renewed.renewed_from == failed.identity
    back = changed(renewed, 3, serial="a", expires_at=failed.expires_at, renewal_status="")
    assert noted(back) == []


def test_a_revoked_certificate_that_is_renewed_is_watched_again() -> None:
    revoked = changed(a_certificate(), revoked_at=T0)
    assert noted(revoked) == [CertificateEvent.REVOCATION]
    renewed = changed(revoked, 2, expires_at=T0 + 120 * DAY, revoked_at=None)
    assert noted(renewed) == [CertificateEvent.RENEWAL_SUCCESS]
    assert (renewed.is_watched, renewed.due_at) == (True, T0 + 2 * HOUR)
