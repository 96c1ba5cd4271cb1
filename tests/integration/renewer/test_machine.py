"""The ways through the example renewer's state machine: its own definition, with steps that answer or fail as told."""

from typing import Any

import pytest

from local.example_renewer import EXAMPLE
from tests.integration.renewer.conftest import asked
from tests.support.state_machine import FUNCTION, Walk, walked

STEPS = ("Plan", "Order", "Answer", "Check", "Issue", "Clean", "Report")
ORDERED = ["Plan", "Report", "Order", "Answer", "Check", "Check", "Issue"]
PEM = "-----BEGIN CERTIFICATE-----"
ANSWERS: dict[str, list[Any]] = {
    "Plan": [
        {
            "start_at": "2026-01-01T00:00:00Z",
            "replaces": "",
            "poll_seconds": 15,
            "order": {"round": 0, "url": "", "challenges": []},
        }
    ],
    "Order": [{"round": 1, "url": "https://acme/1", "challenges": [["_acme-challenge.www.example.com", "x"]]}],
    "Answer": [{"state": "propagating", "looks": 0, "changes": ["C1"]}],
    "Check": [
        {"state": "validating", "looks": 1, "changes": ["C1"]},
        {"state": "ready", "looks": 2, "changes": ["C1"]},
    ],
    "Issue": [{"pem": PEM, "serial": "2c", "expires_at": "2026-06-18T00:00:00Z", "acm_arn": "arn", "secret_arn": ""}],
    "Clean": [{"changes": ["C2"]}],
    "Report": [{}],
}


def walk(**failures: dict[int, str]) -> Walk:
    definition = (EXAMPLE / "renewal.asl.json").read_text()
    for name in STEPS:
        definition = definition.replace(f"${{{name}}}", FUNCTION + name)
    definition = definition.replace("${EventBusName}", "tocsin").replace("${Source}", "renewer.renewer")
    return walked(definition, {"job": asked()}, ANSWERS, failures)


def reports(done: Walk) -> list[tuple[str, str | None, str | None]]:
    """Give the state, the certificate and the error of each report."""
    said = [event for name, event in done.calls if name == "Report"]
    return [(event["state"], event.get("pem"), event.get("problem", {}).get("Error")) for event in said]


def test_a_renewal_that_succeeds_is_reported_and_announced() -> None:
    done = walk()
    assert (done.status, done.names) == ("SUCCEEDED", [*ORDERED, "Clean", "Report"])
    assert reports(done) == [("started", None, None), ("started", PEM, None)]
    (event,) = done.events
    assert (event["EventBusName"], event["Source"], event["DetailType"]) == (
        "tocsin",
        "renewer.renewer",
        "Certificate Issued",
    )
    assert event["Detail"]["certificate_id"] == asked()["certificate_id"]


@pytest.mark.parametrize("step", ["Order", "Answer", "Check", "Issue"])
def test_a_refusal_cleans_up_and_is_reported(step: str) -> None:
    done = walk(**{step: {1: "RefusedError"}})
    assert (done.status, done.error) == ("FAILED", "RefusedError")
    assert done.names == [*ORDERED[: ORDERED.index(step) + 1], "Clean", "Report"]
    assert reports(done)[-1] == ("failed", None, "RefusedError")
    assert done.events == []


def test_what_is_refused_before_there_is_an_order_leaves_nothing_to_clean() -> None:
    done = walk(Plan={1: "RefusedError"})
    assert (done.status, done.names) == ("FAILED", ["Plan", "Report"])
    assert reports(done) == [("failed", None, "RefusedError")]


def test_a_job_that_is_over_is_left_alone() -> None:
    done = walk(Report={1: "JobIsOverError"})
    assert (done.status, done.names) == ("SUCCEEDED", ["Plan", "Report"])


@pytest.mark.parametrize("error", ["OrderSpentError", "Sandbox.Timedout", "Lambda.Unknown"])
def test_a_key_that_was_lost_leads_to_another_order(error: str) -> None:
    done = walk(Issue={1: error})
    again = ("Order", "Answer", "Check", "Issue")
    assert (done.status, done.names) == ("SUCCEEDED", [*ORDERED, *again, "Clean", "Report"])


@pytest.mark.parametrize("step", ["Plan", "Order", "Check", "Issue"])
def test_an_authority_that_is_busy_is_asked_again(step: str) -> None:
    done = walk(**{step: {1: "AuthorityBusyError", 2: "AuthorityBusyError"}})
    assert done.status == "SUCCEEDED"
    assert done.names.count(step) >= 3


def test_a_tocsin_that_is_away_is_told_later() -> None:
    done = walk(Report={1: "TocsinUnreachableError", 3: "TocsinUnreachableError"})
    assert done.status == "SUCCEEDED"
    assert [state for state, _, _ in reports(done)] == ["started"] * 4


def test_records_that_can_not_be_removed_spoil_no_certificate() -> None:
    done = walk(Clean={1: "ClientError"})
    assert done.status == "SUCCEEDED"
    assert reports(done)[-1] == ("started", PEM, None)


def test_a_certificate_that_can_not_be_reported_is_announced_all_the_same() -> None:
    """The job was cancelled meanwhile; who deploys wants to know."""
    done = walk(Report={2: "JobIsOverError"})
    assert (done.status, len(done.events)) == ("SUCCEEDED", 1)


def test_a_failure_that_can_neither_be_cleaned_up_nor_reported_is_still_a_failure() -> None:
    done = walk(Issue={1: "RefusedError"}, Clean={1: "ClientError"}, Report={2: "RefusedError"})
    assert (done.status, done.error) == ("FAILED", "RefusedError")
