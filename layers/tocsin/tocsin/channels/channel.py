"""What a channel is: a way out that answers how each try ended, and never raises for what the world does."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from tocsin.delivery.attempt import FailureClass, Refused, SendResult
from tocsin.delivery.notification import LAST_ERROR_LIMIT, ChannelName, Notification
from tocsin.delivery.recipient import Reach
from tocsin.network.blocking import Blocking
from tocsin.text import bounded

if TYPE_CHECKING:  # needed by types only, and each costs a cold start tens of milliseconds
    import aiohttp
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient

Clock = Callable[[], datetime]
"""Answers the present, aware and in UTC."""


RETRYABLE_STATUSES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


IMPLEMENTED = frozenset({ChannelName.EMAIL, ChannelName.WEBHOOK, ChannelName.SNS})
"""The channels that the registry can send by. Here, because whoever only asks need not import all that sends."""


class Channel(Protocol):
    """One way out. The registry is one too: it hands each notification to the channel that it names."""

    def destination(self, notification: Notification) -> str:
        """Name whom a hung delivery would hang with: the key of a concurrency cap. It holds no secret."""

    async def send(self, notification: Notification) -> SendResult:
        """Try once, within the deadline. What the world does is classified, never raised; a bug raises."""


class SendsOnly(Protocol):
    """What a builder returns: a channel with its configuration in it."""

    async def send(self, notification: Notification) -> SendResult:
        """Try once; see `Channel`."""


@dataclass(frozen=True, kw_only=True)
class ChannelSettings:
    """What the stack's settings say about sending."""

    reach: Reach
    """Where notifications may go."""
    deadline: float = 10.0
    """Seconds that one try may take, from first to last byte."""
    default_topic_arn: str = ""
    """Where SNS notifications go that name no topic."""


@dataclass(frozen=True, kw_only=True)
class Clients:
    """AWS's own ways out, each made at its first use; with `aws.client_config`."""

    sesv2: "Callable[[], SESV2Client]"
    sns: "Callable[[], SNSClient]"


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the registry lends to its channels for the length of one invocation."""

    http: "aiohttp.ClientSession"
    blocking: Blocking
    """Runs what boto3 does, off the event loop."""
    clients: Clients
    now: Clock
    settings: ChannelSettings


def is_retryable(status: int) -> bool:
    """Tell whether an HTTP status that is no success says that the same request may succeed later."""
    return status in RETRYABLE_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def refused(
    failure: FailureClass, error: str, http_status: int | None = None, retry_after: float | None = None
) -> Refused:
    """Refuse with an error that is safe to store and to log, whoever wrote it."""
    return Refused(failure, bounded(error, LAST_ERROR_LIMIT), http_status, retry_after)


def retryable(error: str) -> Refused:
    """Refuse for now: the same message may be accepted later."""
    return refused(FailureClass.RETRYABLE, error)


def permanent(error: str) -> Refused:
    """Refuse for good: the same message will never be accepted."""
    return refused(FailureClass.PERMANENT, error)


def unknown(error: str) -> Refused:
    """Say that it went out and nobody answered."""
    return refused(FailureClass.UNKNOWN, error)
