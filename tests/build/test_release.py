"""What `make up` and `make deploy` hand to CloudFormation."""

import pytest

from build.deploy import parameters
from build.release import parameters_from, release_digest
from build.template import parameter_defaults


def test_parameters_are_named_in_upper_snake_case() -> None:
    assert parameters_from({"BACKOFF_BASE_SECONDS": "1", "HOME": "/x"}) == {"BackoffBaseSeconds": "1"}


@pytest.mark.parametrize("name", ["ENVIRONMENT", "RELEASE"])
def test_common_variables_of_the_caller_are_not_parameters(name: str) -> None:
    """Many a CI sets them, and means something else."""
    assert parameters_from({name: "production"}) == {}


def test_every_parameter_has_a_default() -> None:
    """Design 4: the stack deploys as it stands."""
    assert parameter_defaults()["MaxAttempts"] == "5"
    assert parameter_defaults()["AlarmEmail"] == ""


def test_a_new_parameter_makes_a_new_release() -> None:
    """Otherwise the alias would go on with the old value (docs/decisions/published-versions.md)."""
    digests = {release_digest({"MaxAttempts": attempts, "Release": "x"}) for attempts in ("5", "7")}
    assert len(digests) == 2
    assert release_digest({"MaxAttempts": "5"}) in digests
    assert all(len(digest) >= 10 for digest in digests)


def test_a_real_deployment_gives_only_what_is_said_now() -> None:
    """What is not given keeps the value of the deployment before."""
    given = parameters("production", {"ALARM_EMAIL": "ops@customer.example"})
    assert given.keys() == {"Environment", "AlarmEmail", "Release"}
    assert given["Environment"] == "production"
