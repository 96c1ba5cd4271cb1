"""Routes of renewal policies: CRUD, and the simulation of a draft."""

from itertools import islice

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from bodies.policies import PolicyIn, PolicyList, PolicyOut, SimulatedOut, SimulateIn, SimulationOut
from paging import Cursor, Limit, turn
from versioned import Collection, IfMatch

from tocsin.bootstrap import inventory, resources
from tocsin.errors import FieldProblem, InvalidFieldsError
from tocsin.expiry.simulation import simulate
from tocsin.inventory.audit import Kind
from tocsin.inventory.filters import CertificateFilters

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped

CERTIFICATES_LIMIT = 5_000
ALERTS_LIMIT = 1_000
"""What one simulation looks at and answers with: well within the API's time and size."""


_POLICIES = Collection(
    "/renewal-policies", Kind.POLICY, router, lambda: inventory.records().policies, PolicyIn.parsed, PolicyOut.of
)


@router.get("/renewal-policies")
def list_policies(limit: Limit = 50, cursor: Cursor = None) -> PolicyList:
    """List renewal policies, by creation."""
    found, after = turn(lambda place: inventory.lists().policies(limit, place), "renewal-policies", cursor)
    return PolicyList(items=[PolicyOut.of(policy) for policy in found], next_cursor=after)


@router.post("/renewal-policies")
def create(new: PolicyIn) -> Response[PolicyOut]:
    """Write a policy."""
    return _POLICIES.create(new)


@router.get("/renewal-policies/<id>")
def get(id: str) -> Response[PolicyOut]:
    """Read one policy, as it is now."""
    return _POLICIES.get(id)


@router.put("/renewal-policies/<id>")
def put(id: str, body: PolicyIn, if_match: IfMatch = None) -> Response[PolicyOut]:
    """Replace a policy. Its certificates are looked at anew by the next check."""
    return _POLICIES.put(id, body, if_match)


@router.delete("/renewal-policies/<id>")
def delete(id: str, if_match: IfMatch = None) -> Response[str]:
    """Delete a policy that no certificate names."""
    return _POLICIES.delete(id, if_match)


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
