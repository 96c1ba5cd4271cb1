"""What a sight of a certificate means for its row (issue 3, item 4: "a renewed certificate seen at a source")."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.certificates import NOT_AFTER, a_sight
from tocsin.inventory.certificate import Certificate, Source, checked
from tocsin.sources.merge import Changed, Create, Merge, Outdated, Renewed, Unchanged, merge
from tocsin.sources.observed import NOT_CHECKED

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = T0 + timedelta(days=3)
SEEN = a_sight()
DAY = timedelta(days=1)


def a_row(**fields: Any) -> Certificate:
    """Make the row that SEEN created at T0, and what an operator did to it."""
    created = merge(None, SEEN, T0)
    assert isinstance(created, Create)
    return replace(created.certificate, **fields)


def renewed(decision: Merge) -> Renewed:
    assert isinstance(decision, Renewed), decision
    return decision


def changed(decision: Merge) -> Changed:
    assert isinstance(decision, Changed), decision
    return decision


def test_what_is_new_is_created_and_watched_at_once() -> None:
    row = a_row()
    assert (row.id, row.source, row.source_ref) == (SEEN.id, Source.TLS, "api.example.com:443")
    assert (row.common_name, row.names, row.issuer) == (SEEN.common_name, SEEN.names, SEEN.issuer)
    assert (row.serial, row.fingerprint_sha256) == (SEEN.serial, SEEN.fingerprint_sha256)
    assert (row.not_before, row.expires_at, row.chain_verified) == (SEEN.not_before, SEEN.expires_at, True)
    assert (row.created_at, row.watched_since, row.due_at, row.version) == (T0, T0, T0, 1)
    assert checked(row) == row


def test_the_same_again_changes_nothing() -> None:
    row = a_row()
    assert merge(row, SEEN, LATER) == Unchanged(row)


def test_a_renewed_one_updates_the_row_and_ends_the_old_cycle() -> None:
    seen = a_sight(expires_at=NOT_AFTER + 60 * DAY, not_before=NOT_AFTER - 30 * DAY, serial="def")
    decision = renewed(merge(a_row(), seen, LATER))
    assert decision.ended_cycle == NOT_AFTER
    assert decision.fields == ("serial", "not_before", "expires_at")
    row = decision.certificate
    assert (row.expires_at, row.serial, row.version) == (seen.expires_at, "def", 2)
    assert (row.watched_since, row.due_at, row.created_at) == (LATER, LATER, T0)


def test_an_older_one_at_an_endpoint_is_a_fact_too() -> None:
    """A rollback: what is served is what will expire."""
    decision = renewed(merge(a_row(), a_sight(expires_at=NOT_AFTER - DAY), LATER))
    assert decision.certificate.expires_at == NOT_AFTER - DAY


def test_an_older_file_is_not() -> None:
    """Files are imported in any order: the latest certificate stays."""
    row = a_row(source=Source.IMPORT)
    older = a_sight(source=Source.IMPORT, expires_at=NOT_AFTER - DAY, serial="old")
    assert merge(row, older, LATER) == Outdated(row)
    assert isinstance(merge(row, replace(older, expires_at=NOT_AFTER + DAY), LATER), Renewed)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"names": ("api.example.com",)}, ("names",)),
        ({"serial": "def", "fingerprint_sha256": "e" * 64}, ("serial", "fingerprint_sha256")),  # a new key, same dates
        ({"chain_problem": "self-signed"}, ("chain_verified", "chain_problem")),
        ({"chain_problem": NOT_CHECKED}, ("chain_verified", "chain_problem")),
        ({"renewal_status": "FAILED: CAA_ERROR"}, ("renewal_status",)),
        ({"revoked_at": T0}, ("revoked_at",)),
    ],
)
def test_other_facts_of_the_same_cycle(fields: dict[str, Any], names: tuple[str, ...]) -> None:
    """The same expiry: its alerts stand."""
    decision = changed(merge(a_row(), a_sight(**fields), LATER))
    assert decision.fields == names
    assert (decision.certificate.updated_at, decision.certificate.version) == (LATER, 2)


def test_a_failed_renewal_does_not_restart_or_stop_the_watch() -> None:
    """Contract 4.5: "a failed or stuck renewal does not silence the alert"."""
    row = a_row(due_at=NOT_AFTER - 30 * DAY)
    after = changed(merge(row, a_sight(renewal_status="FAILED"), LATER)).certificate
    assert (after.watched_since, after.due_at, after.is_watched) == (T0, NOT_AFTER - 30 * DAY, True)


def test_the_operators_part_is_never_touched() -> None:
    kept = {"owner_id": "o1", "team_id": "t1", "policy_id": "p1", "archived_at": T0}
    row = a_row(**kept)
    after = renewed(merge(row, a_sight(expires_at=NOT_AFTER + DAY), LATER)).certificate
    assert {field: getattr(after, field) for field in kept} == kept
    assert after.due_at is None  # archived: left alone


def test_a_revoked_certificate_stays_revoked_while_it_is_the_same() -> None:
    row = a_row(revoked_at=T0)
    assert merge(row, SEEN, LATER) == Unchanged(row)
    assert changed(merge(row, a_sight(issuer="CN=x"), LATER)).certificate.revoked_at == T0


def test_another_certificate_in_place_of_a_revoked_one_is_watched() -> None:
    """Else nobody would ever be told of it."""
    after = changed(merge(a_row(revoked_at=T0, due_at=None), a_sight(serial="def"), LATER)).certificate
    assert (after.revoked_at, after.is_watched, after.due_at) == (None, True, LATER)


def test_which_row_it_is_does_not_depend_on_what_is_seen_there() -> None:
    again = a_sight(common_name="other", serial="1", expires_at=NOT_AFTER + DAY)
    elsewhere = [a_sight(source_ref="api.example.com:8443"), a_sight(source=Source.ACM)]
    assert again.id == SEEN.id
    assert SEEN.id not in {one.id for one in elsewhere}
