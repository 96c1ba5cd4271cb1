"""What the demo can do and see: through the signed API, at the receiver, in the mailbox, behind the topic."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

import urllib3

from demo.hook import Hook, Received
from demo.row import Explanation, Page, Row
from local.seed import channel_parameters
from local.stack import Answer, Stack

LIMIT = "100"


class UnexpectedAnswerError(Exception):
    """The API answered something else than the story needs."""


class Api(Protocol):
    """The signed API."""

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json_body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request."""
        ...


class Elsewhere(Protocol):
    """The places, besides API and receiver, where the story leaves traces."""

    def unsigned(self) -> int:
        """Call the API without a signature; give the status."""
        ...

    def mails(self) -> str:
        """Give all that SES has sent."""
        ...

    def messages(self) -> str:
        """Give all that arrived in a queue behind the alerts' topic."""
        ...

    def alarm(self, name: str) -> str:
        """Give a CloudWatch alarm's state."""
        ...

    def send_webhooks_to(self, url: str) -> None:
        """Configure where webhooks go that name no address of their own."""
        ...


class World:
    """The stack from outside, as it was at the last look."""

    def __init__(self, api: Api, hook: Hook, elsewhere: Elsewhere, secret: str) -> None:
        """Look before you read `rows`. The secret signs webhooks."""
        self.hook = hook
        self.elsewhere = elsewhere
        self.secret = secret
        self.rows: dict[str, Row] = {}
        """By id, oldest first."""
        self._api = api

    @property
    def received(self) -> list[Received]:
        """What has arrived at the receiver."""
        return list(self.hook.received)

    def look(self) -> None:
        """Ask the API how things are. Where it does not say, the last answer stands."""
        page = self._api.request("GET", "/api/v1/notifications", query={"limit": LIMIT})
        if page.status == HTTPStatus.OK:
            self.rows |= {row.id: row for row in reversed(Page.model_validate_json(page.body).items)}

    def count_dead(self) -> int | None:
        """Ask the dashboard's summary for the dead-letter count."""
        count: int | None = self._called("GET", "/stats/summary", HTTPStatus.OK).json()["notifications_dead"]
        return count

    def listed(self, **query: str) -> list[Row]:
        """The first page of a filtered list."""
        return Page.model_validate_json(self._called("GET", "/notifications", HTTPStatus.OK, query=query).body).items

    def create(self, fields: Mapping[str, str]) -> Row:
        """Create a notification."""
        return self._noted(self._called("POST", "/notifications", HTTPStatus.ACCEPTED, json_body=dict(fields)))

    def requeue(self, id_: str) -> Row:
        """Requeue a dead notification."""
        return self._noted(self._called("POST", f"/notifications/{id_}/requeue", HTTPStatus.OK))

    def make(self, path: str, fields: Mapping[str, object]) -> str:
        """Create an owner, a policy or a certificate; its id."""
        id_: str = self._called("POST", path, HTTPStatus.CREATED, json_body=dict(fields)).json()["id"]
        return id_

    def renew(self, certificate: str, fields: Mapping[str, object]) -> None:
        """Write a certificate anew, over the version that it has now."""
        path = f"/certificates/{certificate}"
        version = self._called("GET", path, HTTPStatus.OK).headers["ETag"]
        self._called("PUT", path, HTTPStatus.OK, json_body=dict(fields), headers={"If-Match": version})

    def alerts_about(self, certificate: str) -> list[Row]:
        """What was raised about a certificate."""
        answer = self._called("GET", f"/certificates/{certificate}/notifications", HTTPStatus.OK)
        return Page.model_validate_json(answer.body).items

    def explain(self, certificate: str) -> Explanation:
        """Ask whether anybody was alerted about a certificate, and why not."""
        answer = self._called("GET", f"/certificates/{certificate}/explain", HTTPStatus.OK)
        return Explanation.model_validate_json(answer.body)

    def _noted(self, answer: Answer) -> Row:
        row = Row.model_validate_json(answer.body)
        self.rows[row.id] = row
        return row

    def _called(self, method: str, path: str, expected: HTTPStatus, **more: Any) -> Answer:  # noqa: ANN401 - passed on
        answer = self._api.request(method, f"/api/v1{path}", **more)
        if answer.status != expected:
            raise UnexpectedAnswerError(f"{method} {path} answered {answer.status}: {answer.body[:300]!r}")
        return answer


class Aws:
    """The embedded AWS's own services, asked directly."""

    def __init__(self, stack: Stack) -> None:
        """Put a queue behind the topic that alerts are published to."""
        self._stack = stack
        self._sqs = stack.client("sqs")
        self._queue = self._subscribed(stack.outputs["AlertTopicArn"])
        self._messages = ""

    def unsigned(self) -> int:
        """Call the API without a signature; give the status."""
        return urllib3.request("GET", f"{self._stack.api_url}/api/v1/notifications", retries=False).status

    def mails(self) -> str:
        """Give all that SES has sent."""
        url = f"{self._stack.endpoint_url}/_ministack/ses/messages"
        return json.dumps(urllib3.request("GET", url, retries=False).json())

    def messages(self) -> str:
        """Give all that has arrived in the queue so far."""
        found: list[dict[str, Any]] = self._sqs.receive_message(QueueUrl=self._queue).get("Messages", [])
        self._messages += "".join(message["Body"] for message in found)
        return self._messages

    def alarm(self, name: str) -> str:
        """Give an alarm's state."""
        answer = self._stack.client("cloudwatch").describe_alarms(AlarmNames=[f"{self._stack.name}-{name}"])
        return "".join(alarm["StateValue"] for alarm in answer["MetricAlarms"])

    def send_webhooks_to(self, url: str) -> None:
        """Give the webhook channel an address of its own, beside the secret that it has."""
        config = channel_parameters(self._stack.name)["Webhook"] | {"url": url}
        name = f"/{self._stack.name}/channels/Webhook"
        ssm = self._stack.client("ssm")
        ssm.put_parameter(Name=name, Value=json.dumps(config), Type="SecureString", Overwrite=True)

    def _subscribed(self, topic: str) -> str:
        """Make a queue that gets what is published; its URL."""
        queue: str = self._sqs.create_queue(QueueName="demo")["QueueUrl"]
        wanted = ["QueueArn"]
        arn = self._sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=wanted)["Attributes"]["QueueArn"]
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
