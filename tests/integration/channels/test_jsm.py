"""OpsGenie and JSM: what a receiver gets that checks requests as the documentation does, and what becomes of them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from local.receiver import Behaviour, Receiver, Request, answers, drips, resets, says, silent
from tests.support.channels import SHORT, a_notification, refusal, some_tools
from tests.support.incidents import API_KEY, Alerts, alert_problems, an_alerts_channel
from tests.unit.network.test_address import FORBIDDEN
from tocsin.channels.channel import ChannelSettings
from tocsin.channels.jsm import ASK_AFTER, AlertsChannel, JsmDocument, OpsGenieDocument, alert_of, without_tags
from tocsin.channels.registry import KINDS, problems_of
from tocsin.channels.wording import Escape, Links, Wording
from tocsin.delivery.attempt import RECEIPT_LIMIT, Accepted, Broken, FailureClass, Refused, SendResult, Throttled
from tocsin.delivery.channel_name import OPSGENIE_ENDS, ChannelKind, ChannelName
from tocsin.delivery.fate import Fate, Known, NotYet
from tocsin.delivery.notification import LAST_ERROR_LIMIT, Act, Notification, Severity, Status
from tocsin.delivery.recipient import Reach
from tocsin.network.address import AddressGuard

RETRYABLE, PERMANENT, UNKNOWN = FailureClass.RETRYABLE, FailureClass.PERMANENT, FailureClass.UNKNOWN
ALERTS = "/v2/alerts"
BASE = "https://abc.execute-api.eu-central-1.amazonaws.com/live"
SETTINGS = ChannelSettings(reach=Reach(guard=AddressGuard()), stack="tocsin-prod", links=Links(BASE))
REQUEST_ID = "513085b8-caf3-4f91-aa23-000000000000"
RECEIPT = f"request:{REQUEST_ID}"


def an_alert(**fields: Any) -> Notification:
    return a_notification(**{"channel": ChannelName.JSM, "severity": Severity.CRITICAL} | fields)


def follow_up(act: Act) -> Notification:
    return an_alert(id="01J11111111111111111111111", act=act, about=an_alert().id, receipt=RECEIPT)


async def result_of(behaviour: Behaviour, row: Notification | None = None, **opened: Any) -> SendResult:
    async with Receiver(behaviour) as receiver, an_alerts_channel(receiver.url(ALERTS), **opened) as channel:
        return await channel.send(row or an_alert())


async def fate_of(behaviour: Behaviour, receipt: str = RECEIPT, **opened: Any) -> Fate:
    async with Receiver(behaviour) as receiver, an_alerts_channel(receiver.url(ALERTS), **opened) as channel:
        return await channel.fate(receipt)


async def request_of(row: Notification, **tools: Any) -> Request:
    async with Receiver(Alerts()) as receiver, an_alerts_channel(receiver.url(ALERTS), **tools) as channel:
        assert isinstance(await channel.send(row), Accepted)
    return receiver.requests[0]


# ── The request ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_alert_is_the_documented_one() -> None:
    request = await request_of(an_alert(certificate_id="c-1"), links=Links(BASE))
    assert (request.method, request.path) == ("POST", ALERTS)
    assert request.headers["authorization"] == f"GenieKey {API_KEY}"
    assert json.loads(request.body) == {
        "message": "api.example.com expires in 7 days",
        "alias": an_alert().id,
        "description": "[threshold:7] renew it",
        "priority": "P1",
        "tags": ["critical", "ExpirationWarning"],
        "details": {
            "Severity": "critical",
            "Type": "ExpirationWarning",
            "Certificate": "c-1",
            "Id": an_alert().id,
            "Notification": f"{BASE}/api/v1/notifications/{an_alert().id}",
            "Explanation": f"{BASE}/api/v1/certificates/c-1/explain",
        },
        "entity": "c-1",
        "source": "Tocsin",
    }


@pytest.mark.parametrize(
    ("severity", "priority"),
    [(Severity.INFORMATIONAL, "P5"), (Severity.WARNING, "P3"), (Severity.CRITICAL, "P1")],
)
async def test_the_severity_is_a_priority(severity: Severity, priority: str) -> None:
    alert = json.loads((await request_of(an_alert(severity=severity))).body)
    assert (alert["priority"], alert["tags"][0], alert["details"]["Severity"]) == (priority, severity, severity)


@pytest.mark.parametrize(("act", "action"), [(Act.ACKNOWLEDGE, "acknowledge"), (Act.RESOLVE, "close")])
async def test_a_follow_up_finds_the_alert_by_its_alias(act: Act, action: str) -> None:
    request = await request_of(follow_up(act))
    assert request.path == f"{ALERTS}/{an_alert().id}/{action}?identifierType=alias"
    assert json.loads(request.body) == {"source": "Tocsin", "note": "[threshold:7] renew it"}


async def test_an_alert_is_opened_acknowledged_and_closed() -> None:
    account = Alerts()
    states = []
    for row in (an_alert(), follow_up(Act.ACKNOWLEDGE), follow_up(Act.RESOLVE)):
        assert isinstance(await result_of(account, row), Accepted)
        account.work()
        states.append(account.alerts[an_alert().id])
    assert states == ["open", "acknowledged", "closed"]


async def test_every_try_carries_the_same_alias_and_the_same_bytes() -> None:
    """Invariant I5: "copies … all with the same key". OpsGenie adds a copy to the alert that is open."""
    async with Receiver(answers(503)) as receiver, an_alerts_channel(receiver.url(ALERTS)) as channel:
        await channel.send(an_alert())
        await channel.send(an_alert(retry_count=1, last_error="HTTP 503", status=Status.FAILED))
    first, second = receiver.requests
    assert first.body == second.body
    assert json.loads(first.body)["alias"] == an_alert().id


async def test_a_slash_at_the_end_of_the_url_changes_nothing() -> None:
    async with Receiver(Alerts()) as receiver, an_alerts_channel(receiver.url(f"{ALERTS}/")) as channel:
        assert await channel.send(an_alert()) == Accepted(202, RECEIPT, ASK_AFTER)


async def test_it_says_the_operator_s_words() -> None:
    """A template's own markup stays; foreign text in it is escaped by whoever fills it in."""

    async def words(row: Notification, escape: Escape) -> Wording:
        return Wording("from a template", f"<b>{escape(row.message)}</b>")

    alert = json.loads((await request_of(an_alert(message="<img src=x>"), words=words)).body)
    assert (alert["message"], alert["description"]) == ("from a template", "<b>< img src=x></b>")


# ── What an answer means ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_202_is_accepted_and_no_more() -> None:
    """Opsgenie's page "Response": "Unlike 200, it does not guarantee that the request will be handled"."""
    result = await result_of(Alerts())
    assert result == Accepted(202, RECEIPT, ASK_AFTER)
    assert len(RECEIPT) <= RECEIPT_LIMIT


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"requestId": 7}', b'{"requestId": "../../x"}', b'{"requestId": ""}']
)
async def test_a_202_that_names_no_request_has_no_receipt(body: bytes) -> None:
    assert await result_of(answers(202, body)) == Accepted(202, None)


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        (answers(408), RETRYABLE),
        (answers(500), RETRYABLE),
        (answers(503, b"down"), RETRYABLE),
        (answers(400), PERMANENT),
        (answers(409), PERMANENT),
        (answers(422, b"message is too long"), PERMANENT),
        (answers(200, b"<html>a proxy's page"), UNKNOWN),
        (resets(), UNKNOWN),
        (says(b"nonsense\r\n\r\n"), UNKNOWN),
    ],
)
async def test_what_is_the_row_s(behaviour: Behaviour, failure: FailureClass) -> None:
    """Contract 2.11; 422 is about the body alone."""
    assert refusal(await result_of(behaviour)).failure is failure


@pytest.mark.parametrize("behaviour", [answers(401), answers(402), answers(403), answers(404), answers(301)])
async def test_what_is_the_channel_s(behaviour: Behaviour) -> None:
    """A key that is invalid or may not, a plan that does not suffice, a URL with no alerts: so it is for every row."""
    assert isinstance(await result_of(behaviour), Broken)


async def test_a_wrong_key_breaks_the_channel() -> None:
    """By its status the registry reads the document again, which may have been rotated."""
    result = await result_of(Alerts(key="another"))
    assert isinstance(result, Broken)
    assert result.http_status == 401


@pytest.mark.parametrize("act", [Act.ACKNOWLEDGE, Act.RESOLVE])
async def test_an_alert_that_is_not_there_breaks_nothing(act: Act) -> None:
    """Of a follow-up a 404 may be about the one alert."""
    assert refusal(await result_of(answers(404), follow_up(act))).failure is PERMANENT


@pytest.mark.parametrize(("header", "seconds"), [({}, None), ({"Retry_After": "30"}, 30.0)])
async def test_429_spends_no_attempt(header: dict[str, str], seconds: float | None) -> None:
    """Contract 2.11: a service that throttles has not answered this message."""
    assert await result_of(answers(429, b"slow down", **header)) == Throttled("HTTP 429: slow down", seconds)


@pytest.mark.parametrize("behaviour", [silent(), drips(interval=0.02)])
async def test_the_deadline_is_total(behaviour: Behaviour) -> None:
    """Faults: "the total deadline holds". It went out: unknown, and what a circuit opens on."""
    result = refusal(await result_of(behaviour, deadline=SHORT))
    assert (result.failure, result.hung) == (UNKNOWN, True)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 422, 429, 500, 503])
@pytest.mark.parametrize("echo", [f"GenieKey {API_KEY}", f"{API_KEY[:9]}\u200b{API_KEY[9:]}", API_KEY * 90])
async def test_no_result_and_no_fate_carries_the_key(status: int, echo: str) -> None:
    """CONTRIBUTING: "Put no secret into an error: texts are stored and shown"."""
    assert API_KEY not in repr(await result_of(answers(status, echo.encode())))
    assert API_KEY not in repr(await fate_of(answers(status, echo.encode())))


# ── What became of it ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_fate_of_a_request_is_known_once_it_was_worked_on() -> None:
    account = Alerts()
    await result_of(account)
    before = await fate_of(account)
    account.work()
    assert isinstance(before, NotYet)
    assert await fate_of(account) == Known(delivered=True, reason="create worked")


async def test_a_request_that_was_taken_can_fail() -> None:
    """The 202 of a close comes whether or not there is such an alert; only the request's status tells."""
    account = Alerts()
    assert await result_of(account, follow_up(Act.RESOLVE)) == Accepted(202, RECEIPT, ASK_AFTER)
    account.work()
    assert await fate_of(account) == Known(delivered=False, reason="Alert does not exist")


@pytest.mark.parametrize(
    ("data", "fate"),
    [
        ({"isSuccess": True, "status": "Created alert"}, Known(delivered=True, reason="Created alert")),
        ({"success": True}, Known(delivered=True, reason="done")),
        ({"success": False}, Known(delivered=False, reason="no reason given")),
        ({"isSuccess": False, "status": f"bad\x00 {API_KEY}"}, Known(delivered=False, reason="bad [secret]")),
    ],
)
async def test_what_a_status_says(data: dict[str, Any], fate: Known) -> None:
    assert await fate_of(answers(200, json.dumps({"data": data}).encode())) == fate


@pytest.mark.parametrize(
    "behaviour",
    [
        answers(200),
        answers(200, b"<html>"),
        answers(200, b'{"data": []}'),
        answers(200, b'{"data": {"isSuccess": "yes"}}'),
        answers(202, b'{"data": {"isSuccess": true}}'),
        answers(302),
        answers(401),
        answers(500, b'{"data": {"isSuccess": false}}'),
        resets(),
        says(b"nonsense\r\n\r\n"),
    ],
)
async def test_an_answer_that_says_neither_leaves_it_open(behaviour: Behaviour) -> None:
    """Nobody may make of it that the alert arrived, or that it did not."""
    assert isinstance(await fate_of(behaviour), NotYet)


async def test_asking_keeps_to_the_deadline_and_to_what_the_service_asks() -> None:
    assert isinstance(await fate_of(silent(), deadline=SHORT), NotYet)
    assert await fate_of(answers(429, Retry_After="9")) == NotYet("HTTP 429", retry_after=9.0)


@pytest.mark.parametrize(
    "receipt", ["", "request:", "key:0123456789ab", REQUEST_ID, "request:../x", "request:a?b", "request:é"]
)
async def test_a_receipt_of_something_else_asks_nobody(receipt: str) -> None:
    async with Receiver(answers(200)) as receiver, an_alerts_channel(receiver.url(ALERTS)) as channel:
        fate = await channel.fate(receipt)
    assert isinstance(fate, NotYet)
    assert receiver.requests == []


async def test_asking_goes_nowhere_that_sending_would_not() -> None:
    reach = Reach(guard=AddressGuard(), plain_http=True)
    async with Receiver(answers(200)) as receiver, an_alerts_channel(receiver.url(ALERTS), reach=reach) as channel:
        assert isinstance(await channel.fate(RECEIPT), NotYet)
    assert receiver.connections == 0


# ── Hostile texts and limits ─────────────────────────────────────────────────────────────────────────────────────────

TEXTS = st.text(max_size=600) | st.sampled_from(["\x00", "\u202e", "\U0001f469\u200d\U0001f4bb" * 700, "<b>", '"}'])


@settings(max_examples=200, deadline=None)
@given(subject=TEXTS, message=TEXTS, kind=TEXTS, certificate=st.none() | TEXTS, act=st.sampled_from(Act))
def test_whatever_is_written_makes_a_valid_alert(
    subject: str, message: str, kind: str, certificate: str | None, act: Act
) -> None:
    row = an_alert(subject=subject, message=message, type=kind, certificate_id=certificate, act=act)
    alert = json.loads(json.dumps(alert_of(row, Wording(subject, without_tags(message)), SETTINGS)))
    assert (alert_problems(alert) if act is Act.TRIGGER else []) == []
    assert len(alert.get("note", "").encode("utf-16-le")) // 2 <= 25_000


@pytest.mark.parametrize("character", ["x", "é", "€", "\U0001f512", "\U0001f469\u200d\U0001f4bb", '"', "<a", "\n"])
async def test_the_longest_texts_fit(character: str) -> None:
    """Message 130 characters, description 15,000; by UTF-16 too, as some services count. The receiver checks more."""
    long = character * 200_000

    async def words(_row: Notification, escape: Escape) -> Wording:
        return Wording(long, escape(long))

    row = an_alert(type=long, certificate_id=long, fallback_of=long, about="k" * 600)
    alert = json.loads((await request_of(row, words=words, links=Links(BASE))).body)
    for name, limit in (("message", 130), ("description", 15_000), ("alias", 512)):
        assert len(alert[name].encode("utf-16-le")) // 2 <= limit


async def test_the_longest_note_fits() -> None:
    """Of a follow-up: 25,000 characters, which the receiver checks."""
    note = json.loads((await request_of(an_alert(act=Act.RESOLVE, message="x" * 30_000))).body)["note"]
    assert note.endswith("…")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>x</script>", "< script>x< /script>"),
        ("<!-- --><?x?>", "< !-- -->< ?x?>"),
        ("<<b>", "<< b>"),
        ("a < b <= 3 <3", "a < b <= 3 <3"),
        ("&lt;b&gt;", "&lt;b&gt;"),
    ],
)
async def test_foreign_text_begins_no_tag(text: str, shown: str) -> None:
    """Opsgenie's page "Alerts and Alert Fields": "HTML formatting for the message values is also supported"."""
    alert = json.loads((await request_of(an_alert(subject=text, message=text, type=text, certificate_id=text))).body)
    assert {alert["message"], alert["description"], alert["entity"], alert["tags"][1]} == {shown}
    assert (alert["details"]["Type"], alert["details"]["Certificate"]) == (shown, shown)


# ── The document ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "document", "url"),
    [
        (ChannelKind.JSM, {}, "https://api.atlassian.com/jsm/ops/integration/v2/alerts"),
        (ChannelKind.OPSGENIE, {}, "https://api.opsgenie.com/v2/alerts"),
        (
            ChannelKind.OPSGENIE,
            {"url": "https://api.eu.opsgenie.com/v2/alerts"},
            "https://api.eu.opsgenie.com/v2/alerts",
        ),
    ],
)
async def test_where_it_posts(
    kind: ChannelKind, document: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kind has a default; the URL decides."""
    asked: list[str] = []

    async def asks(_tools: object, url: str, **_request: object) -> Refused:
        asked.append(url)
        return Refused(RETRYABLE, "not asked")

    monkeypatch.setattr("tocsin.channels.jsm.request", asks)
    read = KINDS[kind].document.model_validate({"api_key": API_KEY, **document})
    async with some_tools() as tools:
        channel = KINDS[kind].build(read, tools)
        assert isinstance(channel, AlertsChannel)
        await channel.send(an_alert())
        await channel.fate(RECEIPT)
    assert asked == [url, f"{url}/requests/{REQUEST_ID}"]


@pytest.mark.parametrize(
    ("document", "warning"),
    [
        (JsmDocument(api_key=SecretStr(API_KEY)), None),
        (OpsGenieDocument(api_key=SecretStr(API_KEY)), OPSGENIE_ENDS),
        (
            JsmDocument(api_key=SecretStr(API_KEY), url=SecretStr("https://API.EU.OpsGenie.com/x")),
            OPSGENIE_ENDS,
        ),
        (OpsGenieDocument(api_key=SecretStr(API_KEY), url=SecretStr("https://api.atlassian.com/x")), None),
        (JsmDocument(api_key=SecretStr(API_KEY), url=SecretStr("https://notopsgenie.com/")), None),
        (JsmDocument(api_key=SecretStr(API_KEY), url=SecretStr("https://[::1/")), None),
    ],
)
def test_what_still_posts_to_opsgenie_is_warned(document: JsmDocument, warning: str | None) -> None:
    """Whatever its kind: the URL decides."""
    assert document.warning() == warning


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"api_key": ""},
        {"api_key": f"{API_KEY}\r\nX-Header: 1"},
        {"api_key": f"{API_KEY} "},
        {"api_key": f"{API_KEY}é"},
        {"api_key": API_KEY * 4},
        {"api_key": API_KEY, "url": "https://api.opsgenie.com/v2/alerts?x=1"},
        {"api_key": API_KEY, "url": "https://api.opsgenie.com/v2/alerts#x"},
        {"api_key": API_KEY, "api_keys": [API_KEY]},
    ],
)
@pytest.mark.parametrize("model", [JsmDocument, OpsGenieDocument])
def test_a_bad_document_is_refused_and_not_repeated(model: type[JsmDocument], document: dict[str, Any]) -> None:
    """A key stands in a header: nothing in it ends one."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(json.dumps(document))
    assert API_KEY not in problems_of(caught.value) + str(caught.value)


def test_a_document_shows_no_key() -> None:
    assert API_KEY not in repr(JsmDocument(api_key=SecretStr(API_KEY)))


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_an_address_that_nothing_may_reach_breaks_the_channel(address: str) -> None:
    """Faults: "Addresses a webhook must never reach". Every row would be refused, so the channel is held."""
    host = f"[{address}]" if ":" in address else address
    reach = Reach(guard=AddressGuard(), plain_http=True)
    async with an_alerts_channel(f"http://{host}/s3cret", reach=reach) as channel:
        result = await channel.send(an_alert())
    assert isinstance(result, Broken)
    assert "s3cret" not in result.error


async def test_a_name_that_leads_there_breaks_it_too() -> None:
    """Faults: "check every resolved address"."""
    async with Receiver(Alerts()) as receiver:
        url = receiver.url(ALERTS, host="localhost")
        async with an_alerts_channel(url, reach=Reach(guard=AddressGuard(), plain_http=True)) as channel:
            assert isinstance(await channel.send(an_alert()), Broken)
    assert receiver.connections == 0


async def test_an_error_is_bounded() -> None:
    result = refusal(await result_of(answers(422, b"x" * 4000)))
    assert len(result.error.encode()) <= LAST_ERROR_LIMIT
    fate = await fate_of(answers(200, json.dumps({"data": {"isSuccess": False, "status": "x" * 3000}}).encode()))
    assert len(fate.reason.encode()) <= LAST_ERROR_LIMIT
