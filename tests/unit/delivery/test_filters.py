"""Contract 3.1 [S]: lists filter by status, type and text; all that are given must hold."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.rows import NO_CHANNEL, NOW, a_row, settled
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.filters import Filters
from tocsin.delivery.notification import Notification, Outcome, Severity, Status

ROW = settled(
    a_row(type="RenewalFailure", message="Ärger: the CERTIFICATE expires", severity=Severity.CRITICAL), NO_CHANNEL
)
HOLDS: list[dict[str, Any]] = [
    {},
    {"status": Status.SENT},
    {"type": "RenewalFailure"},
    {"channel": ChannelName.WEBHOOK},
    {"outcome": Outcome.SKIPPED_NO_CHANNEL},
    {"severity": Severity.CRITICAL},
    {"certificate_id": "api-example-com"},
    {"contains": "certificate EXP"},  # in the message, whatever the case
    {"contains": "ÄRGER"},
    {"deferred": False},
    {"created_after": NOW},  # inclusive
    {"created_before": NOW + timedelta(microseconds=1)},
    {"status": Status.SENT, "contains": "expires", "created_after": NOW, "severity": Severity.CRITICAL},
]
FAILS: list[dict[str, Any]] = [
    {"status": Status.DEAD},
    {"type": "RenewalFail"},
    {"channel": ChannelName.EMAIL},
    {"outcome": Outcome.DELIVERED},
    {"severity": Severity.WARNING},
    {"certificate_id": "api"},
    {"contains": "api.example.com"},  # in the subject only
    {"deferred": True},
    {"created_after": NOW + timedelta(microseconds=1)},
    {"created_before": NOW},  # exclusive
    {"status": Status.SENT, "severity": Severity.WARNING},
]


@pytest.mark.parametrize("given", HOLDS, ids=str)
def test_a_row_that_fits_is_wanted(given: dict[str, Any]) -> None:
    assert Filters(**given).match(ROW)


@pytest.mark.parametrize("given", FAILS, ids=str)
def test_a_row_that_does_not_fit_is_not(given: dict[str, Any]) -> None:
    assert not Filters(**given).match(ROW)


def test_a_row_without_a_certificate_fits_no_certificate() -> None:
    row: Notification = a_row(certificate_id=None)
    assert not Filters(certificate_id="api-example-com").match(row)


def test_each_set_of_filters_has_a_name_of_its_own() -> None:
    digests = [Filters(**given).digest for given in HOLDS + FAILS]
    assert len(set(digests)) == len(digests)
    assert digests == [Filters(**given).digest for given in HOLDS + FAILS]
