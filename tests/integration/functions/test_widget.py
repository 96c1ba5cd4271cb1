"""The CloudWatch widget's two functions on real tables: what they show, do and refuse, as a dashboard calls them."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from tests.support import widget_rules
from tests.support.database import Database
from tests.support.engine import Clock
from tests.support.functions import Context, call, handler
from tests.support.inventory import a_certificate
from tests.support.inventory_store import Store
from tests.support.rows import NOW, REJECTED, a_row, an_id, in_status, settled
from tests.support.widget_pages import a_dead
from tests.support.widget_rules import Action, Read
from tocsin.bootstrap import requeueing, resources, widget
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification, Severity, Status
from tocsin.delivery.store import Change
from tocsin.inventory.audit import AuditFilters, Kind

CONTEXT = {
    "dashboardName": "tocsin",
    "theme": "dark",
    "timezone": {"label": "Local", "offsetISO": "+02:00", "offsetInMinutes": 120},
    "forms": {"all": {}},
    "params": {"view": "letters"},
}


@pytest.fixture(autouse=True)
def _at_noon(clock: Clock) -> None:
    clock.now = NOW


def asked(function: str, event: dict[str, Any], **form: str) -> Read:
    """Call a function as a dashboard does; the answer must pass every rule."""
    context = CONTEXT | {"forms": {"all": form}}
    html = handler(function)(json.loads(json.dumps(event | {"widgetContext": context})), Context())
    assert isinstance(html, str), html
    settings = resources.settings()
    found = widget_rules.read(html, settings.widget_look, settings.widget_act)
    assert not found.problems
    return found


def look(tab: str = "dead", **place: Any) -> Read:
    return asked("widget", {"place": {"tab": tab, **place}})


def press(action: Action, **form: str) -> Read:
    """Press the button that an action is bound to."""
    function = "widget_act" if action.endpoint == resources.settings().widget_act else "widget"
    return asked(function, action.params, **form)


def ids_of(page: Read) -> list[str]:
    """Name the notifications that a list shows, in its order."""
    named = [action.params.get("place", {}).get("notification") for action in page.actions]
    return list(dict.fromkeys(id_ for id_ in named if id_))


def the_dead(count: int, **fields: Any) -> list[Notification]:
    """Make dead rows, the latest first."""
    return [
        replace(a_dead(certificate_id=None, **fields), died_at=NOW - timedelta(minutes=5 * place))
        for place in range(count)
    ]


def test_each_tab_shows_its_own_rows(stack: Database) -> None:
    """Contract 3.5 [S]: two tabs; each call reads anew, so none shows what another one had."""
    dead, others = the_dead(3), [in_status(status) for status in Status if status is not Status.DEAD]
    stack.fill([*dead, *others])
    page = look("dead")
    assert ids_of(page) == [row.id for row in dead]
    everything = press(page.action("All"))
    assert set(ids_of(everything)) == {row.id for row in (*dead, *others)}
    stack.table.replace(changed(dead[0]))
    assert ids_of(press(everything.action("Dead letter"))) == [row.id for row in dead[1:]]


def changed(row: Notification) -> Change:
    return Change(row, row.acknowledged(NOW))


def test_requeue_sends_exactly_that_row_once_and_says_who_and_why(stack: Database, store: Store) -> None:
    """Contract 3.5 [S], 3.7 [T]: the row's own id; a second press finds it requeued, and is told so in place."""
    first, second = the_dead(2)
    stack.fill([first, second])
    page = look("dead")
    button = page.action("Requeue", 1)
    assert button.params["id"] == second.id
    after = press(button, reason="the receiver is back")
    assert "Requeued, and on its way to Webhook" in after.text
    assert ids_of(after) == [first.id], "the row moves"
    assert stack.table.get(second.id).status is Status.PENDING
    assert stack.table.get(first.id) == first
    again = press(button)
    assert "Nothing was done. Can't requeue: it is pending" in again.text
    assert again.text.index("Can't requeue") < again.text.index("Dead letters, the latest first")
    (line,) = store.audit.page(AuditFilters(resource=Kind.NOTIFICATION.resource(second.id)), 10, None).rows
    assert (line.action, line.actor) == ("notification_requeued", "widget:request-1")
    assert line.detail["reason"] == "the receiver is back"


def test_marking_read_keeps_the_operator_where_they_were(stack: Database) -> None:
    rows = the_dead(5)
    stack.fill(rows)
    second_page = press(look("dead", limit=2).action("Older ones"))
    assert ids_of(second_page) == [row.id for row in rows[2:4]]
    after = press(second_page.action("Mark read"))
    assert ids_of(after) == [rows[3].id, rows[4].id]
    assert stack.table.get(rows[2].id).status is Status.READ


def test_a_page_passes_over_empty_ones_by_itself(stack: Database) -> None:
    """What is wanted is behind more rows than one page of the API examines."""
    wanted = a_row(message="needle", created_at=NOW - timedelta(days=30))
    stack.fill([wanted, *(a_row(created_at=NOW - timedelta(minutes=place)) for place in range(1500))])
    assert call("GET", "/api/v1/notifications?contains=needle&limit=25").json["items"] == []
    assert ids_of(look("all", filters={"contains": "needle"})) == [wanted.id]


def test_a_search_that_takes_too_long_says_how_far_it_got(stack: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget, "SEARCH_SECONDS", 0.0)
    wanted = a_row(message="needle", created_at=NOW - timedelta(days=30))
    stack.fill([wanted, *(a_row(created_at=NOW - timedelta(minutes=place)) for place in range(1500))])
    page = look("all", filters={"contains": "needle"})
    assert ids_of(page) == []
    assert "Searched back to" in page.text
    for _ in range(10):
        if ids_of(page):
            break
        page = press(page.action("Go on searching"))
    assert ids_of(page) == [wanted.id]


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ({"status": "sent"}, "sent"),
        ({"type": "Custom:disk"}, "typed"),
        ({"channel": "Slack:payments"}, "slack"),
        ({"severity": "critical"}, "critical"),
        ({"contains": "FULL"}, "typed"),
        ({"certificate_id": "c-9"}, "certified"),
    ],
)
def test_every_filter_of_the_form_narrows_the_list(stack: Database, form: dict[str, str], wanted: str) -> None:
    rows = {
        "sent": in_status(Status.SENT),
        "typed": a_row(type="Custom:disk", message="the disk is full"),
        "slack": a_row(channel=ChannelName("Slack:payments"), recipient=""),
        "critical": a_row(severity=Severity.CRITICAL),
        "certified": a_row(certificate_id="c-9"),
    }
    stack.fill(rows.values())
    page = press(look("all").action("Apply filters"), **form)
    assert ids_of(page) == [rows[wanted].id]
    (name, value) = next(iter(form.items()))
    assert name in {"status", "severity"} or page.fields[name] == value
    assert len(ids_of(press(page.action("Clear filters")))) == len(rows)


def test_a_filter_that_can_t_be_one_is_explained_and_shows_no_other_rows(stack: Database) -> None:
    stack.fill(the_dead(2))
    page = press(look("dead").action("Apply filters"), channel="Fax")
    assert "Channel must be one of" in page.text
    assert ids_of(page) == []


def test_the_dead_are_grouped_by_what_they_died_of(stack: Database) -> None:
    many = the_dead(4, error="HTTP 503: try again at 12:31")
    stack.fill([*many, *the_dead(1, error="HTTP 410 Gone")])
    page = look("dead")
    assert "5 dead letters" in page.text
    assert "HTTP 503: try again at <time>" in page.text
    shown = press(page.action("Show"))
    assert ids_of(shown) == [row.id for row in many]
    assert len(ids_of(press(shown.action("Show all errors")))) == 5


def test_a_notification_tells_its_whole_life_and_is_acted_on_there(stack: Database, store: Store) -> None:
    row = the_dead(1, error="HTTP 503: down")[0]
    other = replace(a_row(), fallback_of=row.id)
    stack.fill([replace(row, fell_back_to=other.id), other])
    page = press(look("dead").action(row.subject))
    assert "Accepted" in page.text
    assert "Attempt 5" in page.text
    assert "Its stand-in" in page.text
    after = press(page.action("Requeue"), reason="again")
    assert "by widget:request-1 · again" in after.text
    assert "Pending" in after.text
    assert ids_of(press(after.action("Back to the list"))) == []


def test_an_expiry_alert_that_is_no_longer_true_says_so_and_ends_when_it_is_requeued(
    stack: Database, store: Store
) -> None:
    """A requeue that would be refused is foretold, and then explained where it was asked for."""
    store.add_owner()
    store.now = NOW
    certificate = store.add(a_certificate(owner_id="o1", expires_at=NOW + timedelta(days=20)))
    store.checked()
    (row,) = store.rows()
    store.notifications.replace(Change(row, settled(row, REJECTED)))
    assert "Still true" in look("dead").text
    renewed = replace(certificate, expires_at=NOW + timedelta(days=300), version=2)
    store.stock([renewed])
    page = look("dead")
    assert "No longer true" in page.text
    after = press(page.action("Requeue"))
    assert "superseded" in after.text
    assert stack.table.get(row.id).status is Status.SUPERSEDED


def test_what_expires_next_is_explained(store: Store) -> None:
    soon = store.add(a_certificate(common_name="soon.example.com", expires_at=NOW + timedelta(days=3)))
    store.add(a_certificate(id=an_id(), common_name="late.example.com", expires_at=NOW + timedelta(days=300)))
    page = look("certificates")
    assert page.text.index("soon.example.com") < page.text.index("late.example.com")
    explained = press(page.action("Explain"))
    assert soon.common_name in explained.text
    assert "Nobody was alerted" in explained.text


def test_counts_are_small_and_say_since_when(stack: Database) -> None:
    stack.fill(the_dead(3))
    html = handler("widget")({"view": "counts", "widgetContext": CONTEXT | {"params": {"view": "counts"}}}, Context())
    found = widget_rules.read(html, "", "")
    assert not found.problems
    assert "3dead letters" in found.text
    assert "10 min" in found.text
    assert "14:00:00 UTC+02:00" in found.text, "in the dashboard's own zone"
    assert not found.actions, "it refreshes by itself, and does nothing"


@pytest.mark.parametrize("function", ["widget", "widget_act"])
def test_describe_gives_markdown_whose_yaml_fills_the_parameters(function: str) -> None:
    """CloudWatch user guide, "Details about custom widgets": the first yaml block is the default of the parameters."""
    answer = handler(function)({"describe": True}, Context())
    assert answer.keys() == {"markdown"}
    block = answer["markdown"].partition("```yaml\n")[2].partition("```")[0]
    assert yaml.safe_load(block).keys() == {"view", "tab", "limit", "filters"}


def test_a_stack_whose_lists_nobody_paged_yet_is_paged_by_who_may_write_nothing(stack: Database) -> None:
    stack.fill(the_dead(3))
    page = press(look("dead", limit=2).action("Older ones"))
    assert len(ids_of(page)) == 1
    assert not [item for item in stack.items() if item["id"]["S"].startswith("secret#")]


def test_a_cursor_that_was_changed_leads_to_the_first_page_and_says_so(stack: Database) -> None:
    rows = the_dead(3)
    stack.fill(rows)
    page = look("dead", cursor="forged")
    assert "cursor can't be used" in page.text
    assert ids_of(page) == [row.id for row in rows]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"notification": "nothing"}, "There is nothing by this id"),
        ({"tab": "certificates", "certificate": "nothing"}, "There is nothing by this id"),
    ],
)
def test_what_is_not_there_is_a_page_of_its_own(place: dict[str, str], said: str, store: Store) -> None:
    page = look(**place)
    assert said in page.text
    assert "request-1" in page.text
    assert "Dead letters, the latest first" in press(page.action("Begin anew")).text


def test_an_error_is_a_page_with_the_request_s_id_and_nothing_of_its_inside(
    stack: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any, **_named: Any) -> None:
        raise RuntimeError("secret detail")

    def throttled(*_args: Any, **_named: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "secret detail"}}, "Query")

    for fault, said in ((broken, "This page could not be made"), (throttled, "The storage did not answer")):
        monkeypatch.setattr(type(resources.lists()), "page", fault)
        page = look("all")
        assert said in page.text
        assert "request-1" in page.text
        assert "secret detail" not in page.text
        assert "Traceback" not in page.text


def test_the_function_that_looks_does_nothing_whatever_it_is_asked(stack: Database) -> None:
    (row,) = the_dead(1)
    stack.fill([row])
    asked("widget", {"do": "requeue", "id": row.id, "place": {}})
    assert stack.table.get(row.id) == row


@pytest.mark.parametrize(
    "said", [{"do": "delete"}, {"do": None}, {}, {"do": "requeue"}, {"do": "test", "channel": "Fax"}]
)
def test_what_can_t_be_done_is_refused_in_place(stack: Database, said: dict[str, Any]) -> None:
    stack.fill(the_dead(1))
    page = asked("widget_act", said | {"place": {}})
    assert "Nothing was done" in page.text
    assert "Dead letters, the latest first" in page.text


class Runs:
    """Counts the starts of the function that requeues many; a test runs it itself."""

    def __init__(self) -> None:
        self.started = 0

    def __call__(self) -> None:
        self.started += 1


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    found = Runs()
    monkeypatch.setattr(requeueing, "_start_a_run", found)
    return found


def test_a_group_of_300_is_counted_requeued_by_a_job_and_its_progress_shown(stack: Database, runs: Runs) -> None:
    """Requeue per group: a preview with the number and a sample, a question that names it, progress, the end."""
    many, others = the_dead(300, error="HTTP 503: down"), the_dead(2, error="HTTP 410 Gone")
    stack.fill([*many, *others])
    preview = press(look("dead").action("Requeue 300 …"))
    assert "Requeue 300 notifications?" in preview.text
    assert len([title for title in preview.titles if "HTTP 503" in title]) == 5
    assert runs.started == 0
    start = preview.action("Requeue 300")
    assert start.confirmation == "Requeue 300 notifications?"
    progress = press(start, reason="it is back")
    assert "Requeue of 300 notifications" in progress.text
    assert "Queued" in progress.text
    assert runs.started == 1
    assert "Requeueing 300 notifications: queued, 0 done" in look("dead").text
    again = press(start, reason="twice")
    assert again.action("Refresh progress").params == progress.action("Refresh progress").params, "it is the same job"
    requeueing.run(Context(milliseconds=900_000))
    after = press(progress.action("Refresh progress"))
    assert "Done" in after.text
    assert "300requeued" in after.text
    assert [row.id for row in others] == ids_of(press(after.action("Back to the list")))


def test_a_selection_by_filter_is_requeued_and_can_be_cancelled(stack: Database, runs: Runs) -> None:
    critical = the_dead(3, severity=Severity.CRITICAL)
    stack.fill([*critical, *the_dead(2)])
    filtered = press(look("dead").action("Apply filters"), severity="critical")
    preview = press(filtered.action("Requeue all that match …"))
    assert "severity critical" in preview.text
    progress = press(preview.action("Requeue 3"))
    cancelled = press(progress.action("Cancel"))
    assert "Cancelled" in cancelled.text
    requeueing.run(Context(milliseconds=900_000))
    assert {stack.table.get(row.id).status for row in critical} == {Status.DEAD}
    refused = asked("widget_act", progress.action("Cancel").params)
    assert "Can't cancel: it is cancelled" in refused.text


def test_a_token_that_is_none_or_too_old_starts_nothing(stack: Database, runs: Runs, clock: Clock) -> None:
    stack.fill(the_dead(1))
    start = press(look("dead").action("Requeue all …")).action("Requeue 1")
    assert "Nothing was done" in asked("widget_act", start.params | {"token": "forged"}).text
    clock.forward(minutes=11)
    assert "Nothing was done" in press(start).text
    assert runs.started == 0
