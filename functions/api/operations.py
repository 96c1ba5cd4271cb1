"""What the description says of each operation beside what is read off its route: names, success, and why it is 409.

Read for the description alone: no other request loads this.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from fields import ULID_PATTERN

from tocsin.delivery.channel_name import ChannelKind
from tocsin.sources.agents import NAME_PATTERN

_LABELLED = "[:.][A-Za-z0-9_-]{1,32}"

TAGS = {
    "Notifications": "Alerts: what became of them, and what an operator can do.",
    "Dead letters": "What could not be delivered, in groups, and its requeue in bulk.",
    "Channels": "The ways out: how they do, and whether one works.",
    "Certificates": "What is watched, and whom it alerts.",
    "Renewals": "Renewals that were asked for, and what is seen of them.",
    "Renewal policies": "When certificates alert, how severely, and by which channels.",
    "Rules": "What certificates must keep, beside their expiry, and which ones do not.",
    "People": "Owners and teams: whom alerts go to.",
    "Agents": "Hosts that report the certificates beside their servers.",
    "Audit": "Who did what to which thing.",
    "State": "Counts, and where certificates come from.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation, as a reader of the description knows it."""

    id: str
    tag: str
    summary: str
    status: HTTPStatus = HTTPStatus.OK
    repeated: str = ""
    """What its answer is with 200, where that is another success; empty: it has none."""
    headers: tuple[str, ...] = ()
    """Headers of the success, which HEADERS describes."""
    conflict: str = ""
    """Why it may be 409; empty: it never is."""
    asks: bool = False
    """Whether it waits for the function that sends, which may be silent."""
    kind: str = "application/json"
    """The media type of the success."""
    examples: Mapping[str, object] = field(default_factory=dict)
    """Bodies that are accepted, by a name."""


HEADERS: dict[str, dict[str, object]] = {
    "Location": {"description": "Where it is.", "schema": {"type": "string", "format": "uri-reference"}},
    "ETag": {
        "description": "Its version, for `If-Match`.",
        "schema": {"type": "string", "pattern": '^"[0-9]+"$', "example": '"3"'},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
}

PARAMETERS: dict[str, str] = {
    "limit": "Rows of a page. A page of very large messages ends sooner.",
    "cursor": "`next_cursor` of the page before. Opaque, signed, bound to its filters, and good for a day.",
    "status": "Equal to this.",
    "type": "Equal to this.",
    "channel": "Equal to this.",
    "outcome": "Equal to this.",
    "severity": "Equal to this.",
    "certificate_id": "Equal to this.",
    "contains": "In the message, in upper or lower case.",
    "state": "Equal to this.",
    "deferred": "True: those that wait with no attempt spent. False: all others.",
    "error_group": "The id of a group of `GET /dead-letter-groups`.",
    "created_after": "Created at or after this time.",
    "created_before": "Created before this time.",
    "expires_after": "Expires at or after this time.",
    "expires_before": "Expires before this time.",
    "owner_id": "Equal to this.",
    "team_id": "Equal to this.",
    "policy_id": "Equal to this.",
    "in_use": "Whether a service of AWS uses it, where its source knows that (ACM).",
    "violating": "True: those that violate a rule. False: all others.",
    "environment": "Equal to this.",
    "tag": "A tag, `key:value`, or its key alone. It may be repeated: all of them must hold.",
    "key_kind": "Equal to this, in upper or lower case: `RSA`, `EC`.",
    "key_size_below": "Its key has fewer bits; a key whose size is not known is none of these.",
    "signature_algorithm": "Equal to this, in upper or lower case: `SHA1-RSA`.",
    "issuer_id": "The id of an issuer of `GET /issuers`.",
    "source": "Equal to this.",
    "resource": "Such as `certificate/01JZ8W3T5N6V0QJ4X2M7C9K1RB`.",
    "action": "Such as `notification_requeued`.",
    "after": "At or after this time.",
    "before": "Before this time.",
    "id": "Its id.",
    "name in query": "In its common name or one of the others, in upper or lower case.",
    "name": "Its name. The colon may be written as `%3A`, or as a dot.",
    "Idempotency-Key": "Repeat a request with the same key when you don't know whether it arrived.",
    "If-Match": "The `ETag` of what you have read, or `*`.",
}
"""What each parameter is, wherever it is taken; or in one place, such as `name in query`."""

IDS: dict[str, dict[str, object]] = {
    "/notifications/": {"type": "string", "pattern": ULID_PATTERN},
    "/channels/": {"type": "string", "pattern": f"^({'|'.join(ChannelKind)})({_LABELLED})?$"},
    "/requeue-jobs/": {"type": "string", "pattern": ULID_PATTERN},
    "/renewal-jobs/": {"type": "string", "pattern": ULID_PATTERN},
    "/agents/": {"type": "string", "pattern": NAME_PATTERN},
    "/": {"type": "string", "minLength": 1, "maxLength": 256},
}
"""What stands for the parameter in a path, by how the path begins."""

_RACE = "Somebody else changed it at the same moment."
_IN_USE = f"Something still refers to it. {_RACE}"
_EXPIRES = "2027-03-01T12:00:00Z"
_ALERT = {
    "type": "Custom:disk",
    "channel": "Email",
    "recipient": "ops@example.com",
    "severity": "warning",
    "subject": "The disk of db-1 is full",
    "message": "97 % of /var are used.",
}
_DRAFT = {
    "name": "web",
    "alert_thresholds_days": [30, 14, 7, 0, "33%"],
    "severities": {"7": "critical"},
    "channels": {"critical": ["Email", "PagerDuty"]},
    "fallbacks": {"Slack:payments": "Email"},
    "renew_before": "33%",
}

_RULE = {
    "name": "Keys of payments",
    "type": "MinimumKey",
    "config": {"rsa_bits": 3072, "ec_bits": 256, "forbidden_signatures": ["SHA1-*"]},
    "severity": "critical",
    "scope": {"team_id": "01JZ8W3T5N6V0QJ4X2M7C9K1RB", "environment": "production"},
}


def _collection(path: str, one: str, many: str, tag: str, example: Mapping[str, object]) -> dict[str, Operation]:
    """Describe the five operations of things that have a version."""
    article = "an" if one[0] in "aeiou" else "a"
    name = "".join(word.title() for word in one.split())
    return {
        f"GET {path}": Operation(
            id=f"list{name}s" if many != "policies" else "listPolicies", tag=tag, summary=f"List {many}"
        ),
        f"POST {path}": Operation(
            id=f"create{name}",
            tag=tag,
            summary=f"Create {article} {one}",
            status=HTTPStatus.CREATED,
            headers=("Location", "ETag"),
            conflict=_RACE,
            examples={one: example},
        ),
        f"GET {path}/{{id}}": Operation(id=f"get{name}", tag=tag, summary=f"Read {article} {one}", headers=("ETag",)),
        f"PUT {path}/{{id}}": Operation(
            id=f"replace{name}",
            tag=tag,
            summary=f"Replace {article} {one}",
            headers=("ETag",),
            conflict=_RACE,
            examples={one: example},
        ),
        f"DELETE {path}/{{id}}": Operation(
            id=f"delete{name}",
            tag=tag,
            summary=f"Delete {article} {one}",
            status=HTTPStatus.NO_CONTENT,
            conflict=_IN_USE,
        ),
    }


OPERATIONS: dict[str, Operation] = {
    "GET /notifications": Operation(id="listNotifications", tag="Notifications", summary="List notifications"),
    "POST /notifications": Operation(
        id="createNotification",
        tag="Notifications",
        summary="Send an alert",
        status=HTTPStatus.ACCEPTED,
        headers=("Location",),
        conflict=_RACE,
        examples={"mail": _ALERT},
    ),
    "GET /notifications/{id}": Operation(id="getNotification", tag="Notifications", summary="Read a notification"),
    "POST /notifications/{id}/requeue": Operation(
        id="requeueNotification",
        tag="Notifications",
        summary="Requeue a dead letter",
        conflict=f"It is not dead, or what it says is no longer true. {_RACE}",
        examples={"reason": {"reason": "the proxy is mended"}},
    ),
    "POST /notifications/{id}/read": Operation(
        id="readNotification",
        tag="Notifications",
        summary="Mark a notification read",
        conflict=f"It is still owed to somebody. {_RACE}",
        examples={"reason": {"reason": "seen"}},
    ),
    "GET /dead-letter-groups": Operation(
        id="groupDeadLetters", tag="Dead letters", summary="Group dead letters by what they died of"
    ),
    "POST /requeue-jobs/preview": Operation(
        id="previewRequeueJob",
        tag="Dead letters",
        summary="Count what a bulk requeue would take",
        examples={"all of a channel": {"filters": {"channel": "Slack:payments"}}},
    ),
    "POST /requeue-jobs": Operation(
        id="startRequeueJob",
        tag="Dead letters",
        summary="Start a bulk requeue",
        status=HTTPStatus.ACCEPTED,
        headers=("Location",),
        conflict=_RACE,
    ),
    "GET /requeue-jobs": Operation(id="listRequeueJobs", tag="Dead letters", summary="List bulk requeues"),
    "GET /requeue-jobs/{id}": Operation(id="getRequeueJob", tag="Dead letters", summary="Read a bulk requeue"),
    "POST /requeue-jobs/{id}/cancel": Operation(
        id="cancelRequeueJob", tag="Dead letters", summary="Cancel a bulk requeue", conflict=f"It is over. {_RACE}"
    ),
    "GET /stats/summary": Operation(id="getSummary", tag="State", summary="Count what is dead and what is due"),
    "GET /metrics": Operation(id="getMetrics", tag="State", summary="Metrics for Prometheus", kind="text/plain"),
    "GET /sources": Operation(id="listSources", tag="State", summary="List the sources of certificates"),
    "GET /channels": Operation(id="listChannels", tag="Channels", summary="List channels and how they do"),
    "POST /channels/{name}/test": Operation(
        id="testChannel",
        tag="Channels",
        summary="Send a test message",
        conflict="The stack is paused: it sends nothing.",
        asks=True,
        examples={"mail": {"recipient": "ops@example.com"}},
    ),
    "POST /channels/{name}/preview": Operation(
        id="previewChannel",
        tag="Channels",
        summary="Word a message, and send nothing",
        asks=True,
        examples={"draft": {"message": "97 % of /var are used.", "template": {"subject": "{{ subject }}"}}},
    ),
    **_collection(
        "/certificates",
        "certificate",
        "certificates",
        "Certificates",
        {"common_name": "api.example.com", "expires_at": _EXPIRES, "names": ["www.example.com"]},
    ),
    "POST /certificates/import": Operation(
        id="importCertificates", tag="Certificates", summary="Import certificates from PEM", conflict=_RACE
    ),
    "GET /certificates/{id}/notifications": Operation(
        id="listCertificateNotifications", tag="Certificates", summary="List the alerts of a certificate"
    ),
    "GET /certificates/{id}/explain": Operation(
        id="explainCertificate", tag="Certificates", summary="Explain what was and will be alerted"
    ),
    "POST /certificates/{id}/renew": Operation(
        id="renewCertificate",
        tag="Renewals",
        summary="Ask for the renewal of a certificate",
        status=HTTPStatus.ACCEPTED,
        repeated="It was asked for before, and is under way",
        headers=("Location",),
        conflict=f"It is archived, or another certificate took its part. {_RACE}",
        examples={"reason": {"reason": "the key was on a laptop that is gone"}},
    ),
    "GET /renewal-jobs": Operation(id="listRenewalJobs", tag="Renewals", summary="List renewal jobs"),
    "GET /renewal-jobs/{id}": Operation(id="getRenewalJob", tag="Renewals", summary="Read a renewal job"),
    "POST /renewal-jobs/{id}/cancel": Operation(
        id="cancelRenewalJob",
        tag="Renewals",
        summary="Cancel a renewal job",
        conflict=f"It is over. {_RACE}",
        examples={"reason": {"reason": "the service is retired"}},
    ),
    "POST /renewal-jobs/{id}/report": Operation(
        id="reportRenewal",
        tag="Renewals",
        summary="Report how a renewal goes",
        conflict=f"It succeeded, or is cancelled. {_RACE}",
        examples={"failed": {"state": "failed", "detail": "the DNS challenge was not answered"}},
    ),
    "GET /certificates/{id}/versions": Operation(
        id="listCertificateVersions", tag="Certificates", summary="List the certificates that were seen at a place"
    ),
    "GET /issuers": Operation(id="listIssuers", tag="Certificates", summary="List who issued what is watched"),
    **_collection("/renewal-policies", "policy", "policies", "Renewal policies", _DRAFT),
    "POST /renewal-policies/{id}/simulate": Operation(
        id="simulatePolicy",
        tag="Renewal policies",
        summary="Say what a draft would raise",
        examples={"quarter": _DRAFT | {"start": "2027-01-01T00:00:00Z", "end": "2027-04-01T00:00:00Z"}},
    ),
    **_collection("/policies", "rule", "rules", "Rules", _RULE),
    "GET /policies/{id}/violations": Operation(
        id="listRuleViolations", tag="Rules", summary="List the certificates that violate a rule"
    ),
    **_collection("/owners", "owner", "owners", "People", {"name": "Ada", "email": "ada@example.com"}),
    **_collection("/teams", "team", "teams", "People", {"name": "Platform", "email": "platform@example.com"}),
    "POST /agents/{name}/reports": Operation(
        id="reportCertificates",
        tag="Agents",
        summary="Report what an agent found",
        conflict=_RACE,
        examples={"nothing found": {"report_id": "01JZ8W3T5N6V0QJ4X2M7C9K1RB", "period_seconds": 86400, "last": True}},
    ),
    "GET /agents": Operation(id="listAgents", tag="Agents", summary="List agents"),
    "GET /agents/{name}": Operation(id="getAgent", tag="Agents", summary="Read an agent"),
    "DELETE /agents/{name}": Operation(
        id="deleteAgent",
        tag="Agents",
        summary="Wait for an agent no longer",
        status=HTTPStatus.NO_CONTENT,
        conflict="It reports at the same moment.",
    ),
    "GET /audit-events": Operation(id="listAuditEvents", tag="Audit", summary="List who did what"),
}
"""By method, and the path below /api/v1. A test refuses a route that is not here."""
