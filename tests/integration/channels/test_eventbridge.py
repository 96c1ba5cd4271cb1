"""EventBridge: what a bus gets, and what its answers mean. botocore itself, against moto and a loopback server."""

import json
from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from local.receiver import Receiver, answers, silent
from tests.support.channels import SHORT, a_notification, some_tools
from tests.support.ssm import a_client
from tocsin.channels.eventbridge import EventBridgeChannel, EventBridgeDocument, entry_of
from tocsin.delivery.attempt import Accepted, Broken, FailureClass, Refused, SendResult, Throttled
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification

RETRYABLE, PERMANENT, UNKNOWN = FailureClass.RETRYABLE, FailureClass.PERMANENT, FailureClass.UNKNOWN
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/1"


def an_event(**fields: Any) -> Notification:
    return a_notification(**{"channel": ChannelName.EVENTBRIDGE} | fields)


def class_of(result: SendResult) -> Any:
    return result.failure if isinstance(result, Refused) else type(result)


async def put(client: Any, row: Notification, deadline: float = 5.0, **document: Any) -> SendResult:
    async with some_tools(events=lambda: client, deadline=deadline, stack="tocsin") as tools:
        return await EventBridgeChannel(EventBridgeDocument(**document), tools).send(row)


async def test_a_bus_gets_the_event() -> None:
    """A rule on the bus can ask for its source, its type and its severity."""
    row = an_event(certificate_id=CERTIFICATE)
    async with Receiver(answering(EventId="e-1")) as service:
        assert await put(a_client("events", service.url("")), row, bus="alerts") == Accepted(200, "e-1")
    (entry,) = json.loads(service.requests[0].body)["Entries"]
    assert (entry["EventBusName"], entry["Source"], entry["Resources"]) == ("alerts", "tocsin.tocsin", [CERTIFICATE])
    assert entry["DetailType"] == "Tocsin Notification ExpirationWarning"
    detail = json.loads(entry["Detail"])
    assert (detail["id"], detail["message"], detail["severity"]) == (row.id, row.message, "warning")


async def test_every_try_puts_the_same_event() -> None:
    """There is no place for a key: who must not act twice looks at `detail.id`."""
    first, second = (entry_of(an_event(), "default", "tocsin.t", None) for _ in range(2))
    assert first == second


def answering(**entry: Any) -> Any:
    body = {"FailedEntryCount": 0 if "EventId" in entry else 1, "Entries": [entry]}
    return answers(200, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (answering(EventId="11710aed-b79e-4468-a20b-bb3c0c3b4860"), Accepted),
        (answering(ErrorCode="ThrottlingException", ErrorMessage="Rate exceeded"), Throttled),
        (answering(ErrorCode="InternalFailure", ErrorMessage=""), RETRYABLE),
        (answering(ErrorCode="AccessDeniedException", ErrorMessage="not allowed"), Broken),
        (answering(ErrorCode="NotAuthorizedForSourceException", ErrorMessage=""), Broken),
        (answering(ErrorCode="ResourceNotFoundException", ErrorMessage="no such bus"), Broken),
        (answering(ErrorCode="MalformedDetail", ErrorMessage="Detail is malformed."), PERMANENT),
        (answering(ErrorCode="InvalidArgument", ErrorMessage=""), PERMANENT),
        (answers(200, b'{"FailedEntryCount": 0, "Entries": []}'), UNKNOWN),  # neither yes nor no
        (answers(400, b'{"__type": "ThrottlingException"}'), Throttled),
        (answers(400, b'{"__type": "AccessDeniedException"}'), Broken),
        (answers(400, b'{"__type": "ResourceNotFoundException"}'), Broken),
        (answers(500, b'{"__type": "InternalException"}'), RETRYABLE),
        (answers(200, b"nonsense"), UNKNOWN),
    ],
)
async def test_what_is_said_of_the_entry_decides_the_class(answer: Any, expected: Any) -> None:
    """A 200 is no yes: what became of the entry is in it."""
    async with Receiver(answer) as service:
        assert class_of(await put(a_client("events", service.url("")), an_event())) == expected
    assert len(service.requests) == 1, "invariant I5: one try is one request"


async def test_no_answer_is_unknown_and_hung() -> None:
    async with Receiver(silent()) as service:
        result = await put(a_client("events", service.url("")), an_event(), SHORT)
    assert isinstance(result, Refused)
    assert (result.failure, result.hung) == (UNKNOWN, True)


@given(*[st.text(st.characters(exclude_categories=["Cs"]))] * 3)
def test_any_text_fits_the_request(subject: str, message: str, certificate: str) -> None:
    """By botocore's own shapes; and the entry is below the 256 KB of the guide."""
    row = an_event(subject=subject, message=message, certificate_id=certificate or None)
    entry = entry_of(row, "default", "tocsin.t", None)
    client = a_client("events", "http://127.0.0.1:1")
    with Stubber(client) as stub:
        stub.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}, {"Entries": [entry]})
        client.put_events(Entries=[entry])
    assert json.loads(entry["Detail"])["message"] == message


def test_the_longest_message_fits() -> None:
    entry = entry_of(an_event(message="\x01" * 32_768, subject="s" * 256), "default", "tocsin.t", None)
    assert len(entry["Detail"].encode()) < 256 * 1024
    assert len(entry_of(an_event(type=f"Custom:{'x' * 64}"), "b", "s", None)["DetailType"]) <= 128


@pytest.mark.parametrize("document", [{"bus": ""}, {"bus": "a b"}, {"source": "aws.ses"}, {"source": "a b"}, {"x": 1}])
def test_what_is_no_document_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EventBridgeDocument(**document)
