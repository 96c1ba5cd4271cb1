"""The embedded AWS's entry point, with a scheduler that can be quickened, alarms that end, and what AWS says truly.

EventBridge Scheduler counts in minutes, on AWS and in the embedded one. `TOCSIN_SCHEDULER_SPEED=30` makes a local
minute last two seconds, so that a whole life can be watched: rates are divided by it, and so are the alarms' periods. A
cold start is not quickened, so a tick whose predecessor still runs is dropped: otherwise a busy machine would start one
worker after the other.

Alarms are evaluated by local/alarms.py, whenever a metric comes in: the embedded AWS's own way looks at every dimension
of a metric at once, and leaves an alarm as it is once nothing breaches it any more and nothing is said.

A function's error is named by its class, as by Lambda, so that a state machine can tell one from the other: the
embedded AWS calls all of them the same. ACM reads what is imported; the embedded one believes anything. And a state
machine's event may be said as an object, which the embedded AWS lets nobody match. Changes of Route 53 and new
certificates of ACM have names, by which policies may allow them.

Runs with the interpreter of the embedded AWS, which has nothing of Tocsin's requirements.
"""

import json
import os
import re
import sys
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from ministack.app import main
from ministack.core import iam_actions
from ministack.core.responses import error_response_json
from ministack.services import acm, cloudwatch, eventbridge, lambda_svc, scheduler, stepfunctions

sys.path.append(str(Path(__file__).parents[1]))  # the last place to look, and for this only
from local import alarms

# There is no public way to set the pace.
# ruff: noqa: SLF001

SPEED = float(os.environ.get("TOCSIN_SCHEDULER_SPEED", "1"))
rate_seconds = eventbridge._parse_rate_seconds
ticking: set[str] = set()


def quickened(expression: str) -> float | None:
    """Give a rate's interval in seconds, divided by the speed; None for what is no rate."""
    seconds = rate_seconds(expression)
    return None if seconds is None else seconds / SPEED


def dispatch_unless_ticking(arn: str, payload: str) -> None:
    """Invoke a schedule's function in a thread, as the embedded AWS does, unless it still runs from the last tick."""
    function, config, _name = lambda_svc._get_func_record_for_ref(arn)
    if arn in ticking or not function or not config:
        return
    ticking.add(arn)
    record = lambda_svc._execution_record_for_config(function, config)
    threading.Thread(target=_tick, args=(arn, record, json.loads(payload)), daemon=True).start()


def _tick(arn: str, record: dict[str, Any], event: dict[str, Any]) -> None:
    try:
        lambda_svc._execute_function_with_config_scope(record, event)
    finally:
        ticking.discard(arn)


def evaluate(alarm: dict[str, Any]) -> None:
    """Set an alarm's state by what its metric says now, and tell whom it tells."""
    dimensions = cloudwatch._dims_key({one["Name"]: one["Value"] for one in alarm.get("Dimensions") or ()})
    points = cloudwatch._metrics.get((alarm["Namespace"], alarm["MetricName"], dimensions)) or ()
    samples = [alarms.Sample(point["Timestamp"], *cloudwatch._point_stats(point)) for point in points]
    try:
        state = alarms.state_of(alarm, {"": samples}, time.time(), speed=SPEED)
    except alarms.NotModelledError:
        evaluate_as_before(alarm)
        return
    before, reason = alarm["StateValue"], f"{len(samples)} data of {alarm['MetricName']}: {alarm['ComparisonOperator']}"
    if state != before:
        alarm |= {"StateValue": state, "StateReason": reason, "StateUpdatedTimestamp": int(time.time())}
        cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
        cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
        cloudwatch._evaluate_parent_alarms(alarm)


def execute(record: dict[str, Any], event: object) -> dict[str, Any]:
    """Run a function; name what it raised by its class."""
    result: dict[str, Any] = execute_unnamed(record, event)
    body = result.get("body")
    raised = RAISED.findall(result.get("log") or "")
    if result.get("error") and isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError" and raised:
        result["body"] = body | {"errorType": raised[-1].rpartition(".")[2]}
    return result


def import_read(data: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Import a certificate into ACM with its own names and times; refuse a foreign key, and a place that is not its."""
    there = acm._certificates.get(data.get("CertificateArn") or "")
    try:
        leaf = x509.load_pem_x509_certificate(acm._decode_pem_field(data.get("Certificate")).encode())
        key = load_pem_private_key(acm._decode_pem_field(data.get("PrivateKey")).encode(), None)
    except ValueError as error:
        return _invalid(f"The certificate or its key can't be read: {error}")  # AWS has a message for each case
    if there and there["Type"] != "IMPORTED":
        return _invalid("The certificate was not imported, and can't be imported over.")
    if leaf.public_key() != key.public_key():
        return _invalid("The private key does not belong to the certificate.")
    answer: tuple[int, dict[str, str], bytes] = import_unread(data)
    if answer[0] == HTTPStatus.OK:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        shown = names.get_values_for_type(x509.DNSName)
        acm._certificates[json.loads(answer[2])["CertificateArn"]] |= {
            "DomainName": shown[0],
            "SubjectAlternativeNames": shown,
            "NotBefore": leaf.not_valid_before_utc.isoformat(),
            "NotAfter": leaf.not_valid_after_utc.isoformat(),
        }
    return answer


def _invalid(message: str) -> tuple[int, dict[str, str], bytes]:
    refused: tuple[int, dict[str, str], bytes] = error_response_json("ValidationException", message, 400)
    return refused


def put_events(resource: str, given: dict[str, Any]) -> Any:  # noqa: ANN401 - what a task gives
    """Put a state machine's events, whose details may be objects (Step Functions, "EventBridge PutEvents")."""
    entries = [
        entry if isinstance(entry["Detail"], str) else {**entry, "Detail": json.dumps(entry["Detail"])}
        for entry in given["Entries"]
    ]
    return put_texts(resource, {**given, "Entries": entries})


def resource_named(service: str, method: str, path: str, *rest: Any) -> str:  # noqa: ANN401 - as it is called
    """Name what a request is about, also where the embedded AWS knows none: policies may name it on AWS."""
    found: str = resource_known(service, method, path, *rest)
    if found != "*":
        return found
    if service == "route53" and "/change/" in path:
        return f"arn:aws:route53:::change/{path.rpartition('/')[2]}"
    headers, region, account = rest[0], rest[-2], rest[-1]
    if headers.get("x-amz-target", "").endswith(".ImportCertificate"):
        return f"arn:aws:acm:{region}:{account}:certificate/new"
    return found


RAISED = re.compile(r"^Traceback \(most recent call last\):\n(?: .*\n|\n)+([A-Za-z_][\w.]*)", re.MULTILINE)
"""What a traceback ends with: the class, behind its module."""
execute_unnamed = lambda_svc._execute_function_with_config_scope
lambda_svc._execute_function_with_config_scope = execute
resource_known = iam_actions.extract_resource_arn
iam_actions.extract_resource_arn = resource_named
put_texts = stepfunctions._SERVICE_DISPATCH["arn:aws:states:::events:putEvents"]
stepfunctions._SERVICE_DISPATCH["arn:aws:states:::events:putEvents"] = put_events
import_unread = acm._import_certificate
acm._import_certificate = import_read
evaluate_as_before = cloudwatch._evaluate_alarm
cloudwatch._evaluate_alarm = evaluate
if SPEED != 1:
    eventbridge._parse_rate_seconds = quickened
    eventbridge._dispatch_to_lambda = dispatch_unless_ticking
    scheduler._SCHEDULE_TICK_INTERVAL = min(1.0, scheduler._SCHEDULE_TICK_INTERVAL / SPEED)  # seconds between looks

if __name__ == "__main__":
    main()
