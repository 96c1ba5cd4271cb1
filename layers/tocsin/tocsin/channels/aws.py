"""What the errors of AWS's own APIs say about trying again.

Throttling is no answer to this very message: nothing was tried, so no attempt is spent. What an operator can mend
without touching it (permissions, a paused account, an unverified sender) says that the channel is broken, for every
message. Else: permanent only if this very message can never be accepted; what AWS mends itself is retryable.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    HTTPClientError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from tocsin.channels.channel import Tools, broken, is_retryable, permanent, refused, retryable, unknown
from tocsin.delivery.attempt import Accepted, Broken, FailureClass, Refused, SendResult, Throttled
from tocsin.delivery.notification import LAST_ERROR_LIMIT
from tocsin.network.blocking import NotStartedError
from tocsin.text import bounded

T = TypeVar("T")

THREADS = 64
"""Calls of one channel at once: as many as delivery starts for one destination, so that none waits for a thread."""

THROTTLING_CODES = frozenset(
    {
        "KMSThrottling",
        "LimitExceededException",  # SES: the sending quota (API reference v2, SendEmail)
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Throttling, in the words of SES, SNS, SSM and their gateways (botocore, data/_retry.json, has most of them)."""
BROKEN_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "RequestExpired",
        "UnrecognizedClientException",
        "KMSAccessDenied",
        "KMSDisabled",
        "KMSInvalidState",
        "KMSNotFound",
        "KMSOptInRequired",
    }
)


def client_config(deadline: float) -> Config:
    """Configure clients so that one try is one request, and no thread outlives the deadline by much."""
    return Config(
        connect_timeout=min(3.0, deadline),
        read_timeout=deadline,
        retries={"total_max_attempts": 1},  # a retry inside a try would send copies that nobody counts
        max_pool_connections=THREADS,
    )


async def called(
    tools: Tools,
    call: Callable[[], T],
    *,
    is_broken: Callable[[ClientError], bool] = lambda _error: False,
    receipt: Callable[[T], str | None] = lambda _answer: None,
) -> SendResult:
    """Make one call within the deadline, and classify how it ended; `receipt` names what the service took."""
    answer = await asked(tools, call, is_broken=is_broken)
    return answer if isinstance(answer, Refused | Throttled | Broken) else Accepted(200, receipt(answer))


async def asked(
    tools: Tools, call: Callable[[], T], *, is_broken: Callable[[ClientError], bool] = lambda _error: False
) -> T | Refused | Throttled | Broken:
    """Make one call within the deadline; return its answer, which the channel judges, or classify why there is none."""
    try:
        return await tools.blocking.run(call, tools.settings.deadline)
    except NotStartedError:
        return retryable(f"no thread was free within {tools.settings.deadline:g} s")
    except TimeoutError:
        return unknown(f"no answer within {tools.settings.deadline:g} s", hung=True)
    except ClientError as error:
        return _answered(error, is_broken=is_broken(error))
    except BotoCoreError as error:
        return _unanswered(error)
    except ResponseParserError:
        return unknown("an answer that can't be read")


def code_of(error: ClientError) -> str:
    """Return AWS's code for the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """Return the HTTP status of the error."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", HTTPStatus.INTERNAL_SERVER_ERROR)
    return int(status)


def _answered(error: ClientError, *, is_broken: bool) -> Refused | Throttled | Broken:
    status = status_of(error)
    text = f"{code_of(error)}: {error.response.get('Error', {}).get('Message', '')}"
    if code_of(error) in THROTTLING_CODES or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(bounded(text, LAST_ERROR_LIMIT))
    if is_broken or code_of(error) in BROKEN_CODES:
        return broken(text, status)
    return refused(FailureClass.RETRYABLE if is_retryable(status) else FailureClass.PERMANENT, text, status)


def _unanswered(error: BotoCoreError) -> Refused:
    """Classify by whether the request can have gone out. botocore's own texts name the endpoint at most."""
    if isinstance(error, ParamValidationError):
        return permanent("the message does not fit the request")
    if isinstance(error, HTTPClientError):  # a read timeout, a closed connection; connection errors are a branch apart
        return unknown(f"no answer: {type(error).__name__}", hung=isinstance(error, ReadTimeoutError))
    hung = isinstance(error, ConnectTimeoutError)
    return retryable(f"can't connect: {type(error).__name__}", hung=hung)
