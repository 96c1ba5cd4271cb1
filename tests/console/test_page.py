"""The console's page in a browser, with functions of a test's own: what CloudWatch makes of a widget, and no more."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.fake_aws import ACT, LOOK, FakeAws, alarm, arn

HALF_A_MINUTE = 30_000
"""Milliseconds between two looks of the page at what it shows."""


def action(params: Mapping[str, Any] | str, endpoint: str = LOOK, **attributes: str) -> str:
    said = params if isinstance(params, str) else escape(json.dumps(params))
    written = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return f'<cwdb-action action="call" endpoint="{endpoint}"{written}>{said}</cwdb-action>'


def button(label: str, params: Mapping[str, Any], endpoint: str = LOOK, **attributes: str) -> str:
    return f'<button type="button" class="btn">{label}</button>{action(params, endpoint, **attributes)}'


def opened(page: Page, link: str, query: str = "") -> Page:
    page.goto(link.replace("/#", f"/{query}#"))
    expect(page).not_to_have_url(link)
    return page


def asked(aws: FakeAws) -> list[dict[str, Any]]:
    """What the functions were asked, without the context."""
    return [{name: value for name, value in event.items() if name != "widgetContext"} for _, event in aws.calls]


def widget(page: Page) -> Locator:
    return page.locator(".widget").first


# ── The link, and the session ────────────────────────────────────────────────────────────────────────────────────────


def test_the_link_opens_it_and_leaves_the_address(page: Page, link: str) -> None:
    """Whoever looks at the screen or the history has no secret; a reload needs none."""
    opened(page, link)
    expect(widget(page)).to_contain_text("Nothing yet")
    assert "token" not in page.url
    page.reload()
    expect(widget(page)).to_contain_text("Nothing yet")


def test_without_the_link_there_is_nothing(page: Page, link: str, aws: FakeAws) -> None:
    page.goto(link.partition("#")[0])
    expect(page.get_by_text("open the link that its terminal shows")).to_be_visible()
    assert aws.calls == []


def test_a_foreign_page_can_neither_act_nor_read(browser: Browser, link: str, aws: FakeAws) -> None:
    """In a browser that has the session: a form, a fetch, a frame and an image of another origin (`localhost`)."""
    context = browser.new_context(locale="en-GB")
    opened(context.new_page(), link)
    foreign = context.new_page()
    origin = link.partition("/#")[0]
    foreign.goto(origin.replace("127.0.0.1", "localhost"))
    before = len(aws.calls)
    told = foreign.evaluate(
        """async (at) => {
            const send = (options) => fetch(at + "/api/invoke", { method: "POST", credentials: "include", ...options })
                .then((answer) => answer.status, () => "refused");
            return [
                await send({ body: "{}", headers: { "Content-Type": "application/json" } }),
                await send({ body: "{}", headers: { "Content-Type": "text/plain" }, mode: "no-cors" }),
                await fetch(at + "/api/state", { credentials: "include" }).then(() => "read", () => "refused"),
            ];
        }""",
        origin,
    )
    assert "read" not in told
    assert 200 not in told
    assert len(aws.calls) == before
    context.close()


# ── Actions, as CloudWatch has them ──────────────────────────────────────────────────────────────────────────────────


def test_an_action_belongs_to_the_element_just_before_it(page: Page, link: str, aws: FakeAws) -> None:
    """CloudWatch user guide, "Interactivity in a custom widget"."""
    aws.look = lambda event: f"<p>{escape(str(event.get('n', 'first')))}</p><b>no</b>" + button("One", {"n": 1})
    opened(page, link)
    widget(page).locator("b").click()
    widget(page).get_by_role("button", name="One").click()
    expect(widget(page).locator("p")).to_have_text("1")
    assert asked(aws) == [{}, {"n": 1}]


@pytest.mark.parametrize(("event", "gesture"), [("click", "click"), ("dblclick", "dblclick"), ("mouseenter", "hover")])
def test_each_event_that_an_action_may_name(page: Page, link: str, aws: FakeAws, event: str, gesture: str) -> None:
    aws.look = lambda said: f'<div id="it">{said.get("n", 0)}</div>' + action({"n": 1}, event=event)
    opened(page, link)
    expect(widget(page).locator("#it")).to_have_text("0")
    getattr(widget(page).locator("#it"), gesture)()
    expect(widget(page).locator("#it")).to_have_text("1")


def test_every_named_field_arrives_and_no_other(page: Page, link: str, aws: FakeAws) -> None:
    fields = (
        '<input name="text" value="a"><input value="unnamed"><textarea name="why">b</textarea>'
        '<select name="one"><option>x</option><option selected>y</option></select>'
        '<input type="checkbox" name="on" checked><input type="radio" name="r" value="1">'
        '<input type="radio" name="r" value="2" checked>'
    )
    aws.look = lambda said: f"<form>{fields}{button('Go', {'n': 1})}</form><p>{said.get('n', 0)}</p>"
    opened(page, link)
    widget(page).locator("[name=text]").fill("ü & <b>")
    widget(page).get_by_role("button", name="Go").click()
    expect(widget(page).locator("p")).to_have_text("1")
    assert aws.calls[-1][1]["widgetContext"]["forms"]["all"] == {
        "text": "ü & <b>",
        "why": "b",
        "one": "y",
        "on": True,
        "r": "2",
    }


def test_the_context_is_cloudwatch_s(page: Page, link: str, aws: FakeAws) -> None:
    page.emulate_media(color_scheme="dark")
    opened(page, link)
    expect(widget(page)).to_contain_text("Nothing yet")
    context = aws.calls[0][1]["widgetContext"]
    assert {"dashboardName", "widgetId", "accountId", "locale", "timezone", "period", "timeRange"} <= context.keys()
    assert (context["theme"], context["params"], context["forms"]) == ("dark", {}, {"all": {}})
    assert context["width"] > 300


def test_a_confirmation_is_asked_for_and_no_is_no(page: Page, link: str, aws: FakeAws) -> None:
    question = 'Requeue "300" notifications?'
    aws.look = lambda event: "<p>list</p>" + button("Requeue", {"id": 1}, ACT, confirmation=question)
    opened(page, link)
    requeue = widget(page).get_by_role("button", name="Requeue")
    dialog = page.get_by_role("dialog")
    for refusal in ("Escape", "Shift+Tab Enter"):
        requeue.click()
        expect(dialog).to_contain_text(question)
        for key in refusal.split():
            page.keyboard.press(key)
        expect(dialog).to_be_hidden()
        expect(requeue).to_be_focused()
    assert aws.acts == []
    requeue.click()
    dialog.get_by_role("button", name="Confirm").click()
    expect(widget(page)).to_contain_text("Done")
    assert [event["id"] for event in aws.acts] == [1]


def test_what_is_pressed_twice_is_sent_once(page: Page, link: str, aws: FakeAws) -> None:
    go_on = threading.Event()

    def slow(_event: Mapping[str, Any]) -> str:
        go_on.wait(30)
        return "<p>Done</p>"

    aws.look = lambda event: button("Requeue", {"id": 1}, ACT)
    aws.act = slow
    opened(page, link)
    requeue = widget(page).get_by_role("button", name="Requeue")
    requeue.click()
    requeue.click()
    page.get_by_role("button", name="Refresh").click()
    go_on.set()
    expect(widget(page)).to_contain_text("Done")
    assert len(aws.acts) == 1


class Gate:
    """A tab switch that takes as long as a test wants."""

    def __init__(self, aws: FakeAws, after: str) -> None:
        self.opened = threading.Event()
        self.after = after
        row = button("Requeue A", {"id": "A"}, ACT) + button("Requeue B", {"id": "B"}, ACT)
        self.before = f"<b>one</b>{row}{button('Two', {'tab': 2})}{button('Three', {'tab': 3})}"
        aws.look = self.look

    def look(self, event: Mapping[str, Any]) -> str:
        if event.get("tab") == 2:
            self.opened.wait(30)
            return self.after or self.before.replace("one", "two")
        return self.before


def test_a_click_during_a_switch_waits_for_it(page: Page, link: str, aws: FakeAws) -> None:
    """Neither lost without a word, nor sent beside what is under way; the last of several is meant."""
    gate = Gate(aws, after="")
    opened(page, link)
    widget(page).get_by_role("button", name="Two").click()
    expect(widget(page).locator("[aria-busy=true]")).to_be_visible()
    widget(page).get_by_role("button", name="Three").click()
    widget(page).get_by_role("button", name="Requeue B").click()
    widget(page).get_by_role("button", name="Requeue B").click()
    expect(page.get_by_role("status").first).to_have_text("This is done next.")
    assert aws.acts == []
    gate.opened.set()
    expect(widget(page)).to_contain_text("Done")
    assert asked(aws) == [{}, {"tab": 2}, {"id": "B"}]


def test_a_click_whose_row_is_gone_by_then_is_not_done_and_said_so(page: Page, link: str, aws: FakeAws) -> None:
    """Another row may stand where it was pressed: it must not be sent instead."""
    gate = Gate(aws, after="<b>two</b>" + button("Requeue C", {"id": "C"}, ACT))
    opened(page, link)
    widget(page).get_by_role("button", name="Two").click()
    expect(widget(page).locator("[aria-busy=true]")).to_be_visible()
    widget(page).get_by_role("button", name="Requeue A").click()
    gate.opened.set()
    expect(looks(page)).to_have_text("two")
    expect(widget(page)).to_contain_text("The page changed after you pressed.")
    assert aws.acts == []
    widget(page).get_by_role("button", name="Requeue C").click()
    expect(widget(page)).not_to_contain_text("The page changed")
    assert [event["id"] for event in aws.acts] == ["C"]


def test_a_popup_opens_closes_by_escape_and_focus_returns(page: Page, link: str, aws: FakeAws) -> None:
    inner = '<button class="btn">More</button><cwdb-action action="html" display="popup"><p>The whole</p></cwdb-action>'
    aws.look = lambda event: inner
    opened(page, link)
    more = widget(page).get_by_role("button", name="More")
    more.click()
    popup = page.get_by_role("dialog", name="Details")
    expect(popup).to_contain_text("The whole")
    page.keyboard.press("Escape")
    expect(popup).to_be_hidden()
    expect(more).to_be_focused()


def test_an_action_in_a_popup_changes_the_widget(page: Page, link: str, aws: FakeAws) -> None:
    def look(event: Mapping[str, Any]) -> str:
        if event.get("show"):
            return button("Requeue this", {"id": 7}, ACT, display="widget")
        return button("Show", {"show": 1}, display="popup")

    aws.look = look
    opened(page, link)
    widget(page).get_by_role("button", name="Show").click()
    page.get_by_role("dialog").get_by_role("button", name="Requeue this").click()
    expect(widget(page)).to_contain_text("Done")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_foreign_function_is_not_called(page: Page, link: str, aws: FakeAws) -> None:
    aws.look = lambda event: button("Delete everything", {"all": True}, arn("delete-everything"))
    opened(page, link)
    widget(page).get_by_role("button").click()
    expect(widget(page)).to_contain_text("nothing was called")
    assert {name for name, _ in aws.calls} == {"customWidget-tocsin:live"}


# ── What a widget can't do ───────────────────────────────────────────────────────────────────────────────────────────

HOSTILE = """
<script>window.ran = 1</script><img src=x onerror="window.ran = 2"><svg onload="window.ran = 3"><use href="#x"/></svg>
<a id="js" href=" java&#9;script:window.ran = 4">link</a><iframe srcdoc="<script>parent.ran = 5</script>"></iframe>
<object data="/"></object><embed src="/"><base href="https://evil.example/">
<meta http-equiv="refresh" content="0;url=/no">
<form action="https://evil.example/" id="f"><input name="x"><button id="submit">Submit</button></form>
<svg><a xlink:href="javascript:window.ran=6"><text>x</text></a><animate attributeName="href" to="javascript:ran"/></svg>
<math><mtext><table><mglyph><style><img src=x onerror="window.ran = 7"></style></mglyph></table></mtext></math>
<div style="position: fixed; inset: 0; z-index: 99; background: url(https://evil.example/x)" id="over">over</div>
<p id="last">last</p>
"""


@pytest.fixture
def bare(browser: Browser) -> Iterator[Page]:
    """A page whose policy may stop something: that is what it is for."""
    context = browser.new_context(locale="en-GB")
    yield context.new_page()
    context.close()


def test_hostile_html_runs_nothing_loads_nothing_and_covers_nothing(bare: Page, link: str, aws: FakeAws) -> None:
    """What CloudWatch strips is stripped, and the page's policy stands behind it."""
    went: list[str] = []
    bare.on("response", lambda response: went.append(response.url))
    aws.look = lambda event: HOSTILE
    opened(bare, link)
    expect(widget(bare).locator("#last")).to_have_text("last")
    for gone in ("script", "iframe", "use", "object", "embed", "base", "meta"):
        expect(widget(bare).locator(gone)).to_have_count(0)
    widget(bare).locator("#js").dispatch_event("click")
    widget(bare).locator("#submit").dispatch_event("click")
    names = bare.evaluate(
        "[...document.querySelector('.frame').shadowRoot.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
    )
    assert not [name for name in names if name.startswith("on") or name in {"action", "srcdoc"}]
    bare.get_by_role("link", name="Graphs").click()
    expect(bare.get_by_role("heading", name="Graphs")).to_be_visible()
    assert bare.evaluate("window.ran") is None
    assert [url for url in went if not url.startswith(link.partition("/#")[0])] == []


def test_the_policy_alone_stops_a_script(bare: Page, link: str) -> None:
    opened(bare, link)
    bare.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")
    bare.evaluate(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 2'; document.body.append(s)"
    )
    expect(bare.locator("body > img")).to_be_attached()
    assert bare.evaluate("window.ran") is None


@pytest.mark.parametrize("answer", [{"markdown": "# <b>x</b>"}, {"x": "<b>x</b>"}, 7, None])
def test_an_answer_that_is_no_html_is_shown_as_text(page: Page, link: str, aws: FakeAws, answer: Any) -> None:
    aws.look = lambda event: answer
    opened(page, link)
    expect(widget(page).locator("pre")).to_be_visible()
    expect(widget(page).locator("b")).to_have_count(0)


# ── Fresh, and never in the way ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def numbered(page: Page, aws: FakeAws, link: str) -> Page:
    """A widget that says how often it was asked, with a clock that a test moves."""
    rows = "".join(f"<p id='r{number}'>row {number}</p>" for number in range(5))
    aws.look = lambda event: (
        f'<form><input name="text" aria-label="Text"><b>look {len(aws.calls)}</b>{rows}{button("Go", {"n": 1})}</form>'
    )
    page.clock.install()
    opened(page, link)
    expect(widget(page).locator("b")).to_have_text("look 1")
    return page


def looks(page: Page) -> Locator:
    return widget(page).locator("b")


def test_it_is_fresh_every_half_minute(numbered: Page) -> None:
    for number in (2, 3):
        numbered.clock.run_for(HALF_A_MINUTE)
        expect(looks(numbered)).to_have_text(f"look {number}")


def test_it_is_fresh_on_every_switch(numbered: Page) -> None:
    numbered.get_by_role("link", name="Alarms").click()
    numbered.get_by_role("link", name="Notifications").click()
    expect(looks(numbered)).to_have_text("look 2")


def stays(page: Page, aws: FakeAws) -> None:
    """Let a minute go by; the alarms are asked meanwhile, the widget is not."""
    before = len(aws.calls)
    for _ in range(2):
        with page.expect_response("**/api/alarms"):
            page.clock.run_for(HALF_A_MINUTE)
    assert len(aws.calls) == before


def test_a_refresh_takes_no_typed_filter_away(numbered: Page, aws: FakeAws) -> None:
    field = widget(numbered).get_by_role("textbox", name="Text")
    field.fill("half a wo")
    stays(numbered, aws)
    numbered.get_by_role("link", name="Graphs").focus()
    stays(numbered, aws)
    numbered.get_by_role("link", name="Graphs").click()
    numbered.get_by_role("link", name="Notifications").click()
    expect(field).to_have_value("half a wo")
    field.fill("")
    field.blur()
    numbered.clock.run_for(HALF_A_MINUTE)
    expect(looks(numbered)).to_have_text("look 2")


def test_a_refresh_takes_no_selection_away(numbered: Page, aws: FakeAws) -> None:
    widget(numbered).locator("#r2").select_text()
    stays(numbered, aws)


def test_a_refresh_waits_for_a_question_to_be_answered(page: Page, link: str, aws: FakeAws) -> None:
    aws.look = lambda event: button("Requeue", {"id": 1}, ACT, confirmation="Sure?")
    page.clock.install()
    opened(page, link)
    widget(page).get_by_role("button", name="Requeue").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    stays(page, aws)


def test_a_refresh_keeps_focus_and_place(numbered: Page) -> None:
    go = widget(numbered).get_by_role("button", name="Go")
    go.focus()
    numbered.clock.run_for(HALF_A_MINUTE)
    expect(looks(numbered)).to_have_text("look 2")
    expect(go).to_be_focused()


def test_a_page_out_of_sight_asks_for_nothing(numbered: Page, aws: FakeAws) -> None:
    numbered.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })")
    numbered.clock.run_for(10 * HALF_A_MINUTE)
    assert len(aws.calls) == 1
    numbered.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'visible', configurable: true })")
    numbered.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(looks(numbered)).to_have_text("look 2")


def test_what_is_in_progress_is_followed_closely(page: Page, link: str, aws: FakeAws) -> None:
    def look(_event: Mapping[str, Any]) -> str:
        return f"<b>look {len(aws.calls)}</b>" + ("<i data-follow></i>" if len(aws.calls) < 3 else "")

    aws.look = look
    page.clock.install()
    opened(page, link)
    for number in (1, 2, 3):
        expect(looks(page)).to_have_text(f"look {number}")
        page.clock.run_for(2_000)
    page.clock.run_for(10_000)
    expect(looks(page)).to_have_text("look 3")


def test_a_question_that_acting_led_to_stays_until_the_operator_goes_on(page: Page, link: str, aws: FakeAws) -> None:
    """What it shows can't be had again by a look: it says none."""
    aws.look = lambda event: "<b>list</b>" + button("Requeue all …", {"do": "preview"}, ACT)
    aws.act = lambda event: "<h2>Requeue 300?</h2>"
    page.clock.install()
    opened(page, link)
    widget(page).get_by_role("button", name="Requeue all").click()
    expect(widget(page).get_by_role("heading", name="Requeue 300?")).to_be_visible()
    stays(page, aws)
    page.get_by_role("button", name="Refresh").click()
    expect(looks(page)).to_have_text("list")


def test_what_acting_led_to_is_had_again_as_it_says(page: Page, link: str, aws: FakeAws) -> None:
    again = f"<button data-again>Refresh it</button>{action({'place': {'job': '7'}})}"
    aws.look = lambda event: f"<b>{escape(json.dumps(event.get('place')))}</b>" + button("Start", {"do": "start"}, ACT)
    aws.act = lambda event: f"<b>started</b>{again}"
    page.clock.install()
    opened(page, link)
    widget(page).get_by_role("button", name="Start").click()
    expect(looks(page)).to_have_text("started")
    page.clock.run_for(HALF_A_MINUTE)
    expect(looks(page)).to_have_text('{"job": "7"}')
    assert "w.place.job=%227%22" in page.url


# ── The address ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tab_and_filters_are_in_the_address(page: Page, link: str, aws: FakeAws) -> None:
    """Back, forward, a reload and whoever gets the address see the same."""

    def look(event: Mapping[str, Any]) -> str:
        place = event.get("place", {})
        return (
            f"<b>{escape(json.dumps(place, sort_keys=True))}</b>"
            + button("All", {"place": {"tab": "all"}})
            + button("Slack", {"place": {"tab": "all", "filters": {"channel": "Slack:a b&c", "contains": "7"}}})
        )

    aws.look = look
    opened(page, link)
    expect(looks(page)).to_have_text("{}")
    slack = '{"filters": {"channel": "Slack:a b&c", "contains": "7"}, "tab": "all"}'
    widget(page).get_by_role("button", name="All").click()
    expect(looks(page)).to_have_text('{"tab": "all"}')
    widget(page).get_by_role("button", name="Slack").click()
    expect(looks(page)).to_have_text(slack)
    page.reload()
    expect(looks(page)).to_have_text(slack)
    page.go_back()
    expect(looks(page)).to_have_text('{"tab": "all"}')
    page.go_back()
    expect(looks(page)).to_have_text("{}")
    page.go_forward()
    page.go_forward()
    expect(looks(page)).to_have_text(slack)
    page.get_by_role("link", name="Graphs").click()
    expect(page.get_by_role("heading", name="Graphs")).to_be_visible()
    page.go_back()
    expect(looks(page)).to_have_text(slack)


def test_a_reload_never_acts_again(page: Page, link: str, aws: FakeAws) -> None:
    aws.look = lambda event: "<p>list</p>" + button("Requeue", {"id": 1}, ACT)
    opened(page, link)
    widget(page).get_by_role("button", name="Requeue").click()
    expect(widget(page)).to_contain_text("Done")
    page.reload()
    expect(widget(page)).to_contain_text("list")
    assert len(aws.acts) == 1


# ── Graphs, alarms, and what is missing ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def watched(aws: FakeAws) -> FakeAws:
    """Two graphs, one by search, and three alarms."""
    search = "SEARCH('{Tocsin,service,channel} MetricName=\"Dead\" service=\"tocsin\"', 'Sum', 60)"
    depth = {"title": "Dead letters", "stat": "Maximum", "period": 60}
    aws.body = {
        "widgets": [
            {"type": "metric", "y": 0, "properties": {"title": "Deaths", "metrics": [[{"expression": search}]]}},
            {
                "type": "metric",
                "y": 1,
                "properties": {**depth, "metrics": [["Tocsin", "DeadLetterDepth", "service", "tocsin"]]},
            },
        ]
    }
    dimensions = [{"Name": "service", "Value": "tocsin"}, {"Name": "channel", "Value": "Slack:ops"}]
    aws.metrics = [{"MetricName": "Dead", "Dimensions": dimensions}]
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    aws.points = lambda stat: [(now.replace(minute=now.minute // 5 * 5), 7.0)]
    aws.alarms = [
        alarm("overdue"),
        alarm("dead-letters", "ALARM", "Notifications are dead."),
        alarm("complaints", "INSUFFICIENT_DATA"),
    ]
    return aws


def test_the_graphs_say_their_values_in_words_too(page: Page, watched: FakeAws, link: str) -> None:
    opened(page, link, "?page=graphs")
    deaths = page.get_by_role("table", name="Deaths")
    expect(deaths.get_by_role("row", name="Slack:ops")).to_contain_text("7")
    expect(page.get_by_role("table", name="Dead letters")).to_contain_text("7")
    expect(page.locator(".graph canvas")).to_have_count(2)
    page.get_by_role("link", name="12 h").click()
    expect(page).to_have_url(re.compile("span=12"))
    expect(page.locator("#spans [aria-current]")).to_have_text("12 h")


def test_what_rings_comes_first_and_is_said_everywhere(page: Page, watched: FakeAws, link: str) -> None:
    opened(page, link)
    expect(page.get_by_role("region", name="Alarms that ring")).to_contain_text("dead-letters")
    page.get_by_role("link", name="Alarms").click()
    expect(page.locator("#alarms h2")).to_have_text(["dead-letters", "complaints", "overdue"])
    expect(page.locator("#alarms li").first).to_contain_text("Notifications are dead.")
    expect(page.locator("#alarms")).to_contain_text("1 of 3 ring")


def test_without_the_functions_graphs_and_alarms_are_there(page: Page, watched: FakeAws, link: str) -> None:
    watched.refused = {"lambda:InvokeFunction"}
    opened(page, link)
    expect(widget(page)).to_contain_text("Your credentials may not do lambda:InvokeFunction")
    expect(page.get_by_role("region", name="Alarms that ring")).to_contain_text("dead-letters")
    page.get_by_role("link", name="Graphs").click()
    expect(page.get_by_role("table", name="Dead letters")).to_be_visible()


@pytest.mark.parametrize("missing", ["cloudwatch:GetDashboard", "cloudwatch:GetMetricData", "cloudwatch:ListMetrics"])
def test_without_the_graphs_the_widget_is_there(page: Page, watched: FakeAws, link: str, missing: str) -> None:
    watched.refused = {missing}
    opened(page, link)
    expect(widget(page)).to_contain_text("Nothing yet")
    page.get_by_role("link", name="Graphs").click()
    expect(page.locator("#graphs")).to_contain_text(missing)


def test_without_the_alarms_the_rest_is_there(page: Page, watched: FakeAws, link: str) -> None:
    watched.refused = {"cloudwatch:DescribeAlarms"}
    opened(page, link)
    expect(widget(page)).to_contain_text("Nothing yet")
    page.get_by_role("link", name="Alarms").click()
    expect(page.locator("#alarms")).to_contain_text("cloudwatch:DescribeAlarms")


def test_a_function_that_crashes_is_explained(page: Page, link: str, aws: FakeAws) -> None:
    def crash(_event: Mapping[str, Any]) -> str:
        raise ArithmeticError("out of <b>luck</b>")

    aws.look = crash
    opened(page, link)
    expect(widget(page)).to_contain_text("out of <b>luck</b> (request 4f1c)")


# ── Keyboard, width, theme ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_requeue_by_keyboard_alone(page: Page, link: str, aws: FakeAws) -> None:
    aws.look = lambda event: "<p>list</p>" + button("Requeue", {"id": 1}, ACT, confirmation="Requeue 1?")
    opened(page, link)
    expect(widget(page)).to_contain_text("list")
    tab_to(page, "Requeue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("button", name="Confirm")).to_be_focused()
    page.keyboard.press("Enter")
    expect(widget(page)).to_contain_text("Done")
    expect(page.get_by_role("status").first).to_have_text("Updated.")
    assert len(aws.acts) == 1


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element has the focus, and fail once around; on the way each focus is seen."""
    focused = """() => {
        let e = document.activeElement;
        while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
        return [e.textContent.trim(), getComputedStyle(e).outlineStyle] }"""
    for _ in range(40):
        page.keyboard.press("Tab")
        text, outline = page.evaluate(focused)
        assert outline != "none"
        if text == name:
            return
    pytest.fail(f"{name} can't be reached by Tab")


def test_what_is_no_button_can_be_reached_too(page: Page, link: str, aws: FakeAws) -> None:
    aws.look = lambda event: f"<span>Press {event.get('n', 0)}</span>{action({'n': 1})}"
    opened(page, link)
    expect(widget(page).get_by_role("button", name="Press 0")).to_be_visible()
    tab_to(page, "Press 0")
    page.keyboard.press("Space")
    expect(widget(page).get_by_role("button", name="Press 1")).to_be_visible()


@pytest.mark.parametrize("width", [390, 768, 1280, 1600])
def test_nothing_scrolls_sideways(page: Page, watched: FakeAws, link: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    watched.look = lambda event: f"<p>{'x' * 10_000}</p>"
    watched.alarms.append(alarm("y" * 300, "ALARM", "z" * 3000))
    opened(page, link)
    expect(widget(page)).to_contain_text("xxx")
    for name in ("Graphs", "Alarms", "Notifications"):
        page.get_by_role("link", name=name).click()
        expect(page).to_have_title(re.compile(name))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_the_theme_is_the_system_s_until_one_is_chosen(page: Page, link: str, aws: FakeAws) -> None:
    aws.look = lambda event: f"<b>{event['widgetContext']['theme']}</b>"
    page.emulate_media(color_scheme="dark")
    opened(page, link)
    expect(looks(page)).to_have_text("dark")
    page.get_by_label("Theme").select_option("light")
    expect(looks(page)).to_have_text("light")
    page.reload()
    expect(looks(page)).to_have_text("light")
    expect(page.get_by_label("Theme")).to_have_value("light")
