"""Each function's role, as the deployed stack has it: what it must not do is refused, not merely unused."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]  # the first test waits for the stack
FUNCTION_ROLES = (
    *("ApiRole", "DispatchRole", "RetrySweepRole", "BulkRequeueRole", "DeliveryFeedbackRole"),
    *("ExpiryCheckRole", "SourceSyncRole", "AppriseRole", "WidgetRole", "WidgetActRole"),
)
TABLES = ("NotificationsTable", "InventoryTable", "AuditTable")


def session_as(stack: Stack, role: str) -> Callable[[str], Any]:
    """Take on a role of the stack; gives a maker of clients."""
    found = stack.client("cloudformation").describe_stack_resource(StackName=stack.name, LogicalResourceId=role)
    name = found["StackResourceDetail"]["PhysicalResourceId"]
    arn = stack.client("iam").get_role(RoleName=name)["Role"]["Arn"]
    key = stack.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"], region_name=stack.region)
    return lambda service: session.client(service, endpoint_url=stack.endpoint_url)  # type: ignore[call-overload]  # any


def refusal(call: Callable[[], object]) -> str:
    """Make a call that must fail; the error's code."""
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


@pytest.mark.parametrize("role", FUNCTION_ROLES)
def test_no_function_may_scan(stack: Stack, role: str) -> None:
    """Design 3: never Scan. Nor query the table itself, where a query without a bound could hide a scan."""
    dynamodb = session_as(stack, role)("dynamodb")
    for table in (stack.outputs[name] for name in TABLES):
        assert refusal(partial(dynamodb.scan, TableName=table)) == "AccessDeniedException"
        assert refusal(partial(dynamodb.delete_table, TableName=table)) == "AccessDeniedException"


def test_the_sweep_may_start_sweeps_of_a_part_and_nothing_else(stack: Stack) -> None:
    """Design 3: a large backlog is handed over to sweeps of some shards each, under a lease of their own."""
    functions = session_as(stack, "RetrySweepRole")("lambda")
    part = json.dumps({"shards": [0, 1]}).encode()
    answer = functions.invoke(FunctionName=f"{stack.name}-retry-sweep:live", Payload=part)
    assert "FunctionError" not in answer
    swept = json.loads(answer["Payload"].read())
    assert (swept["skipped"], swept["handed_over"]) == (False, False)
    assert refusal(lambda: functions.invoke(FunctionName=f"{stack.name}-api:live")) == "AccessDeniedException"


def test_the_api_reads_no_credentials(stack: Stack) -> None:
    """A hole in the function that answers requests must not be a hole in every channel."""
    ssm, name = session_as(stack, "ApiRole")("ssm"), f"/{stack.name}/channels/Webhook"
    assert refusal(lambda: ssm.get_parameter(Name=name, WithDecryption=True)) == "AccessDeniedException"


def test_the_api_deletes_nothing(stack: Stack) -> None:
    dynamodb, table = session_as(stack, "ApiRole")("dynamodb"), stack.outputs["NotificationsTable"]
    assert refusal(lambda: dynamodb.delete_item(TableName=table, Key={"id": {"S": "x"}})) == "AccessDeniedException"


def test_dispatch_lists_nothing(stack: Stack) -> None:
    """It sends what the stream brings, and needs no index."""
    dynamodb, table = session_as(stack, "DispatchRole")("dynamodb"), stack.outputs["NotificationsTable"]
    found = refusal(
        lambda: dynamodb.query(
            TableName=table,
            IndexName="due",
            KeyConditionExpression="due_shard = :shard",
            ExpressionAttributeValues={":shard": {"S": "0"}},
        )
    )
    assert found == "AccessDeniedException"


def test_the_sync_reads_no_optional_source_that_nobody_asked_for(stack: Stack) -> None:
    """Contract 4.13: each by its parameter, which says no by default."""
    sync = session_as(stack, "SourceSyncRole")
    for asked in (sync("iam").list_server_certificates, sync("secretsmanager").list_secrets):
        assert refusal(asked).startswith("AccessDenied")


@pytest.mark.parametrize("role", FUNCTION_ROLES)
def test_nobody_reads_a_secret(stack: Stack, role: str) -> None:
    secrets = session_as(stack, role)("secretsmanager")
    assert refusal(lambda: secrets.get_secret_value(SecretId="db/password")) == "AccessDeniedException"


@pytest.mark.parametrize("role", FUNCTION_ROLES)
def test_nobody_reads_the_parameters_of_others(stack: Stack, role: str) -> None:
    ssm = session_as(stack, role)("ssm")
    assert refusal(lambda: ssm.get_parameter(Name="/another/secret")) == "AccessDeniedException"
