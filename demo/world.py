"""What the demo can do and see: through the signed API, in the mailbox, behind the topic, in CloudWatch."""

import json
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

import urllib3
from pydantic import BaseModel

from local.seed import channel_parameters
from local.stack import Answer, Stack


class UnexpectedAnswerError(Exception):
    """The API answered something else than the story needs."""


class Try(BaseModel):
    """One attempt of the history."""

    number: int
    started_at: datetime
    duration_ms: int
    result: str
    error: str | None
    next_retry_at: datetime | None

    @property
    def wait(self) -> float | None:
        """Seconds from its end to the next attempt's time, to the hundredth; None if there is no next one."""
        if self.next_retry_at is None:
            return None
        return round((self.next_retry_at - self.started_at).total_seconds() - self.duration_ms / 1000, 2)


class Deferred(BaseModel):
    """Why a notification is put off."""

    by: str | None
    reason: str | None


class Row(BaseModel):
    """A notification as the API shows it."""

    id: str
    channel: str
    recipient: str
    subject: str
    message: str
    severity: str
    status: str
    outcome: str | None
    retry_count: int
    max_attempts: int
    next_retry_at: datetime | None
    last_error: str | None
    deferred: Deferred | None = None
    fallback_of: str | None = None
    attempts: list[Try]

    @property
    def life(self) -> list[Try]:
        """The attempts since it was created, or since it was requeued last."""
        if self.status == "pending":
            return []
        return self.attempts[max((place for place, done in enumerate(self.attempts) if done.number == 1), default=0) :]

    @property
    def state(self) -> str:
        """The status, in the one word that fits: a row whose channel is not configured was not delivered."""
        if self.deferred:
            return "deferred"
        return "skipped" if self.outcome == "skipped_no_channel" else self.status

    @property
    def is_delivered(self) -> bool:
        """Whether its receiver took it."""
        return (self.status, self.outcome) == ("sent", "delivered")

    @property
    def is_out(self) -> bool:
        """Whether a service took it, or its receiver."""
        return self.status == "sent" and self.outcome in ("accepted", "delivered")

    @property
    def error(self) -> str:
        """Why it was not delivered, or why nothing was sent; empty if there is nothing to say."""
        return self.last_error or next((done.error or "" for done in self.life[-1:]), "")


class Page(BaseModel):
    """What a list gives."""

    items: list[Row]


class World:
    """The stack from outside, as it was at the last look."""

    def __init__(self, stack: Stack) -> None:
        """Put a queue behind the topic that alerts are published to. Look before you read `rows`."""
        self.rows: dict[str, Row] = {}
        """By id, oldest first."""
        self._stack = stack
        self._sqs = stack.client("sqs")
        self._queue = self._subscribed(stack.outputs["AlertTopicArn"])
        self._messages = ""

    def look(self) -> None:
        """Ask the API how things are. Where it does not say, the last answer stands."""
        page = self._stack.api.request("GET", "/api/v1/notifications", query={"limit": "100"})
        if page.status == HTTPStatus.OK:
            self.rows |= {row.id: row for row in reversed(Page.model_validate_json(page.body).items)}

    def call(self, method: str, path: str, **more: Any) -> Answer:  # noqa: ANN401 - passed on
        """Make a request that must succeed."""
        answer = self._stack.api.request(method, f"/api/v1{path}", **more)
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise UnexpectedAnswerError(f"{method} {path} answered {answer.status}: {answer.body[:300]!r}")
        return answer

    def listed(self, path: str = "/notifications", **query: str) -> list[Row]:
        """The first page of a list."""
        return Page.model_validate_json(self.call("GET", path, query=query).body).items

    def count_dead(self) -> int | None:
        """Ask the dashboard's summary for the dead-letter count."""
        count: int | None = self.call("GET", "/stats/summary").json()["notifications_dead"]
        return count

    def post(self, path: str, fields: Mapping[str, object]) -> str:
        """Create something; its id."""
        return str(self.call("POST", path, json_body=dict(fields)).json()["id"])

    def requeue(self, id_: str) -> Row:
        """Requeue a dead notification; what the answer shows."""
        self.rows[id_] = Row.model_validate_json(self.call("POST", f"/notifications/{id_}/requeue").body)
        return self.rows[id_]

    def unsigned(self) -> int:
        """Call the API without a signature; the status."""
        return urllib3.request("GET", f"{self._stack.api_url}/api/v1/notifications", retries=False).status

    def mails(self) -> str:
        """All that SES has sent."""
        url = f"{self._stack.endpoint_url}/_ministack/ses/messages"
        return json.dumps(urllib3.request("GET", url, retries=False).json())

    def messages(self) -> str:
        """All that has arrived in the queue so far."""
        found: list[dict[str, Any]] = self._sqs.receive_message(QueueUrl=self._queue).get("Messages", [])
        self._messages += "".join(message["Body"] for message in found)
        return self._messages

    def alarm(self, name: str) -> str:
        """An alarm's state."""
        answer = self._stack.client("cloudwatch").describe_alarms(AlarmNames=[f"{self._stack.name}-{name}"])
        return "".join(alarm["StateValue"] for alarm in answer["MetricAlarms"])

    def send_webhooks_to(self, url: str) -> None:
        """Give the webhook channel an address of its own, beside the secret that it has."""
        self.store("Webhook", channel_parameters(self._stack.name)["Webhook"] | {"url": url})

    def store(self, channel: str, document: Mapping[str, object]) -> None:
        """Store a channel's document."""
        name = f"/{self._stack.name}/channels/{channel.replace(':', '/')}"
        ssm = self._stack.client("ssm")
        ssm.put_parameter(Name=name, Value=json.dumps(document), Type="SecureString", Overwrite=True)

    def _subscribed(self, topic: str) -> str:
        """Make a queue that gets what is published; its URL."""
        queue: str = self._sqs.create_queue(QueueName="demo")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self._sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
        self._stack.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return queue
