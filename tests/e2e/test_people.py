"""The policies for people, as the deployed stack has them: what each may do, and what it is refused."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from local.receiver import Receiver, answers
from local.stack import SignedApi, Stack
from tests.e2e.test_life import created, is_now

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]  # the first test waits for the stack


class Person:
    """A user of the account with one of the stack's policies, and nothing else."""

    def __init__(self, stack: Stack, name: str, access_key_id: str, secret_access_key: str) -> None:
        self.name = name
        self._stack = stack
        self.access_key_id, self.secret_access_key = access_key_id, secret_access_key
        self._api = SignedApi(stack.api_url, stack.region, Credentials(access_key_id, secret_access_key))

    def call(self, method: str, path: str, body: object = None) -> int:
        return self._api.request(method, f"/api/v1{path}", json_body=body).status

    def client(self, service: str) -> Any:
        session = boto3.Session(self.access_key_id, self.secret_access_key, region_name=self._stack.region)
        return session.client(service, endpoint_url=self._stack.endpoint_url)  # type: ignore[call-overload]  # any


@contextmanager
def a_person(stack: Stack, output: str) -> Iterator[Person]:
    """A user with the policy that an output of the stack names."""
    iam, name = stack.client("iam"), f"{output.removesuffix('PolicyArn')}-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=stack.outputs[output])
    key = iam.create_access_key(UserName=name)["AccessKey"]
    yield Person(stack, name, key["AccessKeyId"], key["SecretAccessKey"])
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.detach_user_policy(UserName=name, PolicyArn=stack.outputs[output])
    iam.delete_user(UserName=name)


DENIED = ("AccessDenied", "AccessDeniedException")


def may_invoke(person: Person, function: str) -> bool:
    """Tell whether IAM lets a person invoke a function: whether it is there, or works, is another question."""
    try:
        person.client("lambda").invoke(FunctionName=function, Payload=b'{"describe": true}')
    except ClientError as error:
        return error.response["Error"]["Code"] not in DENIED
    return True


def is_refused(call: Callable[[], object]) -> bool:
    """Make a call that IAM must refuse."""
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"] in DENIED


NEW = {"type": "Custom:e2e", "channel": "Webhook", "message": "The disk is full."}
A_POLICY = {"name": "people", "alert_thresholds_days": [30]}


def test_a_producer_creates_and_sees_nothing(stack: Stack, receiver: Receiver) -> None:
    with a_person(stack, "ProducerPolicyArn") as producer:
        assert producer.call("POST", "/notifications", NEW | {"recipient": receiver.url()}) == 202
        for path in ("/notifications", "/notifications/01JZ8W3T5N6V0QJ4X2M7C9K1RB", "/stats/summary", "/channels"):
            assert producer.call("GET", path) == 403, path
        assert producer.call("POST", "/renewal-policies", A_POLICY) == 403
        assert producer.client("cloudformation").describe_stacks(StackName=stack.name)["Stacks"]


def test_a_reader_sees_and_changes_nothing(stack: Stack, receiver: Receiver) -> None:
    receiver.behaviour = answers(410)
    id_ = created(stack, recipient=receiver.url())["id"]
    is_now(stack, id_, "dead")
    with a_person(stack, "ReaderPolicyArn") as reader:
        for path in ("/notifications", f"/notifications/{id_}", "/stats/summary", "/audit-events", "/openapi.json"):
            assert reader.call("GET", path) == 200, path
        for path in (f"/notifications/{id_}/requeue", f"/notifications/{id_}/read", "/channels/SNS/test"):
            assert reader.call("POST", path) == 403, path
        assert reader.call("POST", "/notifications", NEW) == 403
        metrics = reader.client("cloudwatch")  # the embedded AWS asks for dashboards and alarms on no resource at all
        assert metrics.list_dashboards()["DashboardEntries"]
        assert is_refused(lambda: metrics.put_dashboard(DashboardName=stack.name, DashboardBody="{}"))
        assert may_invoke(reader, f"customWidget-{stack.name}")
        assert not may_invoke(reader, f"customWidget-{stack.name}-act")
        assert not may_invoke(reader, f"{stack.name}-dispatch")


def test_an_operator_requeues_under_its_own_name_and_keeps_no_inventory(stack: Stack, receiver: Receiver) -> None:
    """Contract 3.7 [T]: the audit trail names who requeued it."""
    receiver.behaviour = answers(410)
    id_ = created(stack, recipient=receiver.url())["id"]
    is_now(stack, id_, "dead")
    receiver.behaviour = answers(204)
    with a_person(stack, "OperatorPolicyArn") as operator:
        assert operator.call("POST", f"/notifications/{id_}/requeue") == 200
        is_now(stack, id_, "sent")
        trail = stack.api.request("GET", "/api/v1/audit-events", query={"resource": f"notification/{id_}"}).json()
        assert [(line["action"], line["actor"].rpartition("/")[2]) for line in trail["items"]] == [
            ("notification_requeued", operator.name)
        ]
        assert operator.call("POST", f"/notifications/{id_}/read") == 200
        assert may_invoke(operator, f"customWidget-{stack.name}-act")
        assert operator.call("POST", "/notifications", NEW) == 403
        assert operator.call("POST", "/renewal-policies", A_POLICY) == 403
        assert operator.call("DELETE", "/certificates/01JZ8W3T5N6V0QJ4X2M7C9K1RB") == 403
        parameter = {"Name": f"/{stack.name}/channels/Slack/people", "Type": "SecureString", "Value": "{}"}
        assert is_refused(lambda: operator.client("ssm").put_parameter(**parameter))


def test_an_administrator_keeps_the_inventory_and_reads_no_secret(stack: Stack) -> None:
    with a_person(stack, "AdministratorPolicyArn") as administrator:
        assert administrator.call("POST", "/renewal-policies", A_POLICY) == 201
        ssm, name = administrator.client("ssm"), f"/{stack.name}/channels/Slack/people"
        document = json.dumps({"url": "https://hooks.slack.com/services/x"})
        ssm.put_parameter(Name=name, Type="SecureString", Value=document)
        assert is_refused(lambda: ssm.get_parameter(Name=name, WithDecryption=True))
        ssm.delete_parameter(Name=name)
        assert is_refused(lambda: ssm.put_parameter(Name="/another/secret", Type="String", Value="x"))
        assert is_refused(lambda: administrator.client("dynamodb").scan(TableName=stack.outputs["AuditTable"]))
