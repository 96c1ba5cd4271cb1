"""EventBridge: what the bus gets, and what its answers mean. boto3 itself, against moto and a loopback server."""

import json
import re
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from moto import mock_aws
from pydantic import ValidationError

from local.receiver import Behaviour, Receiver, answers, resets, silent
from tests.support.channels import NOW, SHORT, a_notification, reaching, refusal, some_tools
from tests.support.hooks import FOREIGN, HOSTILE
from tests.support.inventory import DAY, T0, a_certificate
from tests.support.rows import POLICY
from tests.support.ssm import a_client
from tocsin.channels.channel import ChannelSettings
from tocsin.channels.eventbridge import (
    DETAIL_TYPE_LIMIT,
    ENTRY_LIMIT,
    EventBridgeChannel,
    EventBridgeDocument,
    entry_of,
    size_of,
)
from tocsin.channels.registry import KINDS
from tocsin.channels.webhook import event_body
from tocsin.channels.wording import Links
from tocsin.delivery.attempt import Accepted, Broken, FailureClass, Refused, SendResult, Throttled
from tocsin.delivery.channel_name import ChannelKind, ChannelName
from tocsin.delivery.notification import MESSAGE_LIMIT, Notification
from tocsin.expiry.renewal import hand_off, requested

RETRYABLE, PERMANENT, UNKNOWN = FailureClass.RETRYABLE, FailureClass.PERMANENT, FailureClass.UNKNOWN
BUS = "arn:aws:events:eu-west-1:123456789012:event-bus/alerts"
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
STACK = ChannelSettings(reach=reaching(), stack="tocsin", links=Links("https://api.example.com/live"))


def an_event(**fields: Any) -> Notification:
    return a_notification(**{"channel": ChannelName.EVENTBRIDGE} | fields)


def an_entry(document: EventBridgeDocument | None = None, **fields: Any) -> Any:
    return entry_of(an_event(**fields), document or EventBridgeDocument(), STACK)


async def put(client: Any, notification: Notification, deadline: float = 5.0, **document: Any) -> SendResult:
    async with some_tools(events=lambda: client, deadline=deadline, stack="tocsin", links=STACK.links) as tools:
        return await EventBridgeChannel(EventBridgeDocument(**document), tools).send(notification)


async def via(behaviour: Behaviour, deadline: float = 5.0) -> SendResult:
    async with Receiver(behaviour) as service:
        return await put(a_client("events", service.url("")), an_event(), deadline)


def entry_says(code: str) -> Behaviour:
    failed = {"ErrorCode": code, "ErrorMessage": "why"}
    return answers(200, json.dumps({"FailedEntryCount": 1, "Entries": [failed]}).encode())


def call_says(code: str, status: int = 400) -> Behaviour:
    return answers(status, json.dumps({"__type": code, "message": "why"}).encode())


def class_of(result: SendResult) -> Any:
    """Name the class of a failure, or else what the result is."""
    return result.failure if isinstance(result, Refused) else type(result)


async def test_the_bus_gets_the_event() -> None:
    """What a rule can match: source, type, and everything that a webhook's event has; the key is in `detail.id`."""
    seen: dict[str, Any] = {}
    with mock_aws():
        events = boto3.client("events", region_name="eu-west-1")
        events.meta.events.register(
            "before-parameter-build.events.PutEvents", lambda params, **_: seen.update(params), unique_id="seen"
        )
        result = await put(events, an_event(certificate_id=CERTIFICATE))
    assert isinstance(result, Accepted)
    assert re.fullmatch("[0-9a-f-]{36}", result.receipt or "")
    (event,) = seen["Entries"]
    assert (event["EventBusName"], event["Source"]) == ("default", "tocsin.tocsin")
    assert (event["DetailType"], event["Resources"]) == ("Tocsin Notification ExpirationWarning", [CERTIFICATE])
    detail = json.loads(event["Detail"])
    links = detail.pop("links")
    assert detail == json.loads(event_body(an_event(certificate_id=CERTIFICATE)))["data"]
    assert links["notification"] == "https://api.example.com/live/api/v1/notifications/01J00000000000000000000000"
    assert links["explanation"].startswith("https://api.example.com/live/api/v1/certificates/arn%3Aaws%3Aacm")


def test_the_largest_request_for_a_renewal_fits() -> None:
    """100 names of 256 characters of four bytes, 50 tags of the greatest length: below what EventBridge takes."""
    names = tuple("\U0001f512" * 252 + f"{number:04}" for number in range(100))
    tags = {"k" * 124 + f"{number:04}": "v" * 256 for number in range(50)}
    certificate = a_certificate(names=names, tags=tags, source_ref="r" * 1024, common_name=names[0])
    job = requested(certificate, "b" * 256, "r" * 512, T0 + DAY, T0)
    row = hand_off(job, certificate, POLICY, T0)
    entry = entry_of(row, EventBridgeDocument(bus="tocsin"), STACK)
    assert size_of(entry) < ENTRY_LIMIT
    assert entry["DetailType"] == "Renewal Requested"
    detail = json.loads(entry["Detail"])
    assert (detail["id"], detail["names"][99], len(detail["tags"])) == (row.id, names[99], 50)


async def test_the_document_names_bus_and_source() -> None:
    behaviour = answers(200, json.dumps({"FailedEntryCount": 0, "Entries": [{"EventId": "e-1"}]}).encode())
    async with Receiver(behaviour) as service:
        client = a_client("events", service.url(""))
        assert await put(client, an_event(), bus=BUS, source="com.example.alerts") == Accepted(200, "e-1")
    (entry,) = json.loads(service.requests[0].body)["Entries"]
    assert (entry["EventBusName"], entry["Source"], "Resources" in entry) == (BUS, "com.example.alerts", False)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("InternalFailure", RETRYABLE),
        ("InternalException", RETRYABLE),
        ("SomethingNew", RETRYABLE),  # nothing was taken, and nobody says that it never will be
        ("ThrottlingException", Throttled),
        ("AccessDeniedException", Broken),
        ("AccessDenied", Broken),
        ("NotAuthorizedForSourceException", Broken),
        ("NotAuthorizedForDetailTypeException", Broken),
        ("ResourceNotFoundException", Broken),  # no such bus
        ("InvalidAccountIdException", Broken),
        ("MalformedDetail", PERMANENT),
        ("InvalidArgument", PERMANENT),
        ("RedactionFailure", PERMANENT),
    ],
)
async def test_what_is_said_of_the_entry_decides_the_class(code: str, expected: object) -> None:
    """Contract 2.11: the call itself was answered with 200."""
    result = await via(entry_says(code))
    assert class_of(result) == expected
    assert isinstance(result, Refused | Throttled | Broken)
    assert result.error == f"{code}: why"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (call_says("InternalException", 500), RETRYABLE),
        (call_says("ServiceUnavailable", 503), RETRYABLE),
        (call_says("ThrottlingException"), Throttled),
        (call_says("AccessDeniedException"), Broken),
        (call_says("ResourceNotFoundException"), Broken),
        (call_says("ExpiredTokenException", 403), Broken),
        (call_says("ValidationException"), PERMANENT),
        (answers(200, b'{"FailedEntryCount": 0, "Entries": []}'), UNKNOWN),
        (answers(200, b'{"FailedEntryCount": 1, "Entries": [{}]}'), UNKNOWN),
        (answers(200, b"<nonsense"), UNKNOWN),
        (resets(), UNKNOWN),
    ],
)
async def test_what_is_said_of_the_call_decides_the_class(answer: Behaviour, expected: object) -> None:
    """Contract 2.11."""
    assert class_of(await via(answer)) == expected


async def test_silence_is_unknown_and_no_connection_retryable() -> None:
    assert refusal(await via(silent(), SHORT)).error == f"no answer within {SHORT} s"
    assert refusal(await put(a_client("events", "http://127.0.0.1:1"), an_event())).failure is RETRYABLE


async def test_one_try_is_one_request() -> None:
    """Invariant I5: boto3's own retries would be copies that nobody counts."""
    async with Receiver(answers(500)) as service:
        await put(a_client("events", service.url("")), an_event())
    assert len(service.requests) == 1


async def test_a_receipt_fits_its_row() -> None:
    """An event's id has 64 characters at most (PutEventsResultEntry)."""
    long = answers(200, json.dumps({"FailedEntryCount": 0, "Entries": [{"EventId": "e" * 500}]}).encode())
    assert await via(long) == Accepted(200, "e" * 128)


def check_the_entry(text: str) -> None:
    """Whatever stands in a notification stays in its place, and a retry sends the same."""
    entry = an_entry(message=text, subject=text[:256], certificate_id=text[:256], type=f"Custom:{text[:200]}")
    assert entry == an_entry(
        message=text, subject=text[:256], certificate_id=text[:256], type=f"Custom:{text[:200]}", updated_at=NOW
    )
    detail = json.loads(entry["Detail"])
    assert (detail["message"], detail["subject"], detail["certificate_id"]) == (text, text[:256], text[:256])
    assert (detail["id"], detail["severity"]) == ("01J00000000000000000000000", "warning")
    assert len(entry["DetailType"].encode("utf-16-le")) // 2 <= DETAIL_TYPE_LIMIT
    assert "Resources" not in entry


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_stays_in_its_place(text: str) -> None:
    check_the_entry(text)


@settings(max_examples=200, deadline=None)
@given(text=FOREIGN)
def test_any_text_stays_in_its_place(text: str) -> None:
    check_the_entry(text)


@pytest.mark.parametrize("character", ["x", "é", "\x01", '"', "\\", "😀", "\u2028"])
def test_whatever_the_api_takes_fits(character: str) -> None:
    """A message is 32 KB of UTF-8 at most, and a byte of it at most six of JSON."""
    message = character * (MESSAGE_LIMIT // len(character.encode()))
    entry = an_entry(message=message, subject=character * 256, certificate_id=character * 256)
    assert size_of(entry) < ENTRY_LIMIT


async def test_what_would_not_fit_is_not_sent() -> None:
    """A row that did not come by the API: it can never be accepted, and nobody is asked."""
    result = refusal(await put(None, an_event(message="x" * ENTRY_LIMIT)))
    assert (result.failure, result.error) == (PERMANENT, "its event would have 256 KB or more")


@pytest.mark.parametrize(
    "certificate", ["api.example.com", "arn:aws:acm", f"{CERTIFICATE}\n", f"x {CERTIFICATE}", "arn:aws:acm:::a b"]
)
def test_what_is_no_arn_is_no_resource(certificate: str) -> None:
    assert "Resources" not in an_entry(certificate_id=certificate)


@pytest.mark.parametrize(
    "document",
    [
        {"source": "aws.tocsin"},
        {"source": "AWS.tocsin"},
        {"source": "aws.partner/example.com"},
        {"source": "com example"},
        {"source": "x\n"},
        {"source": "x" * 129},
        {"bus": ""},
        {"bus": "a bus"},
        {"bus": "alerts\n"},
        {"bus": "aws.partner/example.com/1"},
        {"bus": "arn:aws:sns:eu-west-1:123456789012:alerts"},
        {"busses": "default"},
    ],
)
def test_a_document_that_could_not_work_is_refused(document: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        EventBridgeDocument.model_validate(document)


@pytest.mark.parametrize(
    "bus", ["default", "alerts.prod-1_x", BUS, "arn:aws-us-gov:events:us-gov-west-1:123456789012:event-bus/alerts"]
)
def test_buses_go_by_name_or_arn(bus: str) -> None:
    assert EventBridgeDocument(bus=bus).bus == bus


def test_it_publishes_no_limit_and_has_no_words() -> None:
    document = EventBridgeDocument()
    assert (document.terms().per_minute, document.warning()) == (None, None)
    assert KINDS[ChannelKind.EVENTBRIDGE].document is EventBridgeDocument


def test_an_error_repeats_nothing_of_the_document() -> None:
    with pytest.raises(ValidationError) as caught:
        EventBridgeDocument(source="s3cret source")
    assert not re.search("s3cret", str(caught.value))
