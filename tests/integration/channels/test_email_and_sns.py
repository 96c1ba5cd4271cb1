"""Email and SNS: what AWS gets, and what its answers mean. boto3 itself, against moto and a loopback server."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws
from urllib3 import HTTPResponse

from local.receiver import Behaviour, Receiver, answers, resets, silent
from tests.support.channels import SHORT, a_notification, refusal, some_tools
from tests.support.hooks import FOREIGN
from tests.support.ssm import a_client
from tocsin.channels.email import EmailChannel, EmailDocument
from tocsin.channels.sns import SnsChannel, SnsDocument
from tocsin.channels.wording import SUBJECT_LIMIT
from tocsin.delivery.attempt import Accepted, Broken, FailureClass, Refused, SendResult, Throttled
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Notification

RETRYABLE, PERMANENT, UNKNOWN = FailureClass.RETRYABLE, FailureClass.PERMANENT, FailureClass.UNKNOWN
SENDER = "tocsin@example.com"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:alerts"
TAKEN = answers(200, b'{"MessageId": "m-1"}')


def class_of(result: SendResult) -> Any:
    """Name the class of a failure, or else what the result is."""
    return result.failure if isinstance(result, Refused) else type(result)


def an_email(**fields: Any) -> Notification:
    return a_notification(**{"channel": ChannelName.EMAIL, "recipient": "ops@example.com"} | fields)


def a_message(**fields: Any) -> Notification:
    return a_notification(**{"channel": ChannelName.SNS} | fields)


async def mailed(client: Any, notification: Notification, deadline: float = 5.0, **settings: Any) -> SendResult:
    async with some_tools(sesv2=lambda: client, deadline=deadline, **settings) as tools:
        return await EmailChannel(EmailDocument(sender=SENDER), tools).send(notification)


async def published(client: Any, notification: Notification, deadline: float = 5.0, topic: str = TOPIC) -> SendResult:
    async with some_tools(sns=lambda: client, deadline=deadline) as tools:
        return await SnsChannel(SnsDocument(topic_arn=topic), tools).send(notification)


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


async def test_ses_gets_the_mail_and_the_id(aws: None) -> None:
    """Design 2: the id goes out with the mail. SES sets Message-ID itself, so it goes in headers that SES keeps."""
    sent: dict[str, Any] = {}
    client = boto3.client("sesv2", region_name="eu-west-1")
    client.create_email_identity(EmailIdentity=SENDER)
    client.meta.events.register(
        "before-parameter-build.sesv2.SendEmail", lambda params, **_: sent.update(params), unique_id="seen"
    )
    notification = an_email(subject="naïve\nBcc: all@example.com", certificate_id="c-1")
    assert class_of(await mailed(client, notification)) is Accepted
    simple = sent["Content"]["Simple"]
    assert (sent["FromEmailAddress"], sent["Destination"]) == (SENDER, {"ToAddresses": ["ops@example.com"]})
    assert simple["Subject"]["Data"] == "naïve Bcc: all@example.com"  # one line: nothing of it can be a header
    assert simple["Body"]["Text"]["Data"].startswith("[threshold:7] renew it\n")
    assert "Certificate: c-1" in simple["Body"]["Text"]["Data"]
    assert "[threshold:7] renew it</p>" in simple["Body"]["Html"]["Data"]
    assert "c-1</td>" in simple["Body"]["Html"]["Data"]
    assert {body["Charset"] for body in simple["Body"].values()} == {"UTF-8"}
    assert {header["Name"]: header["Value"] for header in simple["Headers"]} == {
        "X-Tocsin-Notification-Id": notification.id,
        "References": f"<{notification.id}@example.com>",
        "Auto-Submitted": "auto-generated",
    }


async def test_ses_gets_what_its_events_bring_back() -> None:
    """The evidence of a mail's fate comes by a configuration set, and names the notification and its stack by tags."""
    async with Receiver(TAKEN) as service:
        client = a_client("sesv2", service.url(""))
        result = await mailed(client, an_email(), configuration_set="tocsin-mail", stack="tocsin-prod")
    request = json.loads(service.requests[0].body)
    assert result == Accepted(200, "m-1")
    assert request["ConfigurationSetName"] == "tocsin-mail"
    assert {tag["Name"]: tag["Value"] for tag in request["EmailTags"]} == {
        "notification_id": an_email().id,
        "stack": "tocsin-prod",
    }


@pytest.mark.parametrize("name", ["", "a stack", "\u00e9", "x\n", "s" * 257])
async def test_a_tag_that_ses_would_refuse_is_left_out(name: str) -> None:
    """It would refuse the whole mail; and without a configuration set none is named: the identity may have its own."""
    async with Receiver(TAKEN) as service:
        await mailed(a_client("sesv2", service.url("")), an_email(), stack=name)
    request = json.loads(service.requests[0].body)
    assert [tag["Name"] for tag in request["EmailTags"]] == ["notification_id"]
    assert "ConfigurationSetName" not in request


@cache
def a_checking_client() -> tuple[Any, list[bytes]]:
    """Make a client that checks and signs, and keeps what it would send."""
    client, bodies = a_client("sesv2", "http://127.0.0.1:1"), list[bytes]()

    def taken(request: Any, **_: Any) -> AWSResponse:
        bodies.append(request.body)
        said = HTTPResponse(BytesIO(b'{"MessageId": "m-1"}'), preload_content=False)
        return AWSResponse(request.url, 200, HTTPHeaders(), said)

    client.meta.events.register("before-send.sesv2.SendEmail", taken)
    return client, bodies


@settings(deadline=None)
@given(subject=FOREIGN, message=FOREIGN, certificate=st.none() | st.text(min_size=1, max_size=200))
async def test_ses_can_be_asked_to_send_any_text(subject: str, message: str, certificate: str | None) -> None:
    """Faults: hostile text. botocore's own check of the request; the subject is one line, whatever it was."""
    client, bodies = a_checking_client()
    row = an_email(subject=subject, message=message, certificate_id=certificate)
    assert class_of(await mailed(client, row)) is Accepted
    simple = json.loads(bodies.pop())["Content"]["Simple"]
    assert len(simple["Subject"]["Data"].splitlines()) == 1
    assert simple["Body"]["Text"]["Data"].startswith(message)


@pytest.mark.parametrize(
    "subject", ["x" * 32_768, "\U0001f525" * 8192, "\r\nBcc: all@example.com" * 1000, "\u202e\u05d0" * 9000]
)
async def test_a_subject_is_one_short_line(subject: str) -> None:
    async with Receiver(TAKEN) as service:
        await mailed(a_client("sesv2", service.url("")), an_email(subject=subject))
    said = json.loads(service.requests[0].body)["Content"]["Simple"]["Subject"]["Data"]
    assert len(said.encode()) <= SUBJECT_LIMIT
    assert said.isprintable()


@pytest.mark.parametrize("recipient", ["", "ops", "a@b.example, c@d.example", "ops@example.com\nBcc: x@example.com"])
async def test_what_is_no_address_is_permanent(recipient: str) -> None:
    result = refusal(await mailed(None, an_email(recipient=recipient)))
    assert (result.failure, "e-mail address" in result.error) == (PERMANENT, True)


async def test_an_unverified_sender_breaks_the_channel(aws: None) -> None:
    """SES says MessageRejected for it, too; an operator mends it without touching the message."""
    client = boto3.client("sesv2", region_name="eu-west-1")
    result = await mailed(client, an_email())
    assert isinstance(result, Broken)
    assert "not verified" in result.error


def not_verified(named: str) -> str:
    """Say it as SES does (its knowledge center, "ses-554-400-message-rejected-error")."""
    return f"Email address is not verified. The following identities failed the check in region EU-WEST-1: {named}"


@pytest.mark.parametrize(
    ("message", "failure"),
    [
        (not_verified("ops@example.com"), PERMANENT),  # the sandbox
        (not_verified("OPS@example.com"), PERMANENT),
        (not_verified(SENDER), Broken),
        (not_verified(f"Tocsin <{SENDER}>"), Broken),
        (not_verified("example.com"), Broken),  # the sender's domain, though it is the recipient's as well
        (not_verified(f"{SENDER}, ops@example.com"), Broken),  # both: no mail goes out
        (not_verified(f"ops@example.com, {SENDER}"), Broken),
        (not_verified("ops@example.com, ..."), Broken),  # whom it does not name may be the sender
        ("Email address is not verified.", Broken),
        ("Email address not verified ops@example.com", Broken),
    ],
)
async def test_whom_ses_names_as_not_verified_decides(message: str, failure: FailureClass | type[Broken]) -> None:
    """In its sandbox SES says of a recipient what it says of a sender."""
    assert class_of(await via_ses(ses_says("MessageRejected", message=message))) == failure


async def test_who_mails_to_itself_is_the_sender() -> None:
    async with Receiver(ses_says("MessageRejected", message=not_verified(SENDER))) as service:
        result = await mailed(a_client("sesv2", service.url("")), an_email(recipient=SENDER))
    assert isinstance(result, Broken)


async def test_sns_gets_the_message_and_its_attributes(aws: None) -> None:
    """A subscription's filter can ask for severity and type; a subscriber can tell copies by the id."""
    sns = boto3.client("sns", region_name="eu-west-1")
    sqs = boto3.client("sqs", region_name="eu-west-1")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="all")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    notification = a_message(recipient=topic, subject="naïve\nsubject " * 20)
    assert class_of(await published(sns, notification, topic="")) is Accepted
    event = json.loads(sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"])
    assert (event["Message"], event["Subject"][:14], len(event["Subject"])) == (
        notification.message,
        "na?ve subject ",
        99,
    )
    assert {name: attribute["Value"] for name, attribute in event["MessageAttributes"].items()} == {
        "notification_id": notification.id,
        "severity": "warning",
        "type": "ExpirationWarning",
    }


async def test_a_fifo_topic_drops_copies_by_the_id(aws: None) -> None:
    sent: dict[str, Any] = {}
    sns = boto3.client("sns", region_name="eu-west-1")
    topic = sns.create_topic(Name="alerts.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    sns.meta.events.register(
        "before-parameter-build.sns.Publish", lambda params, **_: sent.update(params), unique_id="seen"
    )
    assert class_of(await published(sns, a_message(), topic=topic)) is Accepted
    assert sent["MessageDeduplicationId"] == a_message().id


async def test_a_topic_that_is_not_there_is_permanent(aws: None) -> None:
    result = refusal(await published(boto3.client("sns", region_name="eu-west-1"), a_message()))
    assert (result.failure, result.http_status) == (PERMANENT, 404)


@pytest.mark.parametrize(
    ("recipient", "topic", "why"),
    [("", "", "no topic"), ("ops@example.com", TOPIC, "ARN"), (f"{TOPIC}\n", TOPIC, "ARN")],
)
async def test_without_a_topic_it_is_permanent(recipient: str, topic: str, why: str) -> None:
    result = refusal(await published(None, a_message(recipient=recipient), topic=topic))
    assert (result.failure, why in result.error) == (PERMANENT, True)


def ses_says(code: str, status: int = 400, message: str = "why") -> Behaviour:
    return answers(status, json.dumps({"message": message}).encode(), x_amzn_ErrorType=code)


def sns_says(code: str, status: int = 400) -> Behaviour:
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>why</Message></Error></ErrorResponse>"
    return answers(status, body.encode())


async def via_ses(behaviour: Behaviour, deadline: float = 5.0) -> SendResult:
    async with Receiver(behaviour) as service:
        return await mailed(a_client("sesv2", service.url("")), an_email(), deadline)


async def via_sns(behaviour: Behaviour, deadline: float = 5.0) -> SendResult:
    async with Receiver(behaviour) as service:
        return await published(a_client("sns", service.url("")), a_message(), deadline)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (ses_says("SendingPausedException"), Broken),  # an operator's switch
        (ses_says("MailFromDomainNotVerifiedException"), Broken),  # a DNS record
        (ses_says("NotFoundException", 404), Broken),  # something of the account's
        (ses_says("AccessDeniedException", 403), Broken),  # a permission
        (ses_says("ExpiredTokenException", 403), Broken),
        (ses_says("InternalServiceError", 500), RETRYABLE),
        (ses_says("MessageRejected", message="Email address is not verified."), Broken),
        (ses_says("MessageRejected", message="Illegal content"), PERMANENT),
        (ses_says("BadRequestException"), PERMANENT),
        (ses_says("BadRequestException", message="Configuration set <mail> does not exist."), Broken),  # it was deleted
        (ses_says("AccountSuspendedException"), Broken),  # whatever the message
    ],
)
async def test_what_ses_says_decides_the_class(answer: Behaviour, failure: FailureClass | type[Broken]) -> None:
    """Contract 2.11. Permanent only if this very message will never be accepted."""
    result = await via_ses(answer)
    assert class_of(result) == failure
    assert isinstance(result, Refused | Broken)
    assert result.http_status is not None


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (sns_says("AuthorizationError", 403), Broken),
        (sns_says("KMSAccessDenied"), Broken),
        (sns_says("InternalError", 500), RETRYABLE),
        (sns_says("NotFound", 404), PERMANENT),
        (sns_says("InvalidParameter"), PERMANENT),
        (sns_says("EndpointDisabled"), PERMANENT),
    ],
)
async def test_what_sns_says_decides_the_class(answer: Behaviour, failure: FailureClass | type[Broken]) -> None:
    """Contract 2.11. Permanent only if this very message will never be accepted."""
    assert class_of(await via_sns(answer)) == failure


@pytest.mark.parametrize(
    "answer",
    [
        ses_says("TooManyRequestsException", 429),
        ses_says("LimitExceededException"),  # the day's quota
        ses_says("Anything", 429),
    ],
)
async def test_throttling_by_ses_is_no_answer_to_the_message(answer: Behaviour) -> None:
    """Contract 2.11 [T]."""
    assert isinstance(await via_ses(answer), Throttled)


@pytest.mark.parametrize("answer", [sns_says("Throttled", 429), sns_says("Throttling")])
async def test_throttling_by_sns_is_no_answer_to_the_message(answer: Behaviour) -> None:
    """Contract 2.11 [T]."""
    assert isinstance(await via_sns(answer), Throttled)


async def test_one_try_is_one_request() -> None:
    """Invariant I5: boto3's own retries would be copies that nobody counts."""
    async with Receiver(answers(500)) as service:
        await mailed(a_client("sesv2", service.url("")), an_email())
        await published(a_client("sns", service.url("")), a_message())
    assert len(service.requests) == 2


@pytest.mark.parametrize("via", [via_ses, via_sns])
async def test_no_answer_is_unknown(via: Callable[..., Any]) -> None:
    """Contract 2.11: the request went out, no answer came."""
    assert refusal(await via(resets())).failure is UNKNOWN
    assert refusal(await via(silent(), SHORT)).error == f"no answer within {SHORT} s"


async def test_an_answer_that_can_t_be_read_is_unknown() -> None:
    """A success that says nonsense: it may have been taken."""
    assert refusal(await via_sns(answers(200, b"<nonsense"))).failure is UNKNOWN


async def test_no_connection_is_retryable() -> None:
    result = refusal(await mailed(a_client("sesv2", "http://127.0.0.1:1"), an_email()))
    assert (result.failure, result.error) == (RETRYABLE, "can't connect: EndpointConnectionError")


async def test_a_try_that_found_no_thread_is_retryable() -> None:
    """Nothing went out, and that is known; the row that keeps the thread busy is unknown."""
    let_go = threading.Event()

    class Hanging:
        def send_email(self, **_: Any) -> None:
            let_go.wait(30)

    async with some_tools(sesv2=Hanging, deadline=SHORT, threads=1) as tools:
        channel = EmailChannel(EmailDocument(sender=SENDER), tools)
        try:
            results = await asyncio.gather(channel.send(an_email()), channel.send(an_email()))
        finally:
            let_go.set()
    assert [refusal(result).failure for result in results] == [UNKNOWN, RETRYABLE]
