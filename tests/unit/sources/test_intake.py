"""What a sight of a certificate means for the inventory (issue 3, item 4: "a renewed certificate seen at a source").

What others change meanwhile is never overwritten.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.certificates import NOT_AFTER, a_sight
from tests.support.inventory import DAY, T0
from tests.support.lives import Lives
from tocsin.errors import ConflictError
from tocsin.inventory.audit import Action
from tocsin.inventory.certificate import Certificate, Source, checked
from tocsin.inventory.occurrences import CertificateEvent, PendingRenewal
from tocsin.sources.intake import Assignment, Result, continuing, first_sight, ingest, merged, replaced
from tocsin.sources.observed import NOT_CHECKED, ObservedCertificate

LATER = T0 + timedelta(days=3)
SEEN = a_sight()
RENEWED = a_sight(expires_at=NOT_AFTER + 60 * DAY, not_before=NOT_AFTER - 30 * DAY, serial="def")
NOBODYS = Assignment()
OPERATORS = {
    "owner_id": "o1",
    "team_id": "t1",
    "policy_id": "p1",
    "environment": "production",
    "tags": {"cost-center": "12"},
    "archived_at": T0,
}


def known(**fields: Any) -> Certificate:
    """Make the certificate that SEEN created at T0, and what an operator did to it."""
    return replace(first_sight(SEEN, T0), **fields)


def differing(before: Certificate, after: Certificate) -> set[str]:
    """Name the facts that differ: what a change always moves is none."""
    moved = {"updated_at", "version", "watched_since", "due_at", "occurrences"}
    return {
        name for name in Certificate.__slots__ if getattr(before, name) != getattr(after, name) and name not in moved
    }


def test_what_is_new_is_watched_at_once() -> None:
    new = known()
    assert (new.id, new.source, new.source_ref) == (SEEN.id, Source.TLS, "api.example.com:443")
    assert (new.common_name, new.names, new.issuer) == (SEEN.common_name, SEEN.names, SEEN.issuer)
    assert (new.serial, new.fingerprint_sha256) == (SEEN.serial, SEEN.fingerprint_sha256)
    assert (new.not_before, new.expires_at, new.chain_verified) == (SEEN.not_before, SEEN.expires_at, True)
    assert (new.created_at, new.watched_since, new.due_at, new.version) == (T0, T0, T0, 1)
    assert checked(new) == new


def test_the_same_again_changes_nothing() -> None:
    before = known()
    assert merged(before, SEEN, LATER) is before


def test_a_renewed_one_restarts_the_watch() -> None:
    after = merged(known(), RENEWED, LATER)
    assert differing(known(), after) == {"serial", "not_before", "expires_at", "renewed_from"}
    assert after.renewed_from == known().identity
    assert [(one.event, one.expires_at, one.at) for one in after.occurrences] == [
        (CertificateEvent.RENEWAL_SUCCESS, RENEWED.expires_at, LATER)
    ]
    assert (after.expires_at, after.serial, after.version) == (RENEWED.expires_at, "def", 2)
    assert (after.watched_since, after.due_at, after.created_at) == (LATER, LATER, T0)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"names": ("api.example.com",)}, {"names"}),
        (  # a new key, same dates
            {"serial": "def", "fingerprint_sha256": "e" * 64},
            {"serial", "fingerprint_sha256", "renewed_from"},
        ),
        ({"chain_problem": "self-signed"}, {"chain_verified", "chain_problem"}),
        ({"chain_problem": NOT_CHECKED}, {"chain_verified", "chain_problem"}),
        ({"renewal_status": "FAILED: CAA_ERROR"}, {"renewal_status"}),
        ({"revoked_at": T0}, {"revoked_at"}),
    ],
)
def test_other_facts_of_the_same_cycle(fields: dict[str, Any], names: set[str]) -> None:
    after = merged(known(), a_sight(**fields), LATER)
    assert differing(known(), after) == names
    assert (after.updated_at, after.version) == (LATER, 2)


def test_a_failed_renewal_does_not_restart_or_stop_the_watch() -> None:
    """Contract 4.5: "a failed or stuck renewal does not silence the alert"."""
    after = merged(known(due_at=NOT_AFTER - 30 * DAY), a_sight(renewal_status="FAILED"), LATER)
    assert (after.watched_since, after.is_watched) == (T0, True)
    assert after.renewal_status == "FAILED"
    assert [one.event for one in after.occurrences] == [CertificateEvent.RENEWAL_FAILURE]
    assert after.due_at == LATER  # to be told of that


def test_the_operators_part_is_never_touched() -> None:
    after = merged(known(**OPERATORS), RENEWED, LATER)
    assert {field: getattr(after, field) for field in OPERATORS} == OPERATORS
    assert after.expires_at == RENEWED.expires_at
    assert after.due_at is None  # archived: left alone


def test_a_revoked_certificate_stays_revoked_while_it_is_the_same() -> None:
    before = known(revoked_at=T0)
    assert merged(before, SEEN, LATER) is before
    after = merged(before, a_sight(issuer="CN=x"), LATER)
    assert (after.issuer, after.revoked_at) == ("CN=x", T0)


def test_another_certificate_in_place_of_a_revoked_one_is_watched() -> None:
    """Else nobody would ever be told of it."""
    after = merged(known(revoked_at=T0, due_at=None), a_sight(serial="def"), LATER)
    assert (after.revoked_at, after.is_watched, after.due_at) == (None, True, LATER)


def test_which_row_it_is_does_not_depend_on_what_is_seen_there() -> None:
    again = a_sight(common_name="other", serial="1", expires_at=NOT_AFTER + DAY)
    elsewhere = [a_sight(source_ref="api.example.com:8443"), a_sight(source=Source.ACM)]
    assert again.id == SEEN.id
    assert SEEN.id not in {one.id for one in elsewhere}


def ingested(lives: Lives, *sights: ObservedCertificate, assignment: Assignment = NOBODYS) -> list[Result]:
    """Bring in one sight after the other, at T0."""
    return [ingest(lives.lifecycle, seen, "a source", T0, assignment)[0] for seen in sights]


def some_lives() -> Lives:
    """Make lives in which SEEN is known."""
    lives = Lives()
    ingested(lives, SEEN)
    return lives


def current(lives: Lives) -> Certificate:
    """Give the only certificate."""
    (found,) = lives.certificates.things.values()
    return found


def test_a_sight_creates_then_changes_nothing_then_renews() -> None:
    lives = Lives()
    assert ingested(lives, SEEN, SEEN) == [Result.CREATED, Result.UNCHANGED]
    assert current(lives).version == 1
    assert ingested(lives, RENEWED) == [Result.RENEWED]
    assert (current(lives).version, current(lives).expires_at) == (2, RENEWED.expires_at)
    assert lives.actions == [Action.CERTIFICATE_CREATED, Action.CERTIFICATE_RENEWED]


def test_other_facts_are_no_renewal() -> None:
    lives = some_lives()
    assert ingested(lives, a_sight(issuer="CN=x")) == [Result.CHANGED]
    assert lives.actions[1:] == [Action.CERTIFICATE_UPDATED]


def test_it_says_how_the_certificate_is_now() -> None:
    lives = some_lives()
    for seen in (SEEN, RENEWED):
        assert ingest(lives.lifecycle, seen, "a source", T0)[1] == current(lives)


def test_an_older_one_at_an_endpoint_is_a_fact_too() -> None:
    """A rollback: what is served is what will expire."""
    lives = some_lives()
    assert ingested(lives, a_sight(expires_at=NOT_AFTER - DAY)) == [Result.RENEWED]
    assert current(lives).expires_at == NOT_AFTER - DAY


def test_an_older_file_changes_nothing() -> None:
    """Files are imported in any order: the latest certificate stays."""
    lives = Lives()
    older, file, newer = (a_sight(source=Source.IMPORT, expires_at=NOT_AFTER + days * DAY) for days in (-60, 0, 1))
    assert ingested(lives, file, older) == [Result.CREATED, Result.OUTDATED]
    assert (current(lives).version, current(lives).expires_at) == (1, NOT_AFTER)
    assert ingested(lives, newer) == [Result.RENEWED]


def test_the_assignment_is_that_of_a_new_certificate() -> None:
    lives = Lives()
    ingested(lives, SEEN, assignment=Assignment("o1", None, "p1"))
    ingested(lives, RENEWED, assignment=Assignment("o2", "t2", "p2"))
    after = current(lives)
    assert (after.owner_id, after.team_id, after.policy_id) == ("o1", None, "p1")


def test_what_an_operator_changes_meanwhile_is_kept() -> None:
    """Issue 3, item 1: nobody is overwritten unseen, not by a source either."""
    lives = some_lives()

    def change() -> None:
        lives.certificates.meanwhile = lambda: None
        lives.certificates.things[SEEN.id] = current(lives).changed(replace(current(lives), owner_id="o1"), T0)

    lives.certificates.meanwhile = change
    assert ingested(lives, RENEWED) == [Result.RENEWED]
    after = current(lives)
    assert (after.owner_id, after.expires_at, after.version) == ("o1", RENEWED.expires_at, 3)


def test_what_somebody_else_creates_meanwhile_is_updated() -> None:
    lives = Lives()

    def create() -> None:
        lives.certificates.meanwhile = lambda: None
        ingested(lives, SEEN)

    lives.certificates.meanwhile = create
    assert ingested(lives, RENEWED) == [Result.RENEWED]
    assert current(lives).version == 2


def test_endless_contention_is_named() -> None:
    lives = some_lives()

    def change() -> None:
        lives.certificates.things[SEEN.id] = current(lives).changed(replace(current(lives), owner_id="again"), T0)

    lives.certificates.meanwhile = change
    with pytest.raises(ConflictError):
        ingested(lives, RENEWED)
    assert current(lives).expires_at == SEEN.expires_at


# ── Rows that go on where others end ─────────────────────────────────────────────────────────────────────────────────

ARN = "arn:aws:acm:eu-central-1:123456789012:certificate/"
ISSUED = a_sight(source=Source.ACM, source_ref=f"{ARN}1", identity_ref="acme:1")
NEXT = replace(ISSUED, source_ref=f"{ARN}2", serial="def", expires_at=NOT_AFTER + 60 * DAY)


def test_one_that_comes_by_another_arn_renews_the_row() -> None:
    """Contract 4.13: the row is what it is issued for; where that lies is a fact of it."""
    lives = Lives()
    assert ingested(lives, ISSUED, NEXT, NEXT) == [Result.CREATED, Result.RENEWED, Result.UNCHANGED]
    assert (current(lives).id, current(lives).source_ref) == (ISSUED.id, NEXT.source_ref)
    assert ISSUED.id != replace(ISSUED, identity_ref="").id


def test_an_older_arn_does_not_put_the_row_back() -> None:
    lives = Lives()
    assert ingested(lives, NEXT, ISSUED) == [Result.CREATED, Result.OUTDATED]
    assert current(lives).source_ref == NEXT.source_ref


def test_the_same_arn_may_expire_earlier_than_was_known() -> None:
    """What ACM says of one certificate is the fact."""
    lives = Lives()
    assert ingested(lives, NEXT, replace(NEXT, expires_at=NOT_AFTER)) == [Result.CREATED, Result.RENEWED]


def before(**fields: Any) -> Certificate:
    """Make the row that a release before made of ISSUED."""
    old = replace(ISSUED, identity_ref="")
    return replace(first_sight(old, T0), version=7, environment="production", tags={"team": "web"}, **fields)


def test_a_row_that_continues_another_is_its_renewal() -> None:
    job = PendingRenewal("01JOB", NOT_AFTER, None)
    after = continuing(before(owner_id="o1", policy_id="p1", renewal=job), NEXT, LATER)
    assert (after.id, after.version, after.created_at, after.due_at) == (NEXT.id, 1, LATER, LATER)
    assert (after.owner_id, after.policy_id, after.environment, after.tags) == (
        *("o1", "p1", "production"),
        {"team": "web"},
    )
    assert (after.source_ref, after.expires_at, after.watched_since) == (NEXT.source_ref, NEXT.expires_at, LATER)
    assert after.renewed_from == before().identity
    assert [one.event for one in after.occurrences] == [CertificateEvent.RENEWAL_SUCCESS]
    assert after.renewal is None  # it ends where it was asked for
    assert checked(after) == after


@pytest.mark.parametrize("put_away", [{"archived_at": T0}, {"revoked_at": T0}, {"replaced_at": T0, "replaced_by": "x"}])
def test_what_was_put_away_is_not_put_away_with_it(put_away: dict[str, Any]) -> None:
    """And nobody is told of the renewal of what nobody watched."""
    after = continuing(before(owner_id="o1", **put_away), NEXT, LATER)
    assert (after.owner_id, after.environment, after.is_watched, after.due_at) == ("o1", "production", True, LATER)
    assert (after.occurrences, after.renewed_from, after.replaced_by) == ((), "", None)


def test_one_that_expires_no_later_is_seen_for_the_first_time() -> None:
    after = continuing(before(owner_id="o1"), replace(ISSUED, source_ref=f"{ARN}0"), LATER)
    assert (after.owner_id, after.watched_since, after.occurrences) == ("o1", LATER, ())


def test_a_replaced_row_is_watched_no_more_until_it_is_seen_in_its_own_right() -> None:
    old = before()
    gone = replaced(old, "another", LATER)
    assert (gone.is_watched, gone.due_at, gone.replaced_by, gone.version) == (False, None, "another", 8)
    assert gone.occurrences == old.occurrences
    back = merged(gone, replace(ISSUED, identity_ref=""), LATER + DAY)
    assert (back.is_watched, back.due_at, back.replaced_at, back.replaced_by) == (True, LATER + DAY, None, None)


def test_the_audit_trail_says_what_was_replaced() -> None:
    lives = Lives()
    ingested(lives, replace(ISSUED, identity_ref=""))
    row = current(lives)
    assert lives.lifecycle.change(row, replaced(row, "another", LATER), "a source") is Action.CERTIFICATE_REPLACED
