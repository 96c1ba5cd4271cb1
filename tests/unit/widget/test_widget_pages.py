"""The widget's HTML in every state: what CloudWatch would do with it, and what foreign text can't do to it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support import widget_rules
from tests.support.rows import NOW, POLICY, a_row, in_status, settled
from tests.support.widget_pages import ACT, FRAME, LOOK, STATES, a_dead, a_job, every_page, html_of
from tocsin.delivery.attempt import Throttled
from tocsin.delivery.bulk import State as JobState
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.grouping import grouped
from tocsin.delivery.notification import DeliveryPolicy, Notification, Severity, Status
from tocsin.delivery.send import NoLongerTrue
from tocsin.widget import pages
from tocsin.widget.pages import render
from tocsin.widget.place import MOST, Place, Tab
from tocsin.widget.rows import Letter, attempts_of

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "cell and action": f'</td><cwdb-action action="call" endpoint="{LOOK}x">{{}}</cwdb-action>',
    "action's end": '"}</cwdb-action><b>',
    "attribute's end": "\" onmouseover='alert(1)' x=\"",
    "style's end": "</style><style>*{display:none}</style>",
    "textarea's end": "</textarea><iframe src=javascript:alert(1)>",
    "comment": "<!-- --!> <![CDATA[ <? ?>",
    "entities": "&lt;script&gt; &#60; &amp;quot;",
    "template": "{{ 9901*9901 }}{% include 'style.css' %}",
    "right to left": "\u05d0\u05d1 \u202egnp.exe\u2066 \u05d0\u05d1",
    "emoji": "\N{FIRE}\N{ZERO WIDTH JOINER}\N{FIRE}" * 40,
    "10 KB": "<b>'\"&" * 1700,
    "half a character": "a\ud800b\udfff",
    "control": "\x00\x0b\x1b[31m\x7f\r\n\t",
    "link": "javascript:alert(1)",
    "empty": "",
}


def problems_of(html: str) -> list[str]:
    return widget_rules.read(html, LOOK, ACT).problems


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_state_breaks_a_rule_of_cloudwatch_s_or_ours_whatever_others_write(text: str) -> None:
    """Contract 3.5 [S]: what the page shows of others is text, in every state."""
    for state, (page, place, notice) in every_page(text).items():
        found = widget_rules.read(render(page, FRAME, place, notice), LOOK, ACT)
        assert found.problems == [], state
        assert "98029801" not in found.text, f"{state}: a template was run"


@given(text=st.text(st.characters(exclude_categories=()), max_size=60), state=st.sampled_from(STATES))
@hypothesis_settings(max_examples=150, deadline=None)
def test_any_text_is_text(text: str, state: str) -> None:
    assert problems_of(html_of(state, text)) == []


def test_the_rules_find_what_they_forbid() -> None:
    """A check that can't fail is none: each of these is one step away from a page of ours."""
    action = f'<cwdb-action action="call" display="widget" endpoint="{LOOK}">{{}}</cwdb-action>'
    good = f'<button type="button">x</button>{action}'
    assert problems_of(good) == []
    bad = {
        "no element": good.replace('<button type="button">x</button>', ""),
        "text between": good.replace("</button>", "</button> "),
        "another function": good.replace(LOOK, f"{LOOK}x"),
        "a handler": good.replace("<button", '<button onclick="x"'),
        "no JSON": good.replace("{}", "{"),
        "no question": good.replace("{}", '{"do":"requeue"}'),
        "a script": f"{good}<script></script>",
        "an SVG's use": f"{good}<svg><use></use></svg>",
        "a link": f'{good}<a href="java\tscript:x">x</a>',
        "a field without a name": f"{good}<input>",
        "a style for all": f"{good}<style>.tocsin b, td {{ color: red }}</style>",
        "a style for another class": f"{good}<style>.tocsins {{ color: red }}</style>",
        "a style within": f"{good}<style>@media print {{ .tocsin {{ x: y }} td {{ x: y }} }}</style>",
        "a broken table": f"{good}<td></tr>",
        "not closed": f"{good}<div>",
        "too large": good + "x" * widget_rules.LIMIT,
    }
    assert [name for name, html in bad.items() if not problems_of(html)] == []


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_10000_dead_letters_are_a_page_of_500_kb_at_most(is_dark: bool) -> None:
    """The longest texts that a row can keep, on the longest page, of which each died of something else."""
    long = 'quote " and < ' * 40
    dead = [a_dead(long, subject="<'\">" * 64, recipient="&" * 2048) for _ in range(MOST)]
    shown = [Letter.of(row, POLICY, NoLongerTrue('"<' * 300)) for row in dead]
    (group,) = grouped(dead[:1])
    groups = [replace(group, id=f"{number:012x}", error='<"' * 256) for number in range(10_000)]
    page = pages.Letters(
        letters=shown,
        cursor="c" * 200,
        dead=10_000,
        oldest=NOW,
        groups=pages.Groups(groups, 10_000, is_complete=False),
    )
    place = Place(filters={"contains": "payments & more", "channel": "Slack:payments", "error_group": "0123456789ab"})
    assert problems_of(render(page, replace(FRAME, is_dark=is_dark), place)) == []


def letters(*rows: Notification, tab: Tab = Tab.DEAD, policy: DeliveryPolicy = POLICY) -> widget_rules.Read:
    page = pages.Letters(letters=[Letter.of(row, policy) for row in rows])
    return widget_rules.read(render(page, FRAME, Place(tab=tab)), LOOK, ACT)


def test_a_dead_row_shows_its_retries_and_its_error_cut_short_with_the_whole_as_tooltip() -> None:
    """Contract 3.5 [S]."""
    error = f"HTTP 503: {'down for maintenance, ' * 20}end"
    found = letters(a_dead(error))
    assert "Retry 5/5" in found.text
    whole = next(title for title in found.titles if title.startswith("HTTP 503"))
    assert whole.endswith("end")
    assert whole not in found.text
    assert f"{whole[:100]}" in found.text


def test_retries_are_counted_within_the_row_s_own_budget() -> None:
    budgets = DeliveryPolicy(budgets={"critical": 9})
    assert "Retry 5/9" in letters(a_dead(severity=Severity.CRITICAL), policy=budgets).text
    assert "Retry 5/5" in letters(a_dead(), policy=budgets).text


@pytest.mark.parametrize(
    ("row", "count"),
    [
        (a_row(), 0),
        (in_status(Status.FAILED), 1),
        (in_status(Status.SENT), 1),
        (in_status(Status.DEAD), 1),
        (a_dead(), 5),
        (a_row().buried("can't be read", NOW), 0),
        (a_dead().requeued(NOW, POLICY), 0),
    ],
    ids=["new", "failed once", "sent at once", "refused at once", "spent", "never tried", "a new life"],
)
def test_attempts_are_those_of_this_life(row: Notification, count: int) -> None:
    assert attempts_of(row) == count


def test_what_is_put_off_is_deferred_with_its_reason_and_no_failure() -> None:
    held = replace(a_row(), deferred_by="Slack", last_error="Slack is held: HTTP 403", due_at=NOW, claimed_until=NOW)
    throttled = settled(a_row().claimed("t", NOW + timedelta(minutes=1), NOW), Throttled("SES takes no more"))
    for row, reason in ((held, "Slack is held: HTTP 403"), (throttled, "SES takes no more")):
        letter = Letter.of(row, POLICY)
        assert (letter.status, letter.tone, letter.error) == ("Deferred", "wait", reason)
        assert "Deferred" in letters(row, tab=Tab.ALL).text


def test_a_requeue_is_of_exactly_one_row_asks_first_and_calls_the_function_that_acts() -> None:
    """Contract 3.5 [S]: Requeue sends exactly that row's id, once."""
    rows = [a_dead(), a_dead()]
    found = letters(*rows)
    requeues = [action for action in found.actions if action.params.get("do") == "requeue"]
    assert [action.params["id"] for action in requeues] == [row.id for row in rows]
    assert {action.endpoint for action in requeues} == {ACT}
    assert all("Requeue 1 notification" in action.confirmation for action in requeues)


@pytest.mark.parametrize("status", Status)
def test_a_row_offers_only_what_its_state_allows(status: Status) -> None:
    offered = {action.params.get("do") for action in letters(in_status(status), tab=Tab.ALL).actions} - {None}
    assert offered == {Status.DEAD: {"requeue", "read"}, Status.SENT: {"read"}}.get(status, set())


def test_a_row_that_is_no_longer_true_says_so_and_what_a_requeue_would_do() -> None:
    page = pages.Letters(letters=[Letter.of(a_dead(), POLICY, NoLongerTrue("it was renewed"))])
    found = widget_rules.read(render(page, FRAME, Place()), LOOK, ACT)
    assert "No longer true: it was renewed" in found.text
    assert "end as superseded" in found.action("Requeue").confirmation


def test_a_group_says_how_many_and_is_counted_again_before_anything_is_done() -> None:
    dead = [a_dead(channel=ChannelName("Slack:payments")) for _ in range(3)]
    page = pages.Letters(letters=(), dead=3, groups=pages.Groups(grouped(dead), 3, is_complete=True))
    found = widget_rules.read(render(page, FRAME, Place()), LOOK, ACT)
    (group,) = grouped(dead)
    action = found.action("Requeue 3 …")
    assert action.params["do"] == "preview"
    assert action.params["place"]["filters"] == {"error_group": group.id}
    preview = widget_rules.read(html_of("preview", "x"), LOOK, ACT)
    start = preview.action("Requeue 300 or more")
    assert (start.params["do"], start.params["token"]) == ("start", "x")
    assert "300 or more" in start.confirmation


@pytest.mark.parametrize("state", JobState)
def test_a_job_that_is_open_can_be_refreshed_and_cancelled(state: JobState) -> None:
    found = widget_rules.read(render(pages.Progress(job=a_job(state=state)), FRAME, Place(job="01JOB")), LOOK, ACT)
    offered = {action.label for action in found.actions} & {"Refresh progress", "Cancel"}
    assert offered == ({"Refresh progress", "Cancel"} if state in ("queued", "running") else set())
    assert "140" in found.text


def test_every_field_of_the_filters_is_there_and_says_what_is_in_use() -> None:
    fields = widget_rules.read(html_of("all", "x"), LOOK, ACT).fields
    assert {"status", "type", "channel", "severity", "contains", "certificate_id", "reason"} <= fields.keys()
    assert fields["contains"] == "x"


def test_a_refusal_stands_above_the_list_that_it_came_from() -> None:
    text = widget_rules.read(html_of("dead, refused", "It is pending"), LOOK, ACT).text
    assert text.index("It is pending") < text.index("Dead letters, the latest first")


def test_status_is_said_in_words_not_only_by_a_colour() -> None:
    for status in Status:
        assert status.capitalize() in letters(in_status(status), tab=Tab.ALL).text


def test_the_places_behind_every_page_are_whole() -> None:
    for page, place, notice in every_page("x").values():
        found = widget_rules.read(render(page, FRAME, place, notice), LOOK, ACT)
        for action in (one for one in found.actions if "apply" not in one.params):
            assert Place.read(action.params).as_json == action.params["place"]
