"""Lists of the inventory and of the audit trail: by every filter, page by page, at any size."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.inventory import DAY, HOUR, T0, a_certificate, a_policy, a_team, an_owner
from tests.support.inventory_store import Store
from tocsin.expiry.alert import MarkKind
from tocsin.inventory.audit import Action, AuditFilters, Kind
from tocsin.inventory.certificate import Certificate, CertificateStatus
from tocsin.inventory.filters import CertificateFilters
from tocsin.storage.paging import Page
from tocsin.storage.transaction import RefusedError, commit

pytestmark = pytest.mark.dynamodb_local

NOW = T0 + 20 * DAY


def every(turn: Callable[[str | None], Page[Certificate]]) -> list[str]:
    """Turn all pages."""
    ids: list[str] = []
    after: str | None = None
    while True:
        page = turn(after)
        ids += [certificate.id for certificate in page.rows]
        after = page.after
        if after is None:
            return ids


def listed(store: Store, filters: CertificateFilters, limit: int = 7) -> list[str]:
    """List all certificates that `filters` allow, some a page."""
    thresholds_of = store.resolver().thresholds_of
    return every(lambda after: store.lists.certificates(filters, limit, after, NOW, thresholds_of))


@pytest.fixture
def stocked(store: Store) -> Store:
    """Store 60 certificates: owners, teams, policies and states in turn, expiries a day apart, ids against them."""
    store.add_policy(replace(a_policy(5), id="p0"))
    store.add_owner(an_owner(team_id="t1"))  # in the team's index too, and no certificate
    states = [{}, {}, {}, {"archived_at": T0}, {"revoked_at": T0}]
    store.stock(
        a_certificate(
            id=f"c{99 - number}",
            expires_at=T0 + number * DAY,
            owner_id=f"o{number % 2}",
            team_id=f"t{number % 3}",
            policy_id=f"p{number % 2}",
            **states[number % 5],
        )
        for number in range(60)
    )
    return store


def ids(numbers: list[int]) -> list[str]:
    return [f"c{99 - number}" for number in numbers]


ALL = list(range(60))
LIVE = [number for number in ALL if number % 5 < 3]
THRESHOLDS = {0: 5, 1: 30}  # p0 alerts at 5 days; p1 does not exist, so its certificates at 30

FILTERS: list[tuple[CertificateFilters, list[int]]] = [
    (CertificateFilters(), ALL),
    (CertificateFilters(owner_id="o1"), [n for n in ALL if n % 2 == 1]),
    (CertificateFilters(team_id="t1"), [n for n in ALL if n % 3 == 1]),
    (CertificateFilters(policy_id="p0"), [n for n in ALL if n % 2 == 0]),
    (CertificateFilters(owner_id="o0", team_id="t2"), [n for n in ALL if n % 2 == 0 and n % 3 == 2]),
    (CertificateFilters(owner_id="nobody"), []),
    (CertificateFilters(expires_after=T0 + 10 * DAY, expires_before=T0 + 20 * DAY), ALL[10:20]),
    (CertificateFilters(expires_after=T0 + 50 * DAY, owner_id="o0"), [n for n in ALL[50:] if n % 2 == 0]),
    (CertificateFilters(expires_after=T0 + 20 * DAY, expires_before=T0 + 10 * DAY), []),
    (CertificateFilters(status=CertificateStatus.ARCHIVED), [n for n in ALL if n % 5 == 3]),
    (CertificateFilters(status=CertificateStatus.REVOKED), [n for n in ALL if n % 5 == 4]),
    (CertificateFilters(status=CertificateStatus.EXPIRED), [n for n in LIVE if n <= 20]),
    (CertificateFilters(status=CertificateStatus.EXPIRING), [n for n in LIVE if 0 < n - 20 <= THRESHOLDS[n % 2]]),
    (CertificateFilters(status=CertificateStatus.ACTIVE), [n for n in LIVE if n - 20 > THRESHOLDS[n % 2]]),
    (
        CertificateFilters(status=CertificateStatus.ACTIVE, team_id="t0", expires_before=T0 + 50 * DAY),
        [n for n in LIVE if n - 20 > THRESHOLDS[n % 2] and n % 3 == 0 and n < 50],
    ),
]


def test_certificates_are_listed_by_every_filter_the_soonest_expiry_first(stocked: Store) -> None:
    """Issue 3: certificates by status, owner, team, policy and expiry window, with cursors."""
    for filters, expected in FILTERS:
        assert listed(stocked, filters) == ids(expected), filters
        assert listed(stocked, filters, limit=100) == ids(expected), filters


def test_a_page_of_few_among_many_goes_on(store: Store) -> None:
    """A page does bounded work: it may be empty and still have a next one. Nothing is left out."""
    store.stock(a_certificate(id=f"c{number:04}", owner_id="o1", team_id="t1") for number in range(900))
    store.stock([a_certificate(id="wanted", owner_id="o1", team_id="t2", expires_at=T0 + 50 * DAY)])
    filters = CertificateFilters(owner_id="o1", team_id="t2")
    first = store.lists.certificates(filters, 10, None, NOW, lambda _: ())
    assert first.rows == ()
    assert first.after is not None
    assert listed(store, filters) == ["wanted"]
    assert len(list(store.lists.every_certificate(CertificateFilters(owner_id="o1"), NOW))) == 901


def test_policies_owners_and_teams_are_listed_by_creation(store: Store) -> None:
    for number in range(5):
        store.now = T0 + number * HOUR
        store.add_policy(replace(a_policy(30), id=f"p{9 - number}"))
        store.add_owner(an_owner(id=f"o{9 - number}", created_at=store.now))
        store.add_team(a_team(id=f"t{9 - number}", created_at=store.now))
    turns: list[tuple[str, Callable[[str | None], Page[object]]]] = [
        ("p", lambda after: store.lists.policies(2, after)),  # type: ignore[list-item, return-value]  # any of them
        ("o", lambda after: store.lists.owners(2, after)),  # type: ignore[list-item, return-value]  # any of them
        ("t", lambda after: store.lists.teams(2, after)),  # type: ignore[list-item, return-value]  # any of them
    ]
    for letter, turn in turns:
        assert every(turn) == [f"{letter}{9 - number}" for number in range(5)]  # type: ignore[arg-type]  # it reads ids


def test_filters_have_names_of_their_own(store: Store) -> None:
    digests = {filters.digest for filters, _ in FILTERS}
    assert len(digests) == len(FILTERS)


def test_events_are_listed_by_resource_action_and_time(store: Store) -> None:
    """Issue 3: audit events by resource, action and time, newest first."""
    for number in range(30):
        store.now = T0 + number * HOUR
        action = Action.CERTIFICATE_UPDATED if number % 2 else Action.CERTIFICATE_CREATED
        commit(store.client, [store.audit.appending(store.said(action, f"c{number % 3}"))])
    all_ = list(reversed(range(30)))
    resource = Kind.CERTIFICATE.resource("c1")
    cases: list[tuple[AuditFilters, list[int]]] = [
        (AuditFilters(), all_),
        (AuditFilters(resource=resource), [n for n in all_ if n % 3 == 1]),
        (AuditFilters(action="certificate_updated"), [n for n in all_ if n % 2]),
        (AuditFilters(resource=resource, action="certificate_created"), [n for n in all_ if n % 3 == 1 and n % 2 == 0]),
        (AuditFilters(after=T0 + 5 * HOUR, before=T0 + 9 * HOUR), [8, 7, 6, 5]),
        (AuditFilters(resource=resource, before=T0 + 5 * HOUR), [4, 1]),
        (AuditFilters(action="certificate_deleted"), []),
    ]
    for filters, expected in cases:
        seen: list[int] = []
        after: str | None = None
        while True:
            page = store.audit.page(filters, 4, after)
            seen += [int((event.at - T0) / HOUR) for event in page.rows]
            after = page.after
            if after is None:
                break
        assert seen == expected, filters


def test_the_alerts_of_a_certificate_are_found_the_latest_cycle_first(store: Store) -> None:
    """Design 3: the marks are how `GET /certificates/{id}/notifications` finds them."""
    store.add_owner()
    certificate = store.add(a_certificate(owner_id="o1", expires_at=T0 + 10 * DAY))
    store.checked()  # 14; 30 is superseded
    store.change(certificate, expires_at=T0 + 100 * DAY)
    store.now = T0 + 70 * DAY
    store.checked()
    everything = store.alerts.marks(certificate.id, 100, None).rows
    raised = store.alerts.marks(certificate.id, 100, None, MarkKind.RAISED).rows
    assert [mark.about for mark in raised if mark.expires_at == T0 + 10 * DAY] == ["14"]
    assert sorted(mark.about for mark in raised[:2]) == ["30", "RenewalSuccess"]
    assert len(everything) == 4
    assert {mark.id for mark in raised} == {row.id for row in store.rows()}
    first = store.alerts.marks(certificate.id, 1, None, MarkKind.RAISED)
    second = store.alerts.marks(certificate.id, 1, first.after, MarkKind.RAISED)
    third = store.alerts.marks(certificate.id, 1, second.after, MarkKind.RAISED)
    assert (*first.rows, *second.rows, *third.rows) == raised


def test_a_line_of_the_trail_is_never_written_over(store: Store) -> None:
    """Contract 5 [S]: the audit trail only grows."""
    line = store.said(Action.OWNER_CREATED, "owner/o1")
    commit(store.client, [store.audit.appending(line)])
    with pytest.raises(RefusedError):
        commit(store.client, [store.audit.appending(replace(line, actor="somebody else"))])
    page = store.audit.page(AuditFilters(resource=line.resource), 10, None)
    assert [found.actor for found in page.rows] == [line.actor]
