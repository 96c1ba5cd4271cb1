"""What AWS refuses is said calmly: what is missing, and what to do."""

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

from tests.support.fake_aws import denied
from tocsin_cli.connection import NotFoundStackError
from tocsin_cli.console import problems


def refused(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Invoke")


def test_a_missing_permission_is_named_as_iam_names_it() -> None:
    found = problems.of(denied("cloudwatch:ListMetrics"), "cloudwatch:GetMetricData")
    assert found.permission == "cloudwatch:ListMetrics"
    assert "may not do cloudwatch:ListMetrics" in found.detail
    assert problems.of(refused("AccessDenied", "no"), "lambda:InvokeFunction").permission == "lambda:InvokeFunction"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NoCredentialsError(), "aws sso login"),
        (refused("ExpiredToken", "It has expired."), "aws sso login"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:4566"), "asks again every 30 seconds"),
        (NotFoundStackError("No region is set"), "No region is set"),
        (refused("ResourceNotFoundException", "Function not found"), "Function not found"),
    ],
)
def test_each_says_what_to_do(error: Exception, says: str) -> None:
    assert isinstance(error, problems.FAILURES)
    found = problems.of(error, "lambda:InvokeFunction")
    assert found.permission is None
    assert says in found.detail
    assert issubclass(NoCredentialsError, BotoCoreError)
