"""Tables that repeat what the code or the template says: they say the same."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from build.idle_month import SNAPSHOTS, bill
from build.template import template
from build.toolchain import ROOT
from local.alarms import LOOK_BACK
from tests.docs.markdown import blocks, codes, page, tables
from tests.docs.template import actions_of_roles, resources, routes, under_a_condition
from tests.support.channels import NOW, a_notification
from tests.support.people import actions, may_call
from tocsin.delivery.attempt import Delivered, FailureClass, NotConfigured, Refused
from tocsin.delivery.notification import DeliveryPolicy, Notification, Outcome, Status
from tocsin.delivery.send import STOP_BEFORE
from tocsin.delivery.snapshot import Snapshot, prometheus_text
from tocsin.errors import TransitionRefusedError
from tocsin.observability import _UNITS, Metric

ARCHITECTURE = page("docs/architecture.md")
REFERENCE = page("docs/reference.md")
OPERATIONS = page("docs/operations.md")
CONNECTORS = page("docs/connectors.md")


def only(table: list[list[Any]]) -> list[Any]:
    assert len(table) == 1
    return table[0]


def test_parameters() -> None:
    """Every parameter of the template with its default, in the template's order."""
    rows = only(tables(OPERATIONS, "Parameters"))
    described = [(row["parameter"].strip("`"), row["default"].replace("empty", "").strip("`")) for row in rows]
    given = [(name, str(parameter["Default"])) for name, parameter in template()["Parameters"].items()]
    assert described == given


def test_metrics() -> None:
    """Every metric with its unit, and whether it carries the channel."""
    first_gauge = list(Metric).index(Metric.DEAD_LETTER_DEPTH)
    emitted = [
        (metric.value, _UNITS.get(metric, "Count"), "yes" if place < first_gauge else "no")
        for place, metric in enumerate(Metric)
    ]
    rows = only(tables(REFERENCE, "Metrics"))
    assert [(row["metric"].strip("`"), row["unit"], row["by channel"]) for row in rows] == emitted


def test_alarms() -> None:
    """Every alarm with its condition, and a section of the runbook."""
    rows = {row["alarm"].strip("`"): row for row in only(tables(REFERENCE, "Alarms"))}
    alarms = {
        alarm["AlarmName"].removeprefix("${AWS::StackName}-"): alarm
        for alarm in resources("AWS::CloudWatch::Alarm").values()
    }
    assert rows.keys() == alarms.keys()
    for name, alarm in alarms.items():
        assert codes(rows[name]["metric"]) == metrics_of(alarm), name
        assert rows[name]["goes off when"] == condition_of(alarm), name
        assert rows[name]["without data"] == alarm["TreatMissingData"], name
        assert f"\n### {name}\n" in OPERATIONS.read_text(), name


def test_when_alarms_end() -> None:
    """The runbook says of every alarm when it ends; in minutes, where CloudWatch has to look back for that."""
    ends = {row["alarm"].strip("`"): row["ends"] for row in only(tables(OPERATIONS, "Runbook"))}
    alarms = {
        alarm["AlarmName"].removeprefix("${AWS::StackName}-"): alarm
        for alarm in resources("AWS::CloudWatch::Alarm").values()
    }
    assert ends.keys() == alarms.keys()
    for name, said in ends.items():
        if found := re.match(r"within (\d+) minutes after ", said):
            alarm = alarms[name]
            assert int(found[1]) == (alarm["EvaluationPeriods"] + LOOK_BACK) * alarm["Period"] / 60, name
        else:
            assert said.startswith(("with ", "when ")), name


def metrics_of(alarm: Mapping[str, Any]) -> list[str]:
    queries = [
        query["MetricStat"]["Metric"]["MetricName"] for query in alarm.get("Metrics", []) if "MetricStat" in query
    ]
    return list(dict.fromkeys(queries)) or [alarm["MetricName"]]


def condition_of(alarm: Mapping[str, Any]) -> str:
    compared = {
        "GreaterThanOrEqualToThreshold": ">=",
        "GreaterThanThreshold": ">",
        "LessThanThreshold": "<",
    }[alarm["ComparisonOperator"]]
    measured = alarm if "Period" in alarm else alarm["Metrics"][1]["MetricStat"]
    statistic, periods = measured.get("Statistic") or measured["Stat"], alarm["EvaluationPeriods"]
    times = f"{periods} \N{MULTIPLICATION SIGN} " if periods > 1 else ""
    return f"{statistic} {compared} {alarm['Threshold']} in {times}{measured['Period']} s"


def test_permissions() -> None:
    """Every role, with exactly the actions that it has in an account."""
    described = {row["role"].strip("`"): codes(row["actions"]) for row in only(tables(REFERENCE, "Permissions"))}
    assert {role: set(actions) for role, actions in described.items()} == actions_of_roles()
    assert not any("Scan" in action for actions in described.values() for action in actions)


def test_traces_are_written_by_every_function_that_makes_some_and_only_on_request() -> None:
    """`Tracing=yes`: Lambda refuses a function whose role may not write them; without it no role may."""
    roles = resources("AWS::IAM::Role")
    functions = resources("AWS::Serverless::Function").values()
    of_functions = {str(function["Role"]).removesuffix(".Arn") for function in functions}
    writes = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
    allowed = {name: under_a_condition(role).get("Traces") for name, role in roles.items() if under_a_condition(role)}
    assert allowed == dict.fromkeys(of_functions, writes)
    assert all(f"`{action}`" in REFERENCE.read_text() for action in writes)


def test_optional_sources_read_by_actions_of_their_own() -> None:
    """Every optional source with its parameter, and exactly the actions that the role has only with it."""
    rows = only(tables(REFERENCE, "Optional sources"))
    described = {f"Reads{codes(row['parameter'])[0].removeprefix('Read')}": set(codes(row["actions"])) for row in rows}
    assert described | {"Traces": {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}} == under_a_condition(
        resources("AWS::IAM::Role")["SourceSyncRole"]
    )
    assert all(template()["Parameters"][codes(row["parameter"])[0]]["Default"] == "no" for row in rows)


ROLES = ("producer", "agent", "renewer", "reader", "operator", "administrator")


def test_who_may_call_which_route() -> None:
    """Every route of the template stands once in the table, and each policy allows it as the table says."""
    rows = tables(OPERATIONS, "Who may do what")[0]
    described = {route: {role: row[role] == "yes" for role in ROLES} for row in rows for route in codes(row["routes"])}
    assert sum(len(codes(row["routes"])) for row in rows) == len(described)
    assert described == {
        route: {role: may_call(f"{role.title()}Policy", route) for role in ROLES} for route in routes()
    }


def test_what_people_may_do_besides() -> None:
    rows = tables(OPERATIONS, "Who may do what")[1]
    for role in ROLES:
        described = {action for row in rows if row[role] == "yes" for action in codes(row["action"])}
        assert described | {"execute-api:Invoke"} == actions(f"{role.title()}Policy"), role


def test_indexes() -> None:
    described = {
        row["index"].strip("`"): (codes(row["partition"])[0], codes(row["sort key"])[0])
        for row in tables(ARCHITECTURE, "Data")[0]
    }
    table = resources("AWS::DynamoDB::Table")["Notifications"]
    assert described == {
        index["IndexName"]: tuple(key["AttributeName"] for key in index["KeySchema"])
        for index in table["GlobalSecondaryIndexes"]
    }


def test_packages() -> None:
    """The page has a line for each package, and no other."""
    package = ROOT / "layers" / "tocsin" / "tocsin"
    described = [name for row in only(tables(ARCHITECTURE, "Modules")) for name in codes(row["package"])]
    assert sorted(described) == sorted(path.parent.name for path in package.glob("*/__init__.py"))


def test_prometheus() -> None:
    described = {row["name"].strip("`") for row in only(tables(CONNECTORS, "Metrics for Prometheus"))}
    some = {("Email", Status.DEAD): 1}
    assert described == set(re.findall(r"# TYPE (\w+) \w+", prometheus_text(Snapshot(NOW, 1, 1), some)))


def test_the_state_diagram_shows_every_step_and_no_other() -> None:
    drawn = [block.text for block in blocks(ARCHITECTURE, "mermaid") if "stateDiagram" in block.text]
    edges = set(re.findall(r"^ *(\w+) --> (\w+)", drawn[0], re.MULTILINE))
    assert edges == {(before.value, after.value) for before in Status for after in steps_from(before)}


def steps_from(status: Status) -> set[Status]:
    """Give the states that some step leads to; claiming is not one: it changes no state."""
    policy = DeliveryPolicy()
    row = replace(a_notification(), status=status, died_at=NOW)
    taken = replace(row, outcome=Outcome.ACCEPTED)
    spent = replace(row, retry_count=policy.retry.max_attempts - 1)

    def settled(subject: Notification, result: Any) -> Notification:
        return subject.settled(result, started_at=NOW, now=NOW + timedelta(seconds=1), policy=policy)

    tried: Sequence[Callable[[], Notification]] = (
        lambda: settled(row, Delivered()),
        lambda: settled(row, NotConfigured()),
        lambda: settled(row, Refused(FailureClass.RETRYABLE, "down")),
        lambda: settled(spent, Refused(FailureClass.RETRYABLE, "down")),
        lambda: settled(row, Refused(FailureClass.PERMANENT, "gone")),
        lambda: row.requeued(NOW, policy),
        lambda: row.acknowledged(NOW),
        lambda: row.superseded("renewed", NOW),
        lambda: row.proven("mail-1", NOW),
        lambda: taken.bounced("no such mailbox", "mail-1", NOW),
    )
    reached = set()
    for step in tried:
        try:
            reached.add(step().status)
        except TransitionRefusedError:
            continue
    return reached


def test_write_units_add_up() -> None:
    """The table of steps, and the three lives that are made of them: 6, 10 and 23."""
    rows = {row["step"]: row for row in only(tables(ARCHITECTURE, "What a life costs"))}
    units = {step: int(row["sum"]) for step, row in rows.items()}
    for step, row in rows.items():
        parts = [cell for name, cell in row.items() if name not in ("step", "sum")]
        assert sum(int(part) for part in parts if part) == units[step], step
    retry = units["claimed"] + units["failed, to be retried"]
    at_once = units["accepted"] + units["claimed"] + units["sent"]
    assert (at_once, at_once + retry) == (6, 10)
    assert units["accepted"] + 4 * retry + units["claimed"] + units["dead"] == 23


def test_costs_add_up() -> None:
    """The arithmetic of the price table; the README names its sum."""
    dollars = [row["sum"] for row in tables(OPERATIONS, "Costs")[0]]
    *parts, total = [float(re.sub(r"[*$]", "", cell)) for cell in dollars]
    assert round(sum(parts), 2) == total
    assert f"${total} for a million notifications" in page("README.md").read_text()


def test_an_idle_month() -> None:
    """At most $3, all in; page and README say what the script computes from the template."""
    *rows, total = tables(OPERATIONS, "Costs")[1]
    items = bill()
    assert [(row["what"], row["how much"], row["sum"]) for row in rows] == [
        (item.what, item.how_much, f"${item.dollars:.2f}") for item in items
    ]
    dollars = round(sum(item.dollars for item in items), 2)
    assert total["sum"] == f"**${dollars:.2f}**"
    assert f"${dollars:.2f} an idle month" in page("README.md").read_text()
    assert dollars <= 3


def test_snapshots_are_what_they_cost() -> None:
    """A bill that misses what is switched on is none."""
    without, one, two = (sum(item.dollars for item in bill({"SnapStart": choice})) for choice in SNAPSHOTS)
    assert without + 3.5 < one < two - 3.5


def test_a_worker_stops_claiming_as_long_before_its_end_as_the_page_says() -> None:
    (seconds,) = re.findall(r"stops claiming (\d+) seconds before", ARCHITECTURE.read_text())
    assert float(seconds) == STOP_BEFORE


def test_the_tour_leads_to_files() -> None:
    """Seven, each of which exists."""
    files = [codes(row["open"])[0] for row in only(tables(ARCHITECTURE, "A tour of seven files"))]
    assert len(files) == 7
    assert all((ROOT / file).is_file() for file in files), files
