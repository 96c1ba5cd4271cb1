"""SNS for Amazon Q Developer: what it gets is what it documents, and foreign text means nothing in any chat."""

import json
import re
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from moto import mock_aws
from pydantic import ValidationError

from local.receiver import Receiver, answers
from tests.support.channels import NOW, a_notification, some_tools
from tests.support.hooks import FOREIGN, HOSTILE
from tests.support.ssm import a_client
from tocsin.channels.amazon_q import escape, message
from tocsin.channels.cutting import units
from tocsin.channels.sns import SnsChannel, SnsDocument
from tocsin.channels.wording import Escape, Links, Wording, default_wording
from tocsin.delivery.attempt import Accepted, Broken, SendResult
from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.notification import Act, Notification, Severity

TOPIC = "arn:aws:sns:eu-west-1:123456789012:chat"
LINKS = Links("https://api.example.com/live")
SNS_LIMIT = 256 * 1024
"""Bytes of a message (SNS API reference, Publish)."""


def a_message(**fields: Any) -> Notification:
    return a_notification(**{"channel": ChannelName.SNS} | fields)


def said(links: Links = LINKS, **fields: Any) -> Any:
    notification = a_message(**fields)
    return json.loads(message(notification, default_wording(notification, escape), links))


async def published(client: Any, topic: str = TOPIC, **tools: Any) -> SendResult:
    document = SnsDocument(topic_arn=topic, format="amazon_q")
    async with some_tools(sns=lambda: client, links=LINKS, **tools) as lent:
        return await SnsChannel(document, lent).send(a_message())


async def seen_by_sns(topic_name: str, **attributes: str) -> tuple[dict[str, Any], SendResult]:
    seen: dict[str, Any] = {}
    with mock_aws():
        sns = boto3.client("sns", region_name="eu-west-1")
        topic = sns.create_topic(Name=topic_name, Attributes=attributes)["TopicArn"]
        sns.meta.events.register(
            "before-parameter-build.sns.Publish", lambda params, **_: seen.update(params), unique_id="seen"
        )
        return seen, await published(sns, topic)


def check_the_schema(found: Any) -> None:
    """Check what Amazon Q documents ("Event schema", "Parameter details")."""
    assert found.keys() == {"version", "source", "id", "content", "metadata"}
    assert (found["version"], found["source"]) == ("1.0", "custom")
    content, metadata = found["content"], found["metadata"]
    assert content.keys() == {"textType", "title", "description", "nextSteps", "keywords"}
    assert content["textType"] == "client-markdown"
    assert 0 < units(content["title"]) <= 250
    assert 0 < units(content["description"]) <= 8000
    assert all(0 < units(step) <= 350 for step in content["nextSteps"])
    assert all(0 < units(keyword) <= 75 for keyword in content["keywords"])
    assert metadata.keys() == {"threadId", "summary", "eventType", "relatedResources", "additionalContext"}
    assert re.fullmatch("[A-Za-z0-9-]{1,100}", metadata["eventType"])
    assert all(
        isinstance(text, str) for text in (*metadata["relatedResources"], *metadata["additionalContext"].values())
    )


def check_it_means_nothing(text: str) -> None:
    """Check for the markup of Slack (docs.slack.dev, Formatting message text) and of CommonMark, which Teams reads."""
    assert not set(text) & set("*`~<>")
    assert not re.search(r"&(?!(amp|lt|gt);)", text)  # no entity but those of Slack's own escape
    assert not re.search(r"\]([(:]|\[)", text)  # no link, no image, nothing that one refers to
    assert not re.search(r"(?<![0-9A-Za-z])[_@]|_(?![0-9A-Za-z])", text)  # no italics, no mention
    assert not re.search(r"^\s*(#|&gt;)", text, re.MULTILINE)  # no heading, no quote


def check_a_foreign_text(text: str) -> None:
    fields: dict[str, Any] = {"message": text, "subject": text[:256], "certificate_id": text[:256], "type": text[:200]}
    found = said(**fields)
    check_the_schema(found)
    check_it_means_nothing(found["content"]["description"].removesuffix("… [cut]"))
    for shown in (found["content"]["title"], found["metadata"]["summary"], *found["content"]["keywords"]):
        check_it_means_nothing(shown.removesuffix("…"))
        assert "\n" not in shown
    notification = a_message(**fields, updated_at=NOW)
    whole = message(notification, default_wording(notification, escape), LINKS)
    assert json.loads(whole) == found
    assert len(whole.encode()) < SNS_LIMIT


async def test_sns_gets_a_custom_notification() -> None:
    """The attributes stay, so that a subscription can still ask for the severity."""
    seen, result = await seen_by_sns("chat")
    assert isinstance(result, Accepted)
    assert result.receipt
    assert seen["MessageAttributes"]["severity"]["StringValue"] == "warning"
    assert "MessageDeduplicationId" not in seen
    assert json.loads(seen["Message"]) == {
        "version": "1.0",
        "source": "custom",
        "id": "01J00000000000000000000000",
        "content": {
            "textType": "client-markdown",
            "title": "🟠 WARNING: api.example.com expires in 7 days",
            "description": "[threshold:7] renew it",
            "nextSteps": [
                "Open the notification: https://api.example.com/live/api/v1/notifications/01J00000000000000000000000"
            ],
            "keywords": ["warning", "ExpirationWarning"],
        },
        "metadata": {
            "threadId": "01J00000000000000000000000",
            "summary": "🟠 WARNING: api.example.com expires in 7 days",
            "eventType": "ExpirationWarning",
            "relatedResources": [],
            "additionalContext": {
                "Severity": "warning",
                "Type": "ExpirationWarning",
                "Id": "01J00000000000000000000000",
            },
        },
    }


async def test_a_fifo_topic_drops_copies_by_the_id_as_ever() -> None:
    seen, result = await seen_by_sns("chat.fifo", FifoTopic="true")
    assert isinstance(result, Accepted)
    assert (seen["MessageDeduplicationId"], seen["MessageGroupId"]) == (a_message().id, a_message().id)


async def test_an_error_is_classified_as_ever() -> None:
    body = b"<ErrorResponse><Error><Code>AuthorizationError</Code><Message>why</Message></Error></ErrorResponse>"
    async with Receiver(answers(403, body)) as service:
        assert isinstance(await published(a_client("sns", service.url(""))), Broken)


@pytest.mark.parametrize("severity", Severity)
def test_the_severity_is_a_word_at_the_very_beginning(severity: Severity) -> None:
    found = said(severity=severity)
    assert re.match(rf"\S+ {severity.upper()}: ", found["content"]["title"])
    assert found["metadata"]["summary"] == found["content"]["title"]


def test_what_is_about_another_joins_its_thread() -> None:
    assert said(act=Act.RESOLVE, about="01J0")["metadata"]["threadId"] == "01J0"


def test_a_certificate_is_a_related_resource_and_has_an_explanation() -> None:
    found = said(certificate_id="a/b_c~d", type="Custom:disk.full")
    assert found["metadata"]["relatedResources"] == ["a/b_c~d"]
    assert found["metadata"]["eventType"] == "Custom-disk-full"
    assert found["content"]["nextSteps"][1] == (
        "Why it alerts: https://api.example.com/live/api/v1/certificates/a%2Fb%5Fc%7Ed/explain"
    )


def test_without_a_base_or_with_too_long_an_address_there_is_no_next_step() -> None:
    assert said(links=Links())["content"]["nextSteps"] == []
    assert len(said(certificate_id="é" * 256)["content"]["nextSteps"]) == 1


def test_a_text_that_says_nothing_still_has_a_description() -> None:
    """Amazon Q drops a notification without one."""
    found = said(message=" \n ", subject="", type="")
    check_the_schema(found)
    assert found["content"]["description"] == "🟠 WARNING: Notification"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_means_nothing(text: str) -> None:
    check_a_foreign_text(text)


@settings(max_examples=200, deadline=None)
@given(text=FOREIGN)
def test_any_text_means_nothing(text: str) -> None:
    check_a_foreign_text(text)


def test_what_people_write_stays_as_it_is() -> None:
    text = "[threshold:7] my_cert_name-1.example.com, ask ops@example.com\n- issue #7"
    assert escape(text) == text


async def test_a_template_may_have_markup_of_its_own() -> None:
    async def words(notification: Notification, escape: Escape) -> Wording:
        return Wording(notification.subject, f"*{escape('<!here> [x](y)')}*")

    body = b"<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>"
    async with Receiver(answers(200, body)) as service:
        assert await published(a_client("sns", service.url("")), words=words) == Accepted(200, "m-1")
    assert b"%2A%26lt%3B%21here%26gt%3B+%5Bx%5D+%28y%29%2A" in service.requests[0].body


def test_the_format_is_one_of_two() -> None:
    assert SnsDocument().format == "plain"
    with pytest.raises(ValidationError):
        SnsDocument.model_validate({"format": "markdown"})
