"""Routes of certificates: CRUD, import, their alerts, and the explanation of what was and will be alerted."""

from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from bodies.certificates import (
    CertificateIn,
    CertificateList,
    CertificateNotifications,
    CertificateOut,
    ImportedOut,
    ImportIn,
    ImportOut,
    VersionList,
    VersionOut,
)
from bodies.explanation import ExplanationOut
from bodies.notifications import NotificationOut
from bodies.renewal_jobs import RenewalJobOut, RenewIn
from fields import Instant
from identity import actor_of
from paging import Cursor, Limit, turn
from pydantic import Field
from ulid import ULID
from versioned import IfMatch, check_version, nothing, shown

from tocsin.bootstrap import inventory, renewals, resources
from tocsin.delivery.notification import Notification
from tocsin.errors import FieldProblem, InvalidFieldsError
from tocsin.expiry.alert import MarkKind
from tocsin.inventory.certificate import (
    KEY_SIZE_LIMIT,
    NAME_LIMIT,
    Certificate,
    CertificateStatus,
    Source,
    checked,
)
from tocsin.inventory.filters import CertificateFilters
from tocsin.inventory.tags import KEY_LIMIT, TAGS_LIMIT, VALUE_LIMIT, tag_problems
from tocsin.sources.intake import Assignment, ingest

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped

_CLOCKS_DIFFER = timedelta(minutes=5)
TagFilter = Annotated[str, Field(min_length=1, max_length=KEY_LIMIT + 1 + VALUE_LIMIT)]
"""`key:value`, or a key."""


@router.get("/certificates")
def list_certificates(  # noqa: PLR0913, PLR0917 - one argument for each parameter of the query
    status: Annotated[CertificateStatus | None, Query()] = None,
    owner_id: Annotated[str | None, Query(min_length=1, max_length=256)] = None,
    team_id: Annotated[str | None, Query(min_length=1, max_length=256)] = None,
    policy_id: Annotated[str | None, Query(min_length=1, max_length=256)] = None,
    expires_after: Annotated[Instant | None, Query()] = None,
    expires_before: Annotated[Instant | None, Query()] = None,
    violating: Annotated[bool | None, Query()] = None,
    in_use: Annotated[bool | None, Query()] = None,
    environment: Annotated[str | None, Query(min_length=1, max_length=NAME_LIMIT)] = None,
    tag: Annotated[list[TagFilter] | None, Query(max_length=TAGS_LIMIT)] = None,
    key_kind: Annotated[str | None, Query(min_length=1, max_length=NAME_LIMIT)] = None,
    key_size_below: Annotated[int | None, Query(ge=1, le=KEY_SIZE_LIMIT)] = None,
    signature_algorithm: Annotated[str | None, Query(min_length=1, max_length=NAME_LIMIT)] = None,
    issuer_id: Annotated[str | None, Query(min_length=1, max_length=256)] = None,
    source: Annotated[Source | None, Query()] = None,
    name: Annotated[str | None, Query(min_length=1, max_length=NAME_LIMIT)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> CertificateList:
    """List certificates, the soonest to expire first; without a `status` the archived and revoked ones too."""
    filters = CertificateFilters(
        status=status,
        owner_id=owner_id,
        team_id=team_id,
        policy_id=policy_id,
        expires_after=expires_after,
        expires_before=expires_before,
        violating=violating,
        in_use=in_use,
        environment=environment,
        tags=tuple(tag or ()),
        key_kind=key_kind,
        key_size_below=key_size_below,
        signature_algorithm=signature_algorithm,
        issuer_id=issuer_id,
        source=source,
        name=name,
    )
    resolver = inventory.resolver()
    now = resources.now()
    found, after = turn(
        lambda place: inventory.lists().certificates(filters, limit, place, now, resolver.thresholds_of),
        filters.digest,
        cursor,
    )
    items = [CertificateOut.of(one, one.status(now, resolver.thresholds_of(one))) for one in found]
    return CertificateList(items=items, next_cursor=after)


@router.post("/certificates")
def create(new: CertificateIn) -> Response[CertificateOut]:
    """Watch a certificate."""
    now = resources.now()
    id = str(ULID.from_datetime(now))
    draft = Certificate(id=id, created_at=now, updated_at=now, watched_since=now, **_said(new, now))
    certificate = checked(draft).first_seen(now)
    inventory.lifecycle().create(certificate, actor_of(router.current_event))
    return shown(_out(certificate), certificate, HTTPStatus.CREATED, f"/certificates/{id}")


@router.post("/certificates/import")
def import_pem(body: ImportIn) -> ImportOut:
    """Watch every certificate of a PEM text; one that renews a certificate imported before updates that one."""
    from tocsin.sources.pem import read_pem  # noqa: PLC0415 - cryptography would cost every cold start of the API

    actor = actor_of(router.current_event)
    if problems := [*tag_problems(body.tags)]:
        raise InvalidFieldsError(problems)
    assignment = Assignment(body.owner_id, body.team_id, body.policy_id, body.environment, body.tags)
    ingested = [ingest(inventory.lifecycle(), seen, actor, resources.now(), assignment) for seen in read_pem(body.pem)]
    return ImportOut(items=[ImportedOut(result=result, certificate=_out(one)) for result, one in ingested])


@router.get("/certificates/<id>")
def get(id: str) -> Response[CertificateOut]:
    """Read one certificate, as it is now."""
    certificate = inventory.records().certificates.get(id)
    return shown(_out(certificate), certificate)


@router.put("/certificates/<id>")
def put(id: str, body: CertificateIn, if_match: IfMatch = None) -> Response[CertificateOut]:
    """Replace what is said of a certificate. Another expiry begins a new cycle: the alerts of the old one end."""
    before = inventory.records().certificates.get(id)
    check_version(before, if_match)
    now = resources.now()
    after = before.changed(checked(replace(before, **_said(body, now))), now)
    inventory.lifecycle().change(before, after, actor_of(router.current_event))
    return shown(_out(after), after)


@router.delete("/certificates/<id>")
def delete(id: str, if_match: IfMatch = None) -> Response[str]:
    """Watch it no longer. What was alerted stays in the audit trail; alerts that are still owed are superseded."""
    certificate = inventory.records().certificates.get(id)
    check_version(certificate, if_match)
    inventory.lifecycle().delete(certificate, actor_of(router.current_event), resources.now())
    return nothing()


@router.get("/certificates/<id>/notifications")
def list_notifications(id: str, limit: Limit = 50, cursor: Cursor = None) -> CertificateNotifications:
    """List the alerts of a certificate, the latest cycle first."""
    inventory.records().certificates.get(id)
    marks, after = turn(
        lambda place: resources.alerts().marks(id, limit, place, MarkKind.RAISED), f"alerts of {id}", cursor
    )
    rows = _rows([mark.id for mark in marks])
    items = [NotificationOut.of(rows[mark.id]) for mark in marks if mark.id in rows]
    return CertificateNotifications(items=items, next_cursor=after)


@router.get("/certificates/<id>/explain")
def explain(id: str) -> ExplanationOut:
    """Say whether anybody was alerted, about what, when, and whether it arrived; what comes next; and why not."""
    from tocsin.bootstrap import expiry  # noqa: PLC0415 - the API rarely asks

    return ExplanationOut.of(expiry.explanation_of(inventory.records().certificates.get(id)))


@router.post("/certificates/<id>/renew")
def renew(id: str, wish: Annotated[RenewIn | None, Body()] = None) -> Response[RenewalJobOut]:
    """Ask for its renewal: one event on the stack's bus. Asked for again in the same cycle, it is the same job."""
    wanted = wish or RenewIn()
    job, is_new = renewals.request(id, actor_of(router.current_event), wanted.reason, wanted.deadline)
    status = HTTPStatus.ACCEPTED if is_new else HTTPStatus.OK
    headers: dict[str, str | list[str]] = {"Location": f"/api/v1/renewal-jobs/{job.id}"}
    return Response(status, content_types.APPLICATION_JSON, RenewalJobOut.of(job), headers=headers)


@router.get("/certificates/<id>/versions")
def list_versions(id: str, limit: Limit = 50, cursor: Cursor = None) -> VersionList:
    """List the certificates that were seen at the place of this one, the one that came last first."""
    certificate = inventory.records().certificates.get(id)
    found, after = turn(
        lambda place: inventory.records().certificates.versions.of(certificate, limit, place),
        f"versions of {id} since {certificate.created_at}",
        cursor,
    )
    return VersionList(items=[VersionOut.model_validate(one) for one in found], next_cursor=after)


def _said(body: CertificateIn, now: datetime) -> dict[str, Any]:
    """Give what a caller says; raise InvalidFieldsError where it would end a watch that is to go on until then."""
    ahead = [
        FieldProblem(field, "must not be in the future: it would silence the alerts from now on")
        for field, at in (("archived_at", body.archived_at), ("revoked_at", body.revoked_at))
        if at is not None and at > now + _CLOCKS_DIFFER
    ]
    if ahead:
        raise InvalidFieldsError(ahead)
    return {**body.model_dump(), "names": tuple(body.names)}


def _out(certificate: Certificate) -> CertificateOut:
    thresholds = inventory.resolver().thresholds_of(certificate)
    return CertificateOut.of(certificate, certificate.status(resources.now(), thresholds))


def _rows(ids: list[str]) -> dict[str, Notification]:
    """Read notifications by their ids, with blanks for what can't be read: for showing."""
    found = resources.table().fetch(ids)
    return {row.id: row for row in (*found.rows, *(broken.row for broken in found.malformed))}
