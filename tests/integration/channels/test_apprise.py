"""The channel Apprise: what it asks of Lambda, and what each answer means. boto3 itself, against a loopback server."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from local.receiver import Behaviour, Exchange, Receiver, answers, resets, silent
from tests.support.apprise import PUSHOVER, SECRET, Network, a_provider, network, sent
from tests.support.channels import SHORT, a_notification, refusal, some_tools
from tests.support.ssm import a_client
from tocsin.channels.apprise import AppriseChannel, AppriseDocument, defused
from tocsin.channels.wording import Links
from tocsin.delivery.attempt import Accepted, Broken, FailureClass, Refused, SendResult, Throttled
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification, Severity

__all__ = ["network"]

RETRYABLE, PERMANENT, UNKNOWN = FailureClass.RETRYABLE, FailureClass.PERMANENT, FailureClass.UNKNOWN
DOCUMENT = AppriseDocument(url=SecretStr(PUSHOVER))


def says(outcome: str, status: int | None = None, **fields: Any) -> Behaviour:
    """Answer as the function does."""
    error = None if status is None else f"HTTP {status}"
    said = {"outcome": outcome, "error": error, "status": status, "retry_after": None, "is_late": False} | fields
    return answers(200, json.dumps(said).encode())


def lambda_says(status: int, code: str) -> Behaviour:
    return answers(status, json.dumps({"Message": f"of {SECRET}"}).encode(), x_amzn_ErrorType=code)


def class_of(result: SendResult) -> Any:
    """Name the class of a failure, or else what the result is."""
    return result.failure if isinstance(result, Refused) else type(result)


async def via(
    lambda_: Receiver, notification: Notification | None = None, deadline: float = 5.0, **settings: Any
) -> SendResult:
    client = a_client("lambda", lambda_.url(""), deadline)
    settings |= {"apprise_function": "tocsin-apprise"}
    async with some_tools(lambda_=lambda: client, deadline=deadline, **settings) as tools:
        return await AppriseChannel(DOCUMENT, tools).send(notification or a_notification(channel=ChannelName.APPRISE))


async def result_of(behaviour: Behaviour, deadline: float = 5.0) -> SendResult:
    async with Receiver(behaviour) as lambda_:
        return await via(lambda_, deadline=deadline)


async def asked_of(notification: Notification, **settings: Any) -> dict[str, Any]:
    """Return the event that the function gets."""
    async with Receiver(says("accepted", 200)) as lambda_:
        await via(lambda_, notification, **settings)
    (request,) = lambda_.requests
    assert request.path == "/2015-03-31/functions/tocsin-apprise%3Alive/invocations"
    event: dict[str, Any] = json.loads(request.body)
    return event


async def test_the_function_gets_what_it_needs_and_no_more() -> None:
    """The deadline leaves Lambda two seconds of ours."""
    assert await asked_of(a_notification(severity=Severity.CRITICAL), deadline=10.0) == {
        "url": PUSHOVER,
        "title": "api.example.com expires in 7 days",
        "body": "[threshold:7] renew it\n\nId: 01J00000000000000000000000",
        "type": "failure",
        "deadline": 8.0,
    }


@pytest.mark.parametrize(
    ("severity", "kind"),
    [(Severity.INFORMATIONAL, "info"), (Severity.WARNING, "warning"), (Severity.CRITICAL, "failure")],
)
async def test_a_severity_is_a_type_of_apprise(severity: Severity, kind: str) -> None:
    assert (await asked_of(a_notification(severity=severity)))["type"] == kind


async def test_links_stand_below_the_text() -> None:
    event = await asked_of(a_notification(certificate_id="c/1"), links=Links("https://api.example.com/live"))
    base = "https://api.example.com/live/api/v1"
    assert event["body"].splitlines()[-2:] == [
        f"{base}/notifications/01J00000000000000000000000",
        f"{base}/certificates/c%2F1/explain",
    ]


async def test_a_message_without_text_says_its_subject() -> None:
    assert (await asked_of(a_notification(message="")))["body"].startswith("api.example.com expires in 7 days\n")


@pytest.mark.parametrize("text", ["@everyone", "<@123>", "<!channel>", "<users/all>", "(@here)", "@**all**", "\n@room"])
async def test_foreign_text_mentions_nobody(text: str) -> None:
    """Neither the subject nor the message: each of these would wake a whole room somewhere."""
    event = await asked_of(a_notification(subject=text, message=text))
    assert text.strip() not in event["title"] + event["body"]


def test_an_address_stays_as_it_is() -> None:
    assert defused("ask ops@example.com") == "ask ops@example.com"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (says("accepted", 200), Accepted),
        *((says("answered", status), Broken) for status in (401, 403, 404, 410)),  # an operator mends the URL
        (says("answered", 429), Throttled),  # of the service: the message was not looked at
        *((says("answered", status), RETRYABLE) for status in (408, 425, 500, 503)),
        *((says("answered", status), PERMANENT) for status in (400, 413, 422)),
        *((says("answered", status), PERMANENT) for status in (301, 302, 307)),
        (says("answered", 200), UNKNOWN),  # the plugin did not find its yes in it
        (says("unanswered", error="no answer came"), UNKNOWN),
        (says("unsent", error="no connection"), RETRYABLE),
        (says("refused", error="why"), Broken),  # the document's fault: every row would be refused
        (says("something new"), UNKNOWN),
        (answers(200, b"null"), UNKNOWN),
        (answers(200, b"<nonsense"), UNKNOWN),
        # the function crashed or ran out of time: it may have sent before
        (answers(200, json.dumps({"errorMessage": SECRET}).encode(), X_Amz_Function_Error="Unhandled"), UNKNOWN),
        (lambda_says(429, "TooManyRequestsException"), Throttled),
        (lambda_says(404, "ResourceNotFoundException"), Broken),
        (lambda_says(409, "ResourceConflictException"), Broken),
        (lambda_says(403, "AccessDeniedException"), Broken),
        (lambda_says(500, "ServiceException"), RETRYABLE),
        (lambda_says(502, "EC2UnexpectedException"), RETRYABLE),
        (resets(), UNKNOWN),
    ],
)
async def test_an_answer_decides_the_class(answer: Behaviour, expected: Any) -> None:
    """Contract 2.11. One try is one invocation."""
    async with Receiver(answer) as lambda_:
        assert class_of(await via(lambda_)) == expected
    assert len(lambda_.requests) == 1


async def test_the_status_of_the_service_is_kept() -> None:
    assert await result_of(says("accepted", 201)) == Accepted(201)
    assert await result_of(says("answered", 401)) == Broken("the service answered HTTP 401", 401)


@pytest.mark.parametrize(("header", "seconds"), [("17", 17.0), ("soon", None), (None, None)])
async def test_retry_after_is_honoured(header: str | None, seconds: float | None) -> None:
    """Contract 2.11."""
    throttled = await result_of(says("answered", 429, retry_after=header))
    assert throttled == Throttled("the service answered HTTP 429", seconds)
    assert refusal(await result_of(says("answered", 503, retry_after=header))).retry_after == seconds


@pytest.mark.parametrize("outcome", ["unanswered", "unsent"])
async def test_what_took_the_whole_deadline_hung(outcome: str) -> None:
    """A circuit opens on it."""
    assert refusal(await result_of(says(outcome, is_late=True))).hung
    assert not refusal(await result_of(says(outcome))).hung


async def test_a_function_that_does_not_answer_hung() -> None:
    result = refusal(await result_of(silent(), SHORT))
    assert (result.failure, result.hung, result.error) == (UNKNOWN, True, f"no answer within {SHORT} s")


@pytest.mark.parametrize("text", ["{}", '{"url": ""}', '{"url": "pover://a@b", "urls": []}', '["pover://a@b"]'])
def test_a_document_is_one_url(text: str) -> None:
    with pytest.raises(ValidationError):
        AppriseDocument.model_validate_json(text)


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (answers(200, b'{"status": 1}'), Accepted),
        (answers(401), Broken),
        (answers(429, Retry_After="3"), Throttled),
        (answers(500), RETRYABLE),
        (answers(302, Location="/"), PERMANENT),
        (resets(), UNKNOWN),
    ],
)
async def test_from_the_channel_to_the_service_and_back(
    behaviour: Behaviour, expected: Any, network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The real function behind it: no secret comes back, whatever happens."""

    async def invoke(exchange: Exchange) -> None:
        event = json.loads(exchange.request.body)
        await answers(200, json.dumps(await sent(**event)).encode())(exchange)

    async with a_provider(network, behaviour, monkeypatch, tmp_path) as provider, Receiver(invoke) as lambda_:
        network.others.add(lambda_.port)
        result = await asyncio.wait_for(via(lambda_), 10)
    assert class_of(result) == expected
    assert len(provider.requests) == 1
    assert SECRET not in repr(result)
