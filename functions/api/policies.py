"""Routes of renewal policies: CRUD, and the simulation of a draft."""

from http import HTTPStatus
from itertools import islice

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from identity import actor_of
from paging import Cursor, IfMatch, Limit, check_version, nothing, shown, turn
from policy_wire import PolicyIn, PolicyList, PolicyOut, SimulatedOut, SimulateIn, SimulationOut
from ulid import ULID

from tocsin.bootstrap import inventory, resources
from tocsin.errors import FieldProblem, InvalidFieldsError
from tocsin.expiry.simulation import simulate
from tocsin.inventory.audit import Action, AuditEvent, Kind, event
from tocsin.inventory.filters import CertificateFilters
from tocsin.inventory.policy import RenewalPolicy

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped

CERTIFICATES_LIMIT = 5_000
ALERTS_LIMIT = 1_000
"""What one simulation looks at and answers with: well within the API's time and size."""


@router.get("/renewal-policies")
def list_policies(limit: Limit = 50, cursor: Cursor = None) -> PolicyList:
    """List renewal policies, by creation."""
    found, after = turn(lambda place: inventory.lists().policies(limit, place), "renewal-policies", cursor)
    return PolicyList(items=[PolicyOut.of(policy) for policy in found], next_cursor=after)


@router.post("/renewal-policies")
def create(new: PolicyIn) -> Response[PolicyOut]:
    """Write a policy."""
    now = resources.now()
    policy = new.parsed(str(ULID.from_datetime(now)), now)
    inventory.records().policies.create(policy, _said(Action.POLICY_CREATED, policy))
    return shown(PolicyOut.of(policy), policy, HTTPStatus.CREATED, f"/renewal-policies/{policy.id}")


@router.get("/renewal-policies/<id>")
def get(id: str) -> Response[PolicyOut]:
    """Read one policy, as it is now."""
    policy = inventory.records().policies.get(id)
    return shown(PolicyOut.of(policy), policy)


@router.put("/renewal-policies/<id>")
def put(id: str, body: PolicyIn, if_match: IfMatch = None) -> Response[PolicyOut]:
    """Replace a policy. Its certificates are looked at anew by the next check."""
    before = inventory.records().policies.get(id)
    check_version(before, if_match)
    now = resources.now()
    after = before.changed(body.parsed(id, now), now)
    inventory.records().policies.update(before, after, _said(Action.POLICY_UPDATED, after))
    return shown(PolicyOut.of(after), after)


@router.delete("/renewal-policies/<id>")
def delete(id: str, if_match: IfMatch = None) -> Response[str]:
    """Delete a policy that no certificate names."""
    policy = inventory.records().policies.get(id)
    check_version(policy, if_match)
    inventory.records().policies.delete(policy, _said(Action.POLICY_DELETED, policy))
    return nothing()


@router.post("/renewal-policies/<id>/simulate")
def simulate_draft(id: str, draft: SimulateIn) -> SimulationOut:
    """Say what a draft of this policy would raise over the certificates as they are. Nothing is sent."""
    inventory.records().policies.get(id)
    if draft.end <= draft.start:
        raise InvalidFieldsError([FieldProblem("end", "must be after start")])
    filters = CertificateFilters(policy_id=None if draft.all_certificates else id)
    every = inventory.lists().every_certificate(filters, resources.now())
    certificates = list(islice(every, CERTIFICATES_LIMIT + 1))
    looked_at = certificates[:CERTIFICATES_LIMIT]
    alerts = simulate(draft.parsed(id, resources.now()), looked_at, draft.start, draft.end)
    return SimulationOut(
        items=[SimulatedOut.of(alert) for alert in alerts[:ALERTS_LIMIT]],
        certificates=len(looked_at),
        is_complete=len(certificates) <= CERTIFICATES_LIMIT and len(alerts) <= ALERTS_LIMIT,
    )


def _said(action: Action, policy: RenewalPolicy) -> AuditEvent:
    return event(
        action, Kind.POLICY.resource(policy.id), actor_of(router.current_event), resources.now(), name=policy.name
    )
