"""`tocsin show`: the whole story of one notification, from whoever created it to what became of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import click

from tocsin_cli import logs, screen
from tocsin_cli.api import Api, ApiError
from tocsin_cli.commands.audit import name_of
from tocsin_cli.foreign import json_of, line_of, lines_of
from tocsin_cli.notification import retries_of, status_of
from tocsin_cli.options import as_json, example, pass_api
from tocsin_cli.screen import STYLES, Row
from tocsin_cli.times import clock, now, read, told

_LINKS = (
    ("fallback_of", "stands in for"),
    ("fell_back_to", "fell back to"),
    ("about", "is about"),
    ("resolved_by", "is resolved by"),
)
_EVENTS = 100
"""Lines of the audit trail that a story tells."""
_EXAMPLES = example(
    "tocsin show 01JZ8W3T5N6V0QJ4X2M7C9K1RB",
    "tocsin show 01JZ8W3T5N6V0QJ4X2M7C9K1RB --json | jq .attempts",
)


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of one notification, from every place that knows something."""

    row: Row
    events: list[Row]
    linked: list[tuple[str, Row | None, str]]
    """How, the notification if it is still there, and its id."""
    certificate: Row | None
    explanation: Row | None


@click.command(epilog=_EXAMPLES)
@click.argument("id_", metavar="ID")
@as_json
@pass_api
def show(api: Api, /, *, id_: str, as_json: bool) -> None:
    """Tell the whole story of the notification ID: attempts, who did what, what is linked, its certificate, its logs.

    The last part is a query for CloudWatch Logs Insights, to be run by the AWS CLI.
    """
    with screen.waiting("Reading"):
        story = gather(api, id_)
    query = logs.Query.of(api.connection, story.row, now())
    if as_json:
        screen.line(json_of({**story.row, **_besides(story), "logs_query": query.text}))
        return
    _head(story.row)
    _timeline(story)
    _linked(story)
    _certificate(story)
    _logs(query)


def gather(api: Api, id_: str) -> Story:
    """Read all that is known. What belongs to it and can't be read is left out: the row itself is what matters."""
    row = api.get(f"/notifications/{quote(id_, safe='')}")
    events = _read(api, "/audit-events", resource=f"notification/{row['id']}", limit=_EVENTS) or {"items": []}
    linked = [(how, _read(api, f"/notifications/{row[name]}"), row[name]) for name, how in _LINKS if row.get(name)]
    certificate = explanation = None
    if row["certificate_id"]:
        path = f"/certificates/{quote(row['certificate_id'], safe='')}"
        certificate = _read(api, path)
        explanation = _read(api, f"{path}/explain") if certificate else None
    return Story(row, events["items"], linked, certificate, explanation)


def _read(api: Api, path: str, **query: Any) -> Any:  # noqa: ANN401 - JSON is what it is
    try:
        return api.get(path, **query)
    except ApiError:
        return None


def _besides(story: Story) -> dict[str, Any]:
    return {
        "audit_events": story.events,
        "linked": [{"how": how, "id": id_, "notification": row} for how, row, id_ in story.linked],
        "certificate": story.certificate,
        "explanation": story.explanation,
    }


def _head(row: Row) -> None:
    at = now()
    screen.fields(
        [
            ("Id", row["id"]),
            ("Status", status_of(row)),
            ("Outcome", row["outcome"]),
            ("Retries", f"{retries_of(row)}, in this life" if row["retry_count"] else ""),
            ("Next", told(row["next_retry_at"], at)),
            ("Error", row["last_error"]),
            ("Waits for", _awaited(row["deferred"])),
            ("Type", row["type"] if row["act"] == "trigger" else f"{row['type']}, to {row['act']}"),
            ("Severity", row["severity"]),
            ("Channel", row["channel"]),
            ("To", row["recipient"]),
            ("Fallback", row["fallback"] and f"{row['fallback']['channel']} {row['fallback']['recipient']}"),
            ("Created", told(row["created_at"], at)),
            ("By", row["created_by"] and name_of(row["created_by"])),
            ("Subject", row["subject"]),
        ]
    )
    screen.heading("Message")
    for text in lines_of(row["message"]):
        screen.line(f"  {text}")


def _awaited(deferred: Row | None) -> str:
    """Say what one waits for that waits with no attempt spent, and why."""
    if deferred is None:
        return ""
    return (
        f"{deferred['by'] or 'its service, which takes no more just now'}: {deferred['reason'] or 'no reason is known'}"
    )


# ── What happened ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to it."""

    at: str
    what: str
    """A word that may have a colour."""
    more: str


def moments_of(row: Row, events: list[Row]) -> list[Moment]:
    """Put attempts and what people did in the order of time."""
    by = f"by {name_of(row['created_by'])}" if row["created_by"] else ""
    began = [Moment(row["created_at"], "created", by)]
    ended = {"sent": "sent_at", "read": "read_at"}.get(row["status"])
    last = [Moment(row[ended] or row["updated_at"], row["status"], str(row["outcome"] or ""))] if ended else []
    if row["status"] in ("dead", "superseded"):
        last = [Moment(row["updated_at"], row["status"], str(row["last_error"] or ""))]
    complained = [Moment(row["complained_at"], "complained", "the recipient")] if row["complained_at"] else []
    did = [_event(one) for one in events if one["action"] != "notification_read" or row["status"] != "read"]
    happened = [*began, *map(_attempt, row["attempts"]), *did, *complained, *last]
    return sorted(happened, key=lambda one: read(one.at) or datetime.min.replace(tzinfo=UTC))


def _attempt(attempt: Row) -> Moment:
    status = attempt["http_status"]
    said = attempt["error"] or (f"HTTP {status}" if status else "")
    took = f"attempt {attempt['number']}, {attempt['duration_ms']} ms"
    due = read(attempt["next_retry_at"])
    following = f"; again at {due:%H:%M:%S}" if due else ""
    return Moment(attempt["started_at"], attempt["result"], f"{took}{': ' if said else ''}{said}{following}")


def _event(event: Row) -> Moment:
    detail = event["detail"]
    reason = f": {detail['reason']}" if detail.get("reason") else ""
    was = f", was {detail['was']}" if detail.get("was") else ""
    return Moment(
        event["at"], event["action"].removeprefix("notification_"), f"by {name_of(event['actor'])}{reason}{was}"
    )


def _timeline(story: Story) -> None:
    screen.heading("What happened")
    moments = moments_of(story.row, story.events)
    widest = max(len(moment.what) for moment in moments)
    for moment in moments:
        word = click.style(f"{line_of(moment.what):<{widest}}", **_style(moment.what))
        screen.line(f"  {clock(moment.at)}  {word}  {line_of(moment.more)}".rstrip())


def _style(word: str) -> dict[str, Any]:
    """Give a word's colour as click has it."""
    *bold, colour = STYLES.get(word, "").split() or [""]
    if colour == "dim":
        return {"dim": True}
    return {"fg": colour or None, "bold": "bold" in bold or None}


# ── What belongs to it ───────────────────────────────────────────────────────────────────────────────────────────────


def _linked(story: Story) -> None:
    if not story.linked:
        return
    screen.heading("Linked")
    for how, row, id_ in story.linked:
        said = f"{status_of(row)}, by {row['channel']}" if row else "no longer kept"
        screen.line(f"  {how} {line_of(id_)}: {line_of(said)}")


def _certificate(story: Story) -> None:
    if not story.row["certificate_id"]:
        return
    screen.heading("Certificate")
    if story.certificate is None:
        screen.line(f"  {line_of(story.row['certificate_id'])}, which is not in the inventory")
        return
    at, found = now(), story.certificate
    expires = f"expires {told(found['expires_at'], at)}"
    screen.line(f"  {line_of(found['common_name'])} ({found['id']}): {found['status']}, {expires}")
    if story.explanation:
        screen.line(f"  {line_of(story.explanation['summary'])}")


def _logs(query: logs.Query) -> None:
    screen.heading("Logs")
    for text in query.commands:
        screen.line(f"  {text}")
    screen.line(f"  In the browser: {query.console_url}")
