"""PagerDuty: what a receiver gets that checks events as the documentation does, and what each answer means."""

import json
import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from local.receiver import Behaviour, Receiver, Request, answers, drips, endless, resets, says, silent
from tests.support.channels import NOW, SHORT, a_notification, refusal, some_tools
from tests.support.incidents import KEY, OLD_KEY, SIZE_LIMIT, PagerDuty, a_pagerduty, event_problems
from tests.unit.network.test_address import FORBIDDEN
from tocsin.channels.channel import ChannelSettings
from tocsin.channels.pagerduty import URLS, PagerDutyChannel, PagerDutyDocument, event_of, fingerprint
from tocsin.channels.registry import problems_of
from tocsin.channels.wording import Escape, Links, Wording
from tocsin.delivery.attempt import RECEIPT_LIMIT, Accepted, Broken, FailureClass, Refused, SendResult, Throttled
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import LAST_ERROR_LIMIT, Act, DeliveryPolicy, Notification, Severity, Status
from tocsin.delivery.recipient import Reach
from tocsin.network.address import AddressGuard

RETRYABLE, PERMANENT, UNKNOWN = FailureClass.RETRYABLE, FailureClass.PERMANENT, FailureClass.UNKNOWN
ENQUEUE = "/v2/enqueue"
BASE = "https://abc.execute-api.eu-central-1.amazonaws.com/live"
SETTINGS = ChannelSettings(reach=Reach(guard=AddressGuard()), stack="tocsin-prod", links=Links(BASE))


def a_page(**fields: Any) -> Notification:
    return a_notification(**{"channel": ChannelName.PAGERDUTY, "severity": Severity.CRITICAL} | fields)


async def result_of(behaviour: Behaviour, row: Notification | None = None, **opened: Any) -> SendResult:
    async with Receiver(behaviour) as receiver, a_pagerduty(receiver.url(ENQUEUE), **opened) as channel:
        return await channel.send(row or a_page())


async def request_of(row: Notification, **tools: Any) -> Request:
    async with Receiver(PagerDuty()) as receiver, a_pagerduty(receiver.url(ENQUEUE), **tools) as channel:
        assert isinstance(await channel.send(row), Accepted)
    return receiver.requests[0]


# ── The event ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_event_is_the_documented_one() -> None:
    request = await request_of(a_page(certificate_id="c-1"), stack="tocsin-prod", links=Links(BASE))
    shown = f"{BASE}/api/v1/notifications/{a_page().id}"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": a_page().id,
        "payload": {
            "summary": "api.example.com expires in 7 days",
            "source": "c-1",
            "severity": "critical",
            "timestamp": "2026-03-01T12:00:00Z",
            "component": "certificate",
            "group": "tocsin-prod",
            "class": "ExpirationWarning",
            "custom_details": {
                "Message": "[threshold:7] renew it",
                "Severity": "critical",
                "Type": "ExpirationWarning",
                "Certificate": "c-1",
                "Id": a_page().id,
            },
        },
        "client": "Tocsin",
        "client_url": shown,
        "links": [
            {"href": shown, "text": "Notification"},
            {"href": f"{BASE}/api/v1/certificates/c-1/explain", "text": "Explanation"},
        ],
    }


@pytest.mark.parametrize(
    ("severity", "shown"),
    [(Severity.INFORMATIONAL, "info"), (Severity.WARNING, "warning"), (Severity.CRITICAL, "critical")],
)
async def test_the_severity_is_pagerduty_s(severity: Severity, shown: str) -> None:
    event = json.loads((await request_of(a_page(severity=severity))).body)
    assert event["payload"]["severity"] == shown
    assert event["payload"]["custom_details"]["Severity"] == severity


async def test_a_stack_without_an_address_has_no_links() -> None:
    assert not {"links", "client_url"} & json.loads((await request_of(a_page())).body).keys()


async def test_it_says_the_operator_s_words() -> None:
    async def words(_row: Notification, escape: Escape) -> Wording:
        return Wording("from a template", escape("<b> & *stars*"))

    payload = json.loads((await request_of(a_page(), words=words)).body)["payload"]
    assert (payload["summary"], payload["custom_details"]["Message"]) == ("from a template", "<b> & *stars*")


async def test_every_try_carries_the_same_key_and_the_same_bytes() -> None:
    """Invariant I5: "copies … all with the same key"."""
    async with Receiver(answers(503)) as receiver, a_pagerduty(receiver.url(ENQUEUE)) as channel:
        await channel.send(a_page())
        await channel.send(a_page(retry_count=1, last_error="HTTP 503", status=Status.FAILED))
    first, second = receiver.requests
    assert first.body == second.body
    assert json.loads(first.body)["dedup_key"] == a_page().id


# ── What opens and ends an incident ──────────────────────────────────────────────────────────────────────────────────


def follow_up(act: Act, receipt: str | None, about: str = "01J00000000000000000000000") -> Notification:
    return a_page(id="01J11111111111111111111111", act=act, about=about, receipt=receipt)


async def opened(account: PagerDuty, keys: tuple[str, ...]) -> Notification:
    """Open an incident, and give its row as the engine keeps it."""
    async with Receiver(account) as receiver, a_pagerduty(receiver.url(ENQUEUE), keys) as channel:
        result = await channel.send(a_page())
    assert isinstance(result, Accepted)
    return a_page().settled(result, started_at=NOW, now=NOW, policy=DeliveryPolicy())


@pytest.mark.parametrize(("act", "state"), [(Act.ACKNOWLEDGE, "acknowledged"), (Act.RESOLVE, "resolved")])
async def test_what_is_about_an_incident_reaches_it_after_a_rotation(act: Act, state: str) -> None:
    """By another key PagerDuty drops it behind a 202. Both keys are known; the newest is first."""
    account = PagerDuty([OLD_KEY, KEY])
    trigger = await opened(account, (OLD_KEY,))
    result = await result_of(account, follow_up(act, trigger.receipt), keys=(KEY, OLD_KEY))
    assert result == Accepted(202, fingerprint(OLD_KEY))
    assert account.incidents == {(OLD_KEY, trigger.id): state}
    assert account.dropped == []


async def test_a_trigger_goes_by_the_newest_key() -> None:
    account = PagerDuty([OLD_KEY, KEY])
    trigger = await opened(account, (KEY, OLD_KEY))
    assert trigger.receipt == fingerprint(KEY)
    assert list(account.incidents) == [(KEY, trigger.id)]


async def test_a_resolve_whose_key_is_gone_says_so_and_asks_nobody() -> None:
    """PagerDuty would drop it and answer 202: an incident would stay open, and nobody know."""
    async with Receiver(answers(202)) as receiver, a_pagerduty(receiver.url(ENQUEUE)) as channel:
        result = refusal(await channel.send(follow_up(Act.RESOLVE, fingerprint(OLD_KEY))))
    assert (result.failure, "routing_keys" in result.error, receiver.requests) == (PERMANENT, True, [])
    assert OLD_KEY not in result.error


async def test_without_a_receipt_it_goes_by_the_newest_key() -> None:
    """Of an incident that was opened with nothing known of its key."""
    assert await result_of(PagerDuty([KEY]), follow_up(Act.RESOLVE, None), keys=(KEY, OLD_KEY)) == Accepted(
        202, fingerprint(KEY)
    )


async def test_a_follow_up_says_no_more_than_it_must() -> None:
    request = await request_of(follow_up(Act.RESOLVE, None, about="what-opened-it"))
    assert json.loads(request.body) == {
        "routing_key": KEY,
        "event_action": "resolve",
        "dedup_key": "what-opened-it",
    }


def test_a_receipt_names_a_key_and_gives_none_away() -> None:
    assert fingerprint(KEY) != fingerprint(OLD_KEY)
    assert len(fingerprint(KEY)) <= RECEIPT_LIMIT
    assert not any(KEY[at : at + 6] in fingerprint(KEY) for at in range(27))


# ── What an answer means ─────────────────────────────────────────────────────────────────────────────────────────────


def says_invalid(*errors: str) -> Behaviour:
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}
    return answers(400, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        (answers(408), RETRYABLE),
        (answers(425), RETRYABLE),
        (answers(500), RETRYABLE),
        (answers(503, b"down"), RETRYABLE),
        (says_invalid("'payload.summary' is missing or blank"), PERMANENT),
        (answers(400), PERMANENT),
        (answers(413), PERMANENT),
        (answers(422), PERMANENT),
        (answers(200, b"<html>a proxy's page"), UNKNOWN),
        (answers(204), UNKNOWN),
        (resets(), UNKNOWN),
        (says(b"nonsense\r\n\r\n"), UNKNOWN),
    ],
)
async def test_what_is_the_row_s(behaviour: Behaviour, failure: FailureClass) -> None:
    """Contract 2.11; PagerDuty: 400 never again, 5xx and network errors later. Only its own 202 is a yes."""
    assert refusal(await result_of(behaviour)).failure is failure


@pytest.mark.parametrize(
    "behaviour",
    [
        says_invalid("Invalid routing key"),
        says_invalid("Length of 'routing_key' is incorrect (should be 32 characters)"),
        answers(400, b"Invalid routing key"),
        answers(401),
        answers(403),
        answers(404),
        answers(410),
        answers(302, Location="https://example.com/"),
    ],
)
async def test_what_is_the_channel_s(behaviour: Behaviour) -> None:
    """Every event would be refused so: the channel is held, and no attempt spent."""
    result = await result_of(behaviour)
    assert isinstance(result, Broken)
    assert result.http_status is not None


async def test_a_key_that_pagerduty_does_not_know_breaks_the_channel() -> None:
    result = await result_of(PagerDuty([OLD_KEY]))
    assert isinstance(result, Broken)
    assert "Invalid routing key" in result.error


@pytest.mark.parametrize(("header", "seconds"), [({}, None), ({"Retry_After": "120"}, 120.0)])
async def test_429_spends_no_attempt(header: dict[str, str], seconds: float | None) -> None:
    """Contract 2.11: a service that throttles has not answered this message."""
    assert await result_of(answers(429, b"slow down", **header)) == Throttled("HTTP 429: slow down", seconds)


async def test_what_goes_wrong_before_the_request_is_retryable() -> None:
    with socket.socket() as deaf:  # bound, so that nobody else takes the port; not listening
        deaf.bind(("127.0.0.1", 0))
        async with a_pagerduty(f"http://127.0.0.1:{deaf.getsockname()[1]}{ENQUEUE}") as channel:
            assert refusal(await channel.send(a_page())).failure is RETRYABLE


@pytest.mark.parametrize("behaviour", [silent(), drips(interval=0.02)])
async def test_the_deadline_is_total(behaviour: Behaviour) -> None:
    """Faults: "the total deadline holds". It went out: unknown, and what a circuit opens on."""
    result = refusal(await result_of(behaviour, deadline=SHORT))
    assert (result.failure, result.hung) == (UNKNOWN, True)


async def test_an_endless_error_is_cut() -> None:
    """Faults: "answers 10 MB"."""
    error = refusal(await result_of(endless(500, size=10_000_000))).error
    assert len(error.encode()) <= LAST_ERROR_LIMIT


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 413, 422, 429, 500, 503])
@pytest.mark.parametrize("echo", [f"your key {KEY} is bad", f"{OLD_KEY}{KEY}", f"{KEY[:9]}\u200b{KEY[9:]}", KEY * 99])
async def test_no_result_carries_a_key(status: int, echo: str) -> None:
    """CONTRIBUTING: "Put no secret into an error: texts are stored and shown"."""
    result = await result_of(answers(status, echo.encode()), keys=(KEY, OLD_KEY))
    assert not any(key in repr(result) for key in (KEY, OLD_KEY))


# ── Hostile texts and limits ─────────────────────────────────────────────────────────────────────────────────────────

TEXTS = st.text(max_size=2000) | st.sampled_from(["\x00", "\u202e", "\U0001f469\u200d\U0001f4bb" * 700, "{{x}}", '"}'])


@settings(max_examples=200, deadline=None)
@given(subject=TEXTS, message=TEXTS, kind=TEXTS, certificate=st.none() | TEXTS, about=st.none() | st.text(min_size=1))
def test_whatever_is_written_makes_a_valid_event(
    subject: str, message: str, kind: str, certificate: str | None, about: str | None
) -> None:
    row = a_page(subject=subject, message=message, type=kind, certificate_id=certificate, about=about)
    event = json.loads(json.dumps(event_of(row, Wording(subject, message), SETTINGS)))
    assert event_problems({"routing_key": KEY, **event}) == []


@pytest.mark.parametrize("character", ["x", "é", "€", "\U0001f512", "\U0001f469\u200d\U0001f4bb", '"', "\\", "\n"])
async def test_the_longest_texts_fit(character: str) -> None:
    """Summary 1,024 characters, dedup_key 255, all of it 512 KB; by UTF-16 too, as some services count."""
    long = character * 200_000

    async def words(_row: Notification, _escape: Escape) -> Wording:
        return Wording(long, long)

    row = a_page(type=long, certificate_id=long, fallback_of=long, about="k" * 256)
    request = await request_of(row, words=words, stack="s" * 128, links=Links(BASE))
    event = json.loads(request.body)
    assert len(request.body) <= SIZE_LIMIT
    assert len(event["payload"]["summary"].encode("utf-16-le")) // 2 <= 1024
    assert len(event["dedup_key"]) <= 255


async def test_a_whole_message_arrives() -> None:
    """Whatever the API takes (32 KB) is far below what an event may hold."""
    message = "€" * 10_000
    event = json.loads((await request_of(a_page(message=message))).body)
    assert event["payload"]["custom_details"]["Message"] == message


# ── The document ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("region", "host"), [("us", "events.pagerduty.com"), ("eu", "events.eu.pagerduty.com")])
async def test_the_region_says_where_to_post(region: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def asks(_tools: object, url: str, **_request: object) -> Refused:
        asked.append(url)
        return Refused(RETRYABLE, "not asked")

    monkeypatch.setattr("tocsin.channels.pagerduty.request", asks)
    document = PagerDutyDocument.model_validate({"routing_keys": [KEY], "region": region})
    async with some_tools() as tools:
        await PagerDutyChannel(document, tools).send(a_page())
    assert asked == [URLS[region]] == [f"https://{host}/v2/enqueue"]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"routing_keys": []},
        {"routing_keys": [KEY, OLD_KEY, KEY]},
        {"routing_keys": [KEY[:-1]]},
        {"routing_keys": [KEY + "\n"]},
        {"routing_keys": [KEY[:-1] + "ß"]},
        {"routing_keys": [KEY], "region": "ap"},
        {"routing_keys": [KEY], "routing_key": KEY},
    ],
)
def test_a_bad_document_is_refused_and_not_repeated(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        PagerDutyDocument.model_validate_json(json.dumps(document))
    assert KEY[:-1] not in problems_of(caught.value) + str(caught.value)


def test_a_document_shows_no_key() -> None:
    document = PagerDutyDocument.model_validate({"routing_keys": [KEY], "url": "https://proxy.example/s3cret"})
    assert not any(secret in repr(document) + str(document) for secret in (KEY, "s3cret"))
    assert (document.terms().per_minute, document.warning()) == (120, None)


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_an_address_that_nothing_may_reach_breaks_the_channel(address: str) -> None:
    """Faults: "Addresses a webhook must never reach". Every row would be refused, so the channel is held."""
    host = f"[{address}]" if ":" in address else address
    reach = Reach(guard=AddressGuard(), plain_http=True)
    async with a_pagerduty(f"http://{host}/s3cret", reach=reach) as channel:
        result = await channel.send(a_page())
    assert isinstance(result, Broken)
    assert "s3cret" not in result.error


async def test_a_name_that_leads_there_breaks_it_too() -> None:
    """Faults: "check every resolved address"."""
    async with Receiver(PagerDuty()) as receiver:
        url = receiver.url(ENQUEUE, host="localhost")
        async with a_pagerduty(url, reach=Reach(guard=AddressGuard(), plain_http=True)) as channel:
            assert isinstance(await channel.send(a_page()), Broken)
    assert receiver.connections == 0


async def test_plain_http_needs_the_stack_s_leave() -> None:
    async with a_pagerduty("http://events.example.com/v2/enqueue", reach=Reach(guard=AddressGuard())) as channel:
        assert isinstance(await channel.send(a_page()), Broken)
