"""The dashboard's widget in the deployed stack: called as whoever looks, under the functions' own roles."""

import json
from functools import partial
from typing import Any

import pytest

from local.receiver import Receiver, answers
from local.stack import Stack
from tests.e2e.test_life import created, is_now
from tests.e2e.test_people import Person, a_person, is_refused
from tests.e2e.test_roles import refusal, session_as
from tests.support import widget_rules

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]  # the first test waits for the stack
CONTEXT = {"theme": "light", "timezone": {"offsetISO": "+00:00"}, "forms": {"all": {}}, "params": {}}


def invoked(person: Person, endpoint: str, params: dict[str, Any], **form: str) -> str:
    """Call a function as a dashboard does, with the rights of who looks at it."""
    event = params | {"widgetContext": CONTEXT | {"forms": {"all": form}}}
    answer = person.client("lambda").invoke(FunctionName=endpoint, Payload=json.dumps(event).encode())
    assert "FunctionError" not in answer
    html = json.loads(answer["Payload"].read())
    assert isinstance(html, str), html
    return html


def test_who_may_look_sees_and_who_may_act_requeues(stack: Stack, receiver: Receiver) -> None:
    """Contract 3.5 [S]: through IAM as deployed; the audit trail has the request, the reason and the row's own id."""
    look, act = stack.outputs["WidgetFunctionArn"], stack.outputs["WidgetActFunctionArn"]
    receiver.behaviour = answers(410)
    id_ = created(stack, recipient=receiver.url(), message="<script>alert(1)</script>")["id"]
    is_now(stack, id_, "dead")
    receiver.behaviour = answers(204)
    with a_person(stack, "ReaderPolicyArn") as reader:
        page = widget_rules.read(invoked(reader, look, {"view": "letters"}), look, act)
        assert not page.problems
        requeue = next(one for one in page.actions if one.params.get("id") == id_ and one.params["do"] == "requeue")
        assert requeue.endpoint == act
        assert is_refused(lambda: invoked(reader, act, requeue.params))
        counts = widget_rules.read(invoked(reader, look, {"view": "counts"}), look, act)
        assert "dead letter" in counts.text
    is_now(stack, id_, "dead")
    with a_person(stack, "OperatorPolicyArn") as operator:
        after = widget_rules.read(invoked(operator, act, requeue.params, reason="it is back"), look, act)
        assert not after.problems
        assert "Requeued, and on its way to Webhook" in after.text
    is_now(stack, id_, "sent")
    trail = stack.api.request("GET", "/api/v1/audit-events", query={"resource": f"notification/{id_}"}).json()
    (line,) = trail["items"]
    assert line["action"] == "notification_requeued"
    assert line["actor"].startswith("widget:")
    assert line["detail"]["reason"] == "it is back"


def test_the_role_that_looks_is_refused_every_write(stack: Stack) -> None:
    """Not merely unused: each way to write to each table, and to have another function do it."""
    client = session_as(stack, "WidgetRole")
    dynamodb, keys = client("dynamodb"), {"NotificationsTable": ("id",), "InventoryTable": ("pk", "sk")}
    for output, names in (keys | {"AuditTable": ("resource", "at_key")}).items():
        table, key = stack.outputs[output], {name: {"S": "x"} for name in names}
        value = {":x": {"S": "x"}}
        update = {"UpdateExpression": "SET x = :x", "ExpressionAttributeValues": value}
        writes = (
            partial(dynamodb.put_item, TableName=table, Item=key),
            partial(dynamodb.update_item, TableName=table, Key=key, **update),
            partial(dynamodb.delete_item, TableName=table, Key=key),
            partial(dynamodb.batch_write_item, RequestItems={table: [{"PutRequest": {"Item": key}}]}),
            partial(dynamodb.transact_write_items, TransactItems=[{"Put": {"TableName": table, "Item": key}}]),
        )
        assert [refusal(write) for write in writes] == ["AccessDeniedException"] * len(writes), table
    functions, ssm = client("lambda"), client("ssm")
    for name in (f"{stack.name}-dispatch", f"{stack.name}-retry-sweep", f"customWidget-{stack.name}-act"):
        assert refusal(partial(functions.invoke, FunctionName=f"{name}:live")) == "AccessDeniedException"
    name = f"/{stack.name}/channels/Webhook"
    assert refusal(partial(ssm.get_parameter, Name=name, WithDecryption=True)) == "AccessDeniedException"
    assert refusal(partial(ssm.put_parameter, Name=name, Value="x", Type="String")) == "AccessDeniedException"
