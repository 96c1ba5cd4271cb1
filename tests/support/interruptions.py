"""Checks that die, fail or are overtaken, at any request that they make."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class KilledError(BaseException):
    """The process is no more. Not an Exception: nothing that a program catches."""


@contextmanager
def dying_at(
    client: "DynamoDBClient", request: int, *, after: bool, counting: Callable[[str], bool] = lambda _operation: True
) -> Iterator[None]:
    """Die at this request (from 0): before it is sent, or after it was carried out. The dead send nothing more.

    Only requests are counted whose operations `counting` counts, as in `PutItem`.
    """
    sent = 0
    dead = False

    def before_send(event_name: str, **_rest: Any) -> None:
        nonlocal sent, dead
        is_counted = counting(event_name.rpartition(".")[2])
        dead = dead or (is_counted and sent == request and not after)
        if dead:
            raise KilledError
        sent += is_counted

    def after_call(**_rest: Any) -> None:
        nonlocal dead
        if after and sent == request + 1:
            dead = True
            raise KilledError

    with _hooked(client, "before-send", before_send), _hooked(client, "after-call", after_call):
        yield


@contextmanager
def failing_at(client: "DynamoDBClient", request: int) -> Iterator[list[str]]:
    """Fail at this request (from 0), as a throttled table does. Gives what failed: an operation, or nothing."""
    seen = iter(range(1_000_000))
    failed: list[str] = []

    def before_send(event_name: str, **_rest: Any) -> AWSResponse | None:
        if next(seen) != request:
            return None
        failed.append(event_name.rpartition(".")[2])
        return throttled()

    with _hooked(client, "before-send", before_send):
        yield failed


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_rest: Any) -> Iterator[bytes]:
        yield self._content


def throttled() -> AWSResponse:
    """Answer as a throttled table does."""
    body = b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow"}'
    headers: Any = {}
    return AWSResponse("", 400, headers, _Body(body))


class Overtaken:
    """A store that lets something else happen just before one of its calls (from 0)."""

    def __init__(self, store: Any, counter: Iterator[int], call: int, meanwhile: Callable[[], object]) -> None:
        self._store = store
        self._counter = counter
        self._call = call
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def called(*arguments: Any) -> Any:
            if next(self._counter) == self._call:
                self._meanwhile()
            return method(*arguments)

        return called


@contextmanager
def _hooked(client: "DynamoDBClient", event: str, hook: Callable[..., Any]) -> Iterator[None]:
    client.meta.events.register(f"{event}.dynamodb.*", hook)
    try:
        yield
    finally:
        client.meta.events.unregister(f"{event}.dynamodb.*", hook)
