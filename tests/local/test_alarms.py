"""The model of CloudWatch's alarms says what the CloudWatch user guide says, and nothing of what it does not know."""

from typing import Any

import pytest

from local.alarms import ALARM, OK, NotModelledError, Sample, judged, per_period, state_of

READ = {"0": False, "X": True, "-": None}

# "Configuring how CloudWatch alarms treat missing data", the two tables: an evaluation range of five data, the columns
# for breaching and for notBreaching.
THREE_OF_THREE = [
    ("0 - X - X", OK, OK),
    ("- - - - 0", OK, OK),
    ("- - - - -", ALARM, OK),
    ("0 X X - X", ALARM, ALARM),
    ("- - X - -", ALARM, OK),
]
TWO_OF_THREE = [
    ("0 - X - X", ALARM, ALARM),
    ("0 0 X 0 X", ALARM, ALARM),
    ("0 - X - -", ALARM, OK),
    ("- - - - 0", ALARM, OK),
    ("- - - X -", ALARM, OK),
]


@pytest.mark.parametrize(
    ("to_alarm", "data", "breaching", "not_breaching"),
    [(3, *row) for row in THREE_OF_THREE] + [(2, *row) for row in TWO_OF_THREE],
)
def test_missing_data_are_treated_as_the_guide_says(
    to_alarm: int, data: str, breaching: str, not_breaching: str
) -> None:
    read = [READ[one] for one in data.split()]
    assert judged(read, 3, to_alarm, "breaching") == breaching
    assert judged(read, 3, to_alarm, "notBreaching") == not_breaching


@pytest.mark.parametrize("treatment", ["missing", "ignore"])
def test_another_treatment_is_not_guessed_at(treatment: str) -> None:
    with pytest.raises(NotModelledError):
        judged([True], 1, 1, treatment)


def test_a_statistic_is_of_its_period() -> None:
    samples = [Sample.of(at, value) for at, value in [(1, 5), (60, 7), (61, 1)]]
    assert per_period(samples, "Maximum", 60, now=120, count=2) == [7, 1]
    assert per_period(samples, "Sum", 60, now=120, count=2) == [12, 1]
    assert per_period(samples, "SampleCount", 60, now=120, count=3) == [None, 2, 1]
    with pytest.raises(NotModelledError):
        per_period(samples, "p99", 60, now=120, count=2)


def test_a_sample_may_be_of_many_values() -> None:
    assert per_period([Sample(10, 4, 20, 2, 9)], "SampleCount", 60, now=60, count=1) == [4]


def an_alarm(**fields: Any) -> dict[str, Any]:
    boring = {"Statistic": "Maximum", "Period": 300, "EvaluationPeriods": 1, "Threshold": 1}
    return boring | {"ComparisonOperator": "GreaterThanOrEqualToThreshold", "TreatMissingData": "notBreaching"} | fields


def test_an_alarm_ends_once_its_data_are_out_of_range() -> None:
    """What is said for the last time counts for three periods: CloudWatch looks back where nothing new is."""
    said = {"": [Sample.of(1000, 1)]}
    assert state_of(an_alarm(), {}, 1000) == OK
    assert state_of(an_alarm(), said, 1000) == ALARM
    assert state_of(an_alarm(), said, 1000 + 899) == ALARM
    assert state_of(an_alarm(), said, 1000 + 900) == OK


def test_a_newer_datum_ends_it_at_once() -> None:
    said = {"": [Sample.of(1000, 1), Sample.of(1300, 0)]}
    assert state_of(an_alarm(), said, 1300) == OK


def test_a_quickened_period_is_shorter() -> None:
    said = {"": [Sample.of(1000, 1)]}
    assert state_of(an_alarm(), said, 1014, speed=60) == ALARM
    assert state_of(an_alarm(), said, 1015, speed=60) == OK


def math(expression: str, *ids: str) -> list[dict[str, Any]]:
    queries = [
        {"Id": id_, "ReturnData": False, "MetricStat": {"Period": 300, "Stat": "Sum", "Metric": {}}} for id_ in ids
    ]
    return [{"Id": "all", "Expression": expression, "ReturnData": True}, *queries]


def test_what_is_filled_does_not_look_back() -> None:
    """FILL gives every period a value: so an alarm that waits for something goes off on time."""
    filled = an_alarm(
        Metrics=math("FILL(found, 0)", "found"),
        EvaluationPeriods=2,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
    )
    said = {"found": [Sample.of(1000, 1)]}
    assert state_of(filled, said, 1000 + 299) == OK
    assert state_of(filled, said, 1000 + 600) == ALARM
    assert state_of(filled, {}, 1000) == ALARM


@pytest.mark.parametrize("expression", ["SUM(METRICS())", "SUM([a, b])", "SUM([FILL(a, 0), FILL(b, 0)])"])
def test_a_sum_is_of_what_there_is(expression: str) -> None:
    both = an_alarm(Metrics=math(expression, "a", "b"), Threshold=10)
    assert state_of(both, {"a": [Sample.of(1000, 6)], "b": [Sample.of(1001, 4)]}, 1002) == ALARM
    assert state_of(both, {"a": [Sample.of(1000, 6)], "b": [Sample.of(1001, 3)]}, 1002) == OK
    assert state_of(both, {"a": [Sample.of(1000, 10)]}, 1002) == ALARM


@pytest.mark.parametrize("expression", ["RATE(a)", "a / b", "FILL(a, LINEAR)", "SUM(a)"])
def test_other_math_is_not_guessed_at(expression: str) -> None:
    with pytest.raises(NotModelledError):
        state_of(an_alarm(Metrics=math(expression, "a", "b")), {}, 1000)


def test_an_alarm_on_dynamodb_is_not_guessed_at_where_nothing_is_said() -> None:
    """It would stay as it is, whatever TreatMissingData says (API reference, PutMetricAlarm)."""
    with pytest.raises(NotModelledError):
        state_of(an_alarm(Namespace="AWS/DynamoDB"), {}, 1000)
    assert state_of(an_alarm(Namespace="AWS/DynamoDB"), {"": [Sample.of(1000, 0)]}, 1000) == OK
