"""The console on the deployed stack, in a browser: what an operator sees there, and what comes of what they press."""

import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from local.receiver import Receiver, answers
from local.stack import Stack
from tests.e2e.test_life import created, is_now, seen
from tests.support.browser import chromium_or_skip, started
from tests.support.waiting import until
from tocsin_cli.connection import Connection
from tocsin_cli.console import serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
PATIENCE = 30_000
"""Milliseconds: a function that starts cold, on a machine that has other things to do."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started(chromium_or_skip()) as browser:
        yield browser


@pytest.fixture(scope="module")
def link(stack: Stack) -> Iterator[str]:
    """The console of the stack, with its credentials in the environment as an operator has them."""
    with mock.patch.dict(os.environ, stack.variables), serving(Connection(stack.name)) as url:
        yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    wrong: list[str] = []
    expect.set_options(timeout=PATIENCE)
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    yield page
    context.close()
    assert wrong == []


def opened(page: Page, link: str, query: str = "") -> Page:
    page.goto(link.replace("/#", f"/{query}#"))
    expect(letters(page).get_by_role("navigation")).to_be_visible()
    return page


def letters(page: Page) -> Locator:
    """The widget with the notifications."""
    return page.locator(".widget").filter(has=page.get_by_role("navigation", name="Parts"))


def row(page: Page, id_: str) -> Locator:
    return letters(page).locator(f'tr[data-id="{id_}"]')


def died(stack: Stack, receiver: Receiver, **fields: str) -> dict[str, Any]:
    receiver.behaviour = answers(410)
    return is_now(stack, created(stack, recipient=receiver.url(), **fields)["id"], "dead")


def confirmed(page: Page, words: str) -> None:
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(words)
    dialog.get_by_role("button", name="Confirm").click()


def received(receiver: Receiver, before: int) -> list[str]:
    """The ids that arrived after so many requests."""
    return [json.loads(request.body)["data"]["id"] for request in receiver.requests[before:]]


def asked_of(stack: Stack, id_: str) -> list[dict[str, Any]]:
    """The audit trail's events of a notification."""
    found = stack.api.request("GET", "/api/v1/audit-events", query={"resource": f"notification/{id_}"})
    items: list[dict[str, Any]] = found.json()["items"]
    return items


def test_both_tabs_show_their_rows(stack: Stack, receiver: Receiver, page: Page, link: str) -> None:
    dead = died(stack, receiver, subject="Both tabs: dead")
    receiver.behaviour = answers(204)
    sent = is_now(stack, created(stack, recipient=receiver.url(), subject="Both tabs: sent")["id"], "sent")
    opened(page, link)
    expect(row(page, dead["id"])).to_contain_text("Both tabs: dead")
    expect(row(page, sent["id"])).to_have_count(0)
    letters(page).get_by_role("button", name="All", exact=True).click()
    expect(row(page, sent["id"])).to_contain_text("Sent")
    expect(row(page, dead["id"])).to_contain_text("Dead")
    expect(page).to_have_url(re.compile("w.place.tab=all"))
    page.reload()
    expect(row(page, sent["id"])).to_be_visible()


def test_a_dead_row_says_why_and_the_whole_of_it_in_its_tooltip(
    stack: Stack, receiver: Receiver, page: Page, link: str
) -> None:
    dead = died(stack, receiver, subject="A dead row", severity="critical")
    opened(page, link)
    found = row(page, dead["id"])
    for said in ("Dead", "A dead row", "Webhook", "Critical", "Retry 1/", "HTTP 410"):
        expect(found).to_contain_text(said)
    assert dead["last_error"] in str(found.locator(".error").get_attribute("title"))


def test_requeue_sends_exactly_that_one_once_and_the_row_moves(
    stack: Stack, receiver: Receiver, page: Page, link: str
) -> None:
    """Contract 3.4 [S]: one action mends it; the receiver and the audit trail show it."""
    dead, other = (died(stack, receiver, subject=f"Requeue {name}") for name in ("this", "not this"))
    receiver.behaviour = answers(204)
    before = len(receiver.requests)
    opened(page, link)
    row(page, dead["id"]).get_by_role("button", name="Requeue", exact=True).click()
    confirmed(page, "Requeue 1 notification to Webhook?")
    expect(row(page, dead["id"])).to_have_count(0)
    expect(row(page, other["id"])).to_be_visible()
    is_now(stack, dead["id"], "sent")
    assert received(receiver, before) == [dead["id"]]
    assert seen(stack, other["id"])["status"] == "dead"
    letters(page).get_by_role("button", name="All", exact=True).click()
    expect(row(page, dead["id"])).to_contain_text("Sent")
    assert [event["action"] for event in asked_of(stack, dead["id"])].count("notification_requeued") == 1


def test_a_switch_right_after_a_change_shows_fresh_rows(
    stack: Stack, receiver: Receiver, page: Page, link: str
) -> None:
    dead = died(stack, receiver, subject="Changed elsewhere")
    opened(page, link)
    expect(row(page, dead["id"])).to_be_visible()
    receiver.behaviour = answers(204)
    assert stack.api.request("POST", f"/api/v1/notifications/{dead['id']}/read").status == 200
    page.get_by_role("link", name="Alarms").click()
    page.get_by_role("link", name="Notifications").click()
    expect(row(page, dead["id"])).to_have_count(0)


HOSTILE = {
    "script": "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>",
    "cell and action": '</td><cwdb-action action="call" endpoint="arn:aws:lambda:x:1:function:x">{}</cwdb-action>',
    "quotes": """"'`&amp;&quot; onmouseover="window.ran = 3" x='""",
    "right to left": "\u202eevil\u202c \u0645\u0631\u062d\u0628\u0627 \U0001f6a8 e\u0301",
    "10 KB": "long " * 2_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_text(stack: Stack, receiver: Receiver, page: Page, link: str, text: str) -> None:
    dead = died(stack, receiver, subject=text[:120], message=text)
    opened(page, link)
    found = row(page, dead["id"])
    shown = " ".join(re.sub(r"[\u202a-\u202e]", "", text[:40]).split()[:3])
    expect(found).to_contain_text(shown)
    endpoints = found.locator("cwdb-action").evaluate_all("all => all.map(each => each.getAttribute('endpoint'))")
    assert all(re.search(rf":function:customWidget-{stack.name}(-act)?:live$", endpoint) for endpoint in endpoints)
    found.get_by_role("button").first.click()
    expect(letters(page).locator(".message").first).to_contain_text(shown)
    assert page.evaluate("window.ran") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_page_of_390_pixels_scrolls_up_and_down_only(stack: Stack, receiver: Receiver, page: Page, link: str) -> None:
    died(stack, receiver, subject="Narrow " + "x" * 200)
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, link)
    for name in ("All", "Channels", "Expiry", "Dead letter"):
        letters(page).get_by_role("button", name=name, exact=True).click()
        expect(letters(page).locator("[aria-current=page]")).to_have_text(name)
        inner = "each => each.scrollWidth <= each.clientWidth"
        assert letters(page).locator(".frame").evaluate(inner), name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_requeue_by_keyboard_alone(stack: Stack, receiver: Receiver, page: Page, link: str) -> None:
    dead = died(stack, receiver, subject="By keyboard")
    receiver.behaviour = answers(204)
    opened(page, link)
    expect(row(page, dead["id"])).to_be_visible()
    requeue = row(page, dead["id"]).get_by_role("button", name="Requeue", exact=True)
    is_there = "each => each.getRootNode().activeElement === each"
    for _ in range(60):
        if requeue.evaluate(is_there):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("button", name="Confirm")).to_be_focused()
    page.keyboard.press("Enter")
    expect(row(page, dead["id"])).to_have_count(0)
    is_now(stack, dead["id"], "sent")


def test_a_refresh_takes_no_typed_filter_away(stack: Stack, receiver: Receiver, page: Page, link: str) -> None:
    died(stack, receiver, subject="Typing")
    page.clock.install()
    opened(page, link)
    letters(page).locator("summary").click()
    field = letters(page).get_by_label("Text in the message")
    field.fill("half a wo")
    with page.expect_response("**/api/alarms"):
        page.clock.run_for(30_000)
    expect(field).to_have_value("half a wo")
    expect(field).to_be_visible()
    letters(page).get_by_role("button", name="Apply filters").click()
    expect(page).to_have_url(re.compile(r"w\.place\.filters\.contains=half"))
    expect(letters(page)).to_contain_text("Nothing matches these filters.")


def test_a_group_of_300_is_requeued_with_progress_and_cancelled(
    stack: Stack, receiver: Receiver, page: Page, link: str
) -> None:
    """Contract 3.4 [S]: the question names the number, and what is under way can be seen and stopped."""
    receiver.behaviour = answers(422)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: created(stack, recipient=receiver.url(), subject=f"Many {n}"), range(300)))
    ids = {one["id"] for one in made}

    def group() -> dict[str, Any] | None:
        groups = stack.api.request("GET", "/api/v1/dead-letter-groups").json()["items"]
        return next((one for one in groups if "422" in one["error"]), None)

    until(group, is_right=lambda found: bool(found and found["count"] == 300), seconds=180, every=1)
    receiver.behaviour = answers(204)
    before = len(receiver.requests)
    opened(page, link)
    letters(page).get_by_role("button", name="Requeue 300 …").click()
    expect(letters(page).get_by_role("heading", name="Requeue 300 notifications?")).to_be_visible()
    letters(page).get_by_label("Reason").fill("The receiver is well again")
    letters(page).get_by_role("button", name="Requeue 300", exact=True).click()
    confirmed(page, "Requeue 300 notifications?")
    bar = letters(page).get_by_role("progressbar")
    expect(bar).to_have_js_property("max", 300)
    expect(bar).not_to_have_attribute("value", "0")
    expect(letters(page)).to_contain_text("The receiver is well again")
    letters(page).get_by_role("button", name="Cancel").click()
    confirmed(page, "Cancel this requeue?")
    expect(letters(page).locator(".badge").first).to_have_text("Cancelled")
    job = stack.api.request("GET", "/api/v1/requeue-jobs").json()["items"][0]
    assert (job["state"], job["expected"], job["reason"]) == ("cancelled", 300, "The receiver is well again")
    assert 0 < job["requeued"] < 300
    sent = until(
        lambda: set(received(receiver, before)) & ids,
        is_right=lambda sent: len(sent) == job["requeued"],
        seconds=120,
    )
    assert len(sent) == job["requeued"]
    rest = group()
    assert rest is not None
    assert rest["count"] == 300 - job["requeued"]
