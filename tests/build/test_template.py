"""Facts about template.yaml that no deployment to an embedded AWS would show."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from build.template import TEMPLATE, parameter_defaults, template
from tests.support.functions import environment
from tests.support.people import ADMINISTRATOR, OPERATOR, READER
from tocsin.observability import Metric

RESOURCES: dict[str, Any] = template()["Resources"]
DASHBOARD = Path(TEMPLATE).parent / "build" / "dashboard.yaml"


def of_type(*types: str) -> Iterator[tuple[str, Any]]:
    return ((name, found) for name, found in RESOURCES.items() if found["Type"] in types)


def statements() -> Iterator[tuple[str, Any]]:
    """Every permission that a role has, with where it stands: the role, or the condition that it has it under."""
    for name, role in of_type("AWS::IAM::Role"):
        for policy in role["Properties"].get("Policies", []):
            where, document = (name, policy) if isinstance(policy, dict) else policy[:2]
            yield from ((where, one) for one in document["PolicyDocument"]["Statement"])
    for name, policy in of_type("AWS::IAM::ManagedPolicy"):
        yield from ((name, one) for one in policy["Properties"]["PolicyDocument"]["Statement"])


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_nothing_may_scan() -> None:
    """Design 3: never Scan; no function has the permission."""
    assert not [where for where, statement in statements() if "dynamodb:Scan" in listed(statement["Action"])]


def test_every_action_is_named() -> None:
    """No wildcard in an action."""
    assert not [where for where, statement in statements() for action in listed(statement["Action"]) if "*" in action]


INTERFACES = {
    *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
    *("ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
}


METRICS = {"cloudwatch:GetMetricData", "cloudwatch:ListDashboards", "cloudwatch:ListMetrics"}
"""Of the actions of CloudWatch those that take no resource (Service Authorization Reference)."""


def test_a_permission_on_everything_takes_no_resource_or_is_embedded() -> None:
    """`*` as a resource: only where AWS takes no resource, or in policies that no account ever has."""
    allowed = [(where, statement) for where, statement in statements() if statement["Effect"] == "Allow"]
    everywhere = {
        (where, action)
        for where, statement in allowed
        if "*" in listed(statement["Resource"])
        for action in listed(statement["Action"])
    }
    assert everywhere == {
        ("SourceSyncRole", "acm:ListCertificates"),
        ("SourceSyncRole", "acm:SearchCertificates"),
        ("ReadsIamCertificates", "iam:ListServerCertificates"),
        ("ReadsPrivateCas", "acm-pca:ListCertificateAuthorities"),
        ("ReadsSecretRotations", "secretsmanager:ListSecrets"),
        ("ReadsDomains", "route53domains:ListDomains"),
        ("Traces", "xray:PutTraceSegments"),
        ("Traces", "xray:PutTelemetryRecords"),
        *(("NetworkPolicy", action) for action in INTERFACES),
        *((policy, action) for policy in (READER, OPERATOR, ADMINISTRATOR) for action in METRICS),
        ("EmbeddedSendPolicy", "dynamodb:BatchExecuteStatement"),
        ("EmbeddedSendPolicy", "events:PutEvents"),
        ("EmbeddedSendPolicy", "ses:SendEmail"),
        ("EmbeddedSendPolicy", "ssm:GetParametersByPath"),
        ("EmbeddedReadPolicy", "ssm:GetParametersByPath"),
    }
    network = RESOURCES["NetworkPolicy"]
    own_code = network["Properties"]["PolicyDocument"]["Statement"][1]
    assert (own_code["Effect"], set(own_code["Action"])) == ("Deny", INTERFACES)
    embedded = [found for name, found in of_type("AWS::IAM::ManagedPolicy") if name.startswith("Embedded")]
    assert {policy["Condition"] for policy in embedded} == {"IsEmbedded"}
    assert template()["Conditions"]["IsEmbedded"] == ["Environment", "local"]


def test_the_api_can_decrypt_no_credentials() -> None:
    """Channel credentials are for the functions that send. The key aws/ssm lets everybody decrypt: it takes a Deny."""
    api = [statement for where, statement in statements() if where.startswith("ApiRole")]
    assert [one["Resource"] for one in api if one["Effect"] == "Deny" and one["Action"] == "kms:Decrypt"] == ["*"]
    assert not [one for one in api if "ssm:GetParameter" in listed(one["Action"])]


WRITES = ("Put", "Update", "Delete", "Write", "Publish", "Send", "Invoke", "Create", "Start", "PartiQL", "Execute")


def test_the_function_that_looks_may_write_nothing() -> None:
    """Not a row, not a lease: who may look at the dashboard can change nothing by it. Its own log it must write."""
    policies = [
        name for name, found in RESOURCES.items() if "WidgetRole" in found.get("Properties", {}).get("Roles", ())
    ]
    assert sorted(policies) == ["EmbeddedReadPolicy", "KeyPolicy", "WidgetReadPolicy"]
    assert "ManagedPolicyArns" not in RESOURCES["WidgetRole"]["Properties"]
    own = {"WidgetRole", "WidgetReadPolicy", "EmbeddedReadPolicy"}  # a key is used through DynamoDB only
    actions = {
        action
        for where, one in statements()
        if where in own and one["Effect"] == "Allow"
        for action in listed(one["Action"])
    }
    assert {action for action in actions if action.partition(":")[2].startswith(WRITES)} <= {
        *("logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords")
    }
    assert "dynamodb:Query" in actions


def test_every_function_has_a_role_and_a_log_group_of_its_own() -> None:
    functions = dict(of_type("AWS::Serverless::Function"))
    for name, found in functions.items():
        own = name.removesuffix("Function")
        assert found["Properties"]["Role"] == f"{own}Role.Arn", name
        assert found["Properties"]["LoggingConfig"]["LogGroup"] == f"{own}LogGroup", name
        assert found["Properties"]["AutoPublishCodeSha256"] == "Release", name
        assert found["Properties"]["AutoPublishAliasAllProperties"] is True, name


def test_what_runs_apprise_may_write_its_log_and_nothing_else() -> None:
    """Most of its code is not ours: it knows no table, no parameter, no other function, and has a layer of its own."""
    allowed = [listed(one["Action"]) for where, one in statements() if where.startswith("AppriseRole")]
    assert allowed == [["logs:CreateLogStream", "logs:PutLogEvents"]]
    shared = [
        name for name, found in RESOURCES.items() if "AppriseRole" in found.get("Properties", {}).get("Roles", ())
    ]
    assert not shared
    assert "ManagedPolicyArns" not in RESOURCES["AppriseRole"]["Properties"]
    layers = {name: found["Properties"]["Layers"] for name, found in of_type("AWS::Serverless::Function")}
    assert layers.pop("AppriseFunction") == ["AppriseLayer"]
    assert set(map(tuple, layers.values())) == {("TocsinLayer",)}


def test_apprise_is_invoked_for_its_rows_only() -> None:
    """Nothing starts it by itself, so that it costs nothing where nobody uses it."""
    function = RESOURCES["AppriseFunction"]["Properties"]
    assert not function.keys() & {"Events", "SnapStart", "ProvisionedConcurrencyConfig", "ReservedConcurrentExecutions"}
    invoking = [where for where, one in statements() if "apprise:live" in str(one["Resource"])]
    assert [where.partition(".")[0] for where in invoking] == ["SendPolicy"]
    assert RESOURCES["SendPolicy"]["Properties"]["Roles"] == ["DispatchRole", "RetrySweepRole"]


def test_bulk_requeue_may_requeue_and_nothing_else() -> None:
    """It sends nothing, reads no credentials, starts nobody, and has no schedule: a tick of the sweep starts it."""
    allowed = [one for where, one in statements() if where.startswith("BulkRequeueRole")]
    services = {action.partition(":")[0] for one in allowed for action in listed(one["Action"])}
    assert services == {"dynamodb", "logs"} | ({"xray"} if "xray" in str(allowed) else set())
    on_audit = [listed(one["Action"]) for one in allowed if "Audit" in str(one["Resource"])]
    assert on_audit == [["dynamodb:PutItem"]], "the trail is written, never read or changed"
    function = RESOURCES["BulkRequeueFunction"]["Properties"]
    assert not function.keys() & {"Events", "VpcConfig", "ReservedConcurrentExecutions"}
    assert function["EventInvokeConfig"] == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    invoking = {where.partition(".")[0] for where, one in statements() if "-requeue:live" in str(one["Resource"])}
    assert {"ApiRole", "RetrySweepRole"} <= invoking
    assert not invoking & {"BulkRequeueRole", "DispatchRole", "SchedulerRole", "ReaderPolicy"}


def test_no_route_catches_all() -> None:
    """Design 4: one route per operation, no `{proxy+}`, none without its signature."""
    api = RESOURCES["Api"]["Properties"]
    paths = api["DefinitionBody"]["paths"]
    assert {method for methods in paths.values() for method in methods} == {"get", "post", "put", "delete"}
    for path in paths:
        assert path.startswith("/api/v1/")
        assert "+" not in path
    assert api["Auth"]["DefaultAuthorizer"] == "AWS_IAM"
    assert not [one for methods in paths.values() for one in methods.values() if "security" in one]


def test_one_permission_lets_the_api_invoke_its_function() -> None:
    """A function's policy holds 20 KB (Lambda quotas); a permission for each route would fill it."""
    (permission,) = [found["Properties"] for _, found in of_type("AWS::Lambda::Permission")]
    assert permission["FunctionName"] == "ApiFunction.Alias"
    assert permission["SourceArn"].endswith(":${Api}/*/*/api/v1/*")
    functions = [found["Properties"] for _, found in of_type("AWS::Serverless::Function")]
    assert not [event for one in functions for event in one.get("Events", {}).values() if event["Type"] == "Api"]


def test_a_missed_sweep_is_not_made_up_for() -> None:
    """Design 3: the next tick is the retry. 2.8 [S]: every 2 minutes by default."""
    once = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    for name in ("RetrySweepFunction", "ExpiryCheckFunction", "SourceSyncFunction"):
        function = RESOURCES[name]["Properties"]
        assert function["Events"]["Tick"]["Properties"]["RetryPolicy"] == once
        assert function["EventInvokeConfig"] == once, "Scheduler's own end at Lambda's queue, which has others"
    assert parameter_defaults()["RetryInterval"] == "2 minutes"


def test_the_stream_brings_what_is_pending_and_unclaimed_and_critical_rows_apart() -> None:
    """Each row by exactly one of two mappings, which differ in nothing else (docs/decisions/critical-lanes.md)."""
    events = [event["Properties"] for event in RESOURCES["DispatchFunction"]["Properties"]["Events"].values()]
    images = []
    for mapping in events:
        (pattern,) = mapping["FilterCriteria"]["Filters"]
        images.append(json.loads(pattern["Pattern"])["dynamodb"]["NewImage"])
    severities = [image.pop("severity") for image in images]
    assert images == [{"status": {"S": ["pending"]}, "claimed_until": {"N": ["0"]}}] * 2
    assert severities == [{"S": [{"anything-but": ["critical"]}]}, {"S": ["critical"]}]
    others, critical = ({name: one for name, one in mapping.items() if name != "FilterCriteria"} for mapping in events)
    assert others == critical
    assert others["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_functions_are_told_what_the_tests_tell_them() -> None:
    """The environment that the functions are tested with is the deployed one: its names, and its defaults."""
    deployed: dict[str, str] = template()["Globals"]["Function"]["Environment"]["Variables"]
    tested = environment("stack", "table", "endpoint")
    assert {name for name in tested if not name.startswith("AWS_")} <= deployed.keys()
    defaults = parameter_defaults()
    by_parameter = {name: defaults[parameter] for name, parameter in deployed.items() if str(parameter) in defaults}
    assert {name: tested[name] for name in by_parameter} == by_parameter


OF_AWS = {
    *("Errors", "5XXError", "Throttles", "WriteThrottleEvents", "IteratorAge", "InvocationDroppedCount"),
    "ApproximateNumberOfMessagesVisible",
}


@pytest.mark.parametrize("name", sorted(name for name, _ in of_type("AWS::CloudWatch::Alarm")))
def test_an_alarm_tells_somebody_and_reads_a_metric_that_exists(name: str) -> None:
    alarm = RESOURCES[name]["Properties"]
    assert alarm["AlarmActions"] == ["AlarmTopic"]
    assert metrics_of(alarm)
    for namespace, metric in metrics_of(alarm):
        assert metric in (set(Metric) if namespace == "Tocsin" else OF_AWS)


def metrics_of(alarm: Any) -> list[tuple[str, str]]:
    queried = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
    return [(metric["Namespace"], metric["MetricName"]) for metric in queried or [alarm]]


@pytest.mark.parametrize(
    ("alarm", "parameter"),
    [
        ("SweepMissingAlarm", "RetryInterval"),
        ("ExpiryCheckMissingAlarm", "ExpiryCheckInterval"),
        ("SourceSyncMissingAlarm", "SourceSyncInterval"),
    ],
)
def test_what_is_missing_counts_as_none_and_no_interval_is_longer_than_its_alarm(alarm: str, parameter: str) -> None:
    """Without FILL, CloudWatch looks back for data that it has, and an alarm of 10 minutes takes 20."""
    properties = RESOURCES[alarm]["Properties"]
    filled, found = properties["Metrics"]
    assert (filled["Expression"], filled["ReturnData"], found["ReturnData"]) == ("FILL(found, 0)", True, False)
    assert properties["TreatMissingData"] == "breaching"
    minutes = properties["EvaluationPeriods"] * found["MetricStat"]["Period"] / 60
    pattern = re.compile(template()["Parameters"][parameter]["AllowedPattern"])
    assert pattern.fullmatch(parameter_defaults()[parameter])
    for unit, length in (("minute", 1), ("hour", 60), ("day", 1440)):
        accepted = [n for n in range(1, 3000) if pattern.fullmatch(f"{n} {unit}{'s' if n > 1 else ''}")]
        assert all(n * length < minutes for n in accepted), (unit, accepted[-3:])


def test_an_alarm_pays_for_two_metrics_at_most() -> None:
    """$0.10 a month for each (CloudWatch pricing)."""
    assert max(len(metrics_of(found["Properties"])) for _, found in of_type("AWS::CloudWatch::Alarm")) == 2


BY_CHANNEL = (
    r"SEARCH\('\{Tocsin,service,channel\} MetricName=\"(?P<metric>\w+)\" service=\"\$\{AWS::StackName\}\"', 'Sum', 60\)"
)


def test_the_dashboard_shows_metrics_that_exist_by_every_channel() -> None:
    """Its body is JSON once CloudFormation has filled in the names."""
    text: str = yaml.safe_load(DASHBOARD.read_text())["Fn::Sub"]
    assert set(re.findall(r"\$\{([^}]+)\}", text)) <= {
        "AWS::AccountId",
        "AWS::Partition",
        "AWS::Region",
        "AWS::StackName",
    }
    widgets = json.loads(text)["widgets"]
    shown = [metric for widget in widgets for metric in widget["properties"].get("metrics", [])]
    searches = [metric[0]["expression"] for metric in shown if len(metric) == 1]
    shown = [metric for metric in shown if len(metric) > 1]
    assert {metric[0] for metric in shown} == {"Tocsin"}
    assert {metric[1] for metric in shown} <= set(Metric)
    found = [re.fullmatch(BY_CHANNEL, search) for search in searches]
    assert {match["metric"] for match in found if match} == {
        *(Metric.DELIVERED, Metric.ACCEPTED, Metric.ATTEMPT_FAILED, Metric.DEAD)
    }
    assert all(found), "a search finds channels that have names of their own"
    alarms = {arn.rpartition(":alarm:")[2] for widget in widgets for arn in widget["properties"].get("alarms", [])}
    named = {found["Properties"]["AlarmName"] for _, found in of_type("AWS::CloudWatch::Alarm")}
    assert alarms == named


def test_the_dashboard_has_the_widget_whose_letters_never_throw_an_operator_back() -> None:
    """CloudWatch user guide, "Custom widgets": an update calls with the parameters, whatever page was looked at."""
    text: str = yaml.safe_load(DASHBOARD.read_text())["Fn::Sub"]
    widgets = [one for one in json.loads(text)["widgets"] if one["type"] == "custom"]
    updates = {one["properties"]["params"]["view"]: one["properties"]["updateOn"] for one in widgets}
    never = {"refresh": False, "resize": False, "timeRange": False}
    assert updates == {"counts": never | {"refresh": True}, "letters": never}
    told = template()["Globals"]["Function"]["Environment"]["Variables"]
    assert {one["properties"]["endpoint"] for one in widgets} == {told["WIDGET_LOOK"]}
    for variable, function in (("WIDGET_LOOK", "WidgetFunction"), ("WIDGET_ACT", "WidgetActFunction")):
        name = RESOURCES[function]["Properties"]["FunctionName"]
        assert told[variable].endswith(f":function:{name}:live"), "written out: a reference would be a circle"
        assert name.startswith("customWidget-"), "by which CloudWatch's console offers it"


def allowed(policy: str) -> Any:
    (statement,) = RESOURCES[policy]["Properties"]["PolicyDocument"]["Statement"]
    return statement


def test_mail_is_authorized_by_who_it_is_from_and_whom_it_goes_to() -> None:
    """SES authorizes every identity and configuration set that a mail touches, recipients in its sandbox included.

    Source: Service Authorization Reference, "Amazon Simple Email Service v2", SendEmail. Faults, "an open relay".
    """
    mail = allowed("SendEmailPolicy")
    assert [resource.rpartition(":")[2] for resource in mail["Resource"]] == ["identity/*", "configuration-set/*"]
    assert mail["Condition"]["StringLike"]["ses:FromAddress"] == [
        "EmailIdentity",
        "*@${EmailIdentity}",
        "*@*.${EmailIdentity}",
    ]
    recipients = mail["Condition"]["ForAllValues:StringLike"]["ses:Recipients"]
    domains = [",*@", [",", "AllowedRecipientDomains"]]  # Join of Split: each domain gets what stands before it
    assert recipients == ["HasRecipientDomains", [",", ["*@${Domains}", {"Domains": domains}]], "*"]


def test_who_sends_and_reads_runs_in_the_vpc_and_may_before_it_is_made() -> None:
    """Lambda refuses to make a function whose role may not make interfaces yet: the roles name the policy."""
    for name in ("Dispatch", "RetrySweep", "SourceSync"):
        assert RESOURCES[f"{name}Function"]["Properties"]["VpcConfig"][0] == "HasSubnets"
        assert RESOURCES[f"{name}Role"]["Properties"]["ManagedPolicyArns"] == [
            "HasSubnets",
            ["NetworkPolicy"],
            "AWS::NoValue",
        ]
    assert "Roles" not in RESOURCES["NetworkPolicy"]["Properties"]


def test_nothing_is_reserved_limited_or_snapshotted_by_default() -> None:
    """A new account may have ten concurrent executions, of which none can be reserved."""
    defaults = parameter_defaults()
    reserved = ("ApiReservedConcurrency", "DispatchReservedConcurrency", "SweepReservedConcurrency")
    assert [defaults[name] for name in (*reserved, "SubnetIds", "ApiRateLimit", "SnapStart")] == [
        *("",) * 4,
        "0",
        "none",
    ]
    accepted = RESOURCES["DispatchFunction"]["Properties"]["Events"]["Accepted"]["Properties"]
    assert accepted["ParallelizationFactor"] == "DispatchLanes"


def test_every_role_has_the_path_and_the_boundary_that_the_account_asks_for() -> None:
    for name, role in of_type("AWS::IAM::Role"):
        assert role["Properties"]["Path"] == "RolePath", name
        assert role["Properties"]["PermissionsBoundary"][:2] == ["HasBoundary", "PermissionsBoundaryArn"], name


def test_scheduler_assumes_its_role_for_the_stack_s_own_group_only() -> None:
    """EventBridge Scheduler user guide, "Confused deputy prevention": the source is the group."""
    (trust,) = RESOURCES["SchedulerRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"]["StringEquals"]["aws:SourceArn"].endswith(":schedule-group/${AWS::StackName}")
    ticks = [
        event["Properties"]["GroupName"]
        for _, function in of_type("AWS::Serverless::Function")
        for event in function["Properties"].get("Events", {}).values()
        if event["Type"] == "ScheduleV2"
    ]
    assert ticks == ["Schedules"] * 3


def test_names_are_short_enough_for_the_longest_stack_name_that_the_page_allows() -> None:
    """64 characters of a function's or schedule's name (Lambda and Scheduler API references)."""
    (limit,) = re.findall(
        r"stack's name may have (\d+) characters", (TEMPLATE.parent / "docs/operations.md").read_text()
    )
    made = [found["Properties"]["FunctionName"] for _, found in of_type("AWS::Serverless::Function")]
    assert max(len(name.replace("${AWS::StackName}", "x" * int(limit))) for name in made) == 64


def test_logs_stay_when_the_stack_goes_and_do_not_stand_in_the_way_of_the_next() -> None:
    for name, group in of_type("AWS::Logs::LogGroup"):
        assert group["DeletionPolicy"] == "RetainExceptOnCreate", name
        written = group["Properties"].get("LogGroupName")
        assert written is None or "${Id}" in written[0], name


def test_adopted_tables_replace_the_stack_s_own_everywhere() -> None:
    """A role or a setting that still named the own table would read or write where nothing is."""
    for logical in ("Notifications", "Inventory", "Audit"):
        for name, resource in RESOURCES.items():
            text = json.dumps(resource)
            own = text.count(f'"{logical}.') + text.count(f'"{logical}"')
            assert own == text.count(f'"Adopts{logical}"'), (name, logical)
