"""Faults of the way to DynamoDB, made in botocore: throttling, and answers that get lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Fault = Callable[[AWSPreparedRequest], AWSResponse | None]


class _Raw(BytesIO):
    def stream(self, **_rest: Any) -> Iterator[bytes]:
        yield self.read()


def throttled(code: str = "ThrottlingException") -> Fault:
    """Refuse a request as DynamoDB does when it is too much."""

    def answer(request: AWSPreparedRequest) -> AWSResponse:
        body = f'{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"slow down"}}'.encode()
        return AWSResponse(request.url, 400, HTTPHeaders(), _Raw(body))

    return answer


def answer_lost() -> Fault:
    """Let a request be done, and its answer never come."""

    def lose(request: AWSPreparedRequest) -> None:
        URLLib3Session().send(request)
        raise ReadTimeoutError(endpoint_url=request.url)

    return lose


@contextmanager
def faulty(
    client: "DynamoDBClient", operation: str, fault: Fault, *, first: int = 0, times: int = 10**9
) -> Iterator[list[str]]:
    """Let the requests of `operation` meet a fault: `times` of them, from the one numbered `first` (counted from 0)."""
    seen: list[str] = []

    def meet(request: AWSPreparedRequest, **_rest: Any) -> AWSResponse | None:
        seen.append(request.url)
        return fault(request) if first <= len(seen) - 1 < first + times else None

    # A handler's answer is taken for DynamoDB's; the stubs know only handlers that have none.
    client.meta.events.register(f"before-send.dynamodb.{operation}", meet)  # type: ignore[arg-type]
    try:
        yield seen
    finally:
        client.meta.events.unregister(f"before-send.dynamodb.{operation}", meet)  # type: ignore[arg-type]
