"""What a channel is: a way out that answers how each try ended, and never raises for what the world does."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tocsin.channels.wording import Links, Words, default_words
from tocsin.delivery.attempt import Broken, FailureClass, Refused, SendResult
from tocsin.delivery.circuit import Terms
from tocsin.delivery.fate import Fate
from tocsin.delivery.notification import LAST_ERROR_LIMIT, Notification
from tocsin.delivery.recipient import Reach
from tocsin.network.blocking import Blocking
from tocsin.text import bounded

if TYPE_CHECKING:  # needed by types only, and each costs a cold start tens of milliseconds
    import aiohttp
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient

Clock = Callable[[], datetime]
"""Answers the present, aware and in UTC."""


RETRYABLE_STATUSES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class Channel(Protocol):
    """One way out. The registry is one too: it hands each notification to the channel that it names."""

    def destination(self, notification: Notification) -> str:
        """Name the circuit of a notification: its channel, and where its recipient is a host, that. No secret."""

    async def terms(self, notification: Notification) -> Terms:
        """Say on what terms its destination is sent to."""

    async def send(self, notification: Notification) -> SendResult:
        """Try once, within the deadline. What the world does is classified, never raised; a bug raises."""


class SendsOnly(Protocol):
    """What a builder returns: a channel with its configuration in it."""

    async def send(self, notification: Notification) -> SendResult:
        """Try once; see `Channel`."""


@runtime_checkable
class AnswersLater(SendsOnly, Protocol):
    """A channel whose service says what became of what it took, when it is asked."""

    async def fate(self, receipt: str) -> Fate:
        """Ask once about what has this receipt. What the world does is classified, never raised."""


@dataclass(frozen=True, kw_only=True)
class ChannelSettings:
    """What the stack's settings say about sending."""

    reach: Reach
    """Where notifications may go."""
    deadline: float = 10.0
    """Seconds that one try may take, from first to last byte."""
    default_topic_arn: str = ""
    """Where SNS notifications go that name no topic."""
    configuration_set: str = ""
    """SES's configuration set, by which the fate of each mail comes back; empty: the identity's own."""
    apprise_function: str = ""
    """The name of the function that sends by Apprise."""
    stack: str = ""
    """The stack's name."""
    event_bus: str = ""
    """The name of the stack's own bus, to which hand-offs go; empty: there is none."""
    links: Links = field(default_factory=Links)


@dataclass(frozen=True, kw_only=True)
class Clients:
    """AWS's own ways out, each made at its first use; with `aws.client_config`."""

    sesv2: "Callable[[], SESV2Client]"
    sns: "Callable[[], SNSClient]"
    events: "Callable[[], EventBridgeClient]"
    lambda_: "Callable[[], LambdaClient]"


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the registry lends to its channels for the length of one invocation."""

    http: "aiohttp.ClientSession"
    blocking: Blocking
    """Runs what boto3 does, off the event loop."""
    clients: Clients
    now: Clock
    settings: ChannelSettings
    words: Words = default_words
    """Finds what a notification says."""


def is_retryable(status: int) -> bool:
    """Tell whether an HTTP status that is no success says that the same request may succeed later."""
    return status in RETRYABLE_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def refused(
    failure: FailureClass, error: str, http_status: int | None = None, retry_after: float | None = None
) -> Refused:
    """Refuse with an error that is safe to store and to log, whoever wrote it."""
    return Refused(failure, bounded(error, LAST_ERROR_LIMIT), http_status, retry_after)


def retryable(error: str, *, hung: bool = False) -> Refused:
    """Refuse for now: the same message may be accepted later. It `hung` if all of its deadline passed."""
    return replace(refused(FailureClass.RETRYABLE, error), hung=hung)


def permanent(error: str) -> Refused:
    """Refuse for good: the same message will never be accepted."""
    return refused(FailureClass.PERMANENT, error)


def unknown(error: str, *, hung: bool = False) -> Refused:
    """Say that it went out and nobody answered. It `hung` if all of its deadline passed."""
    return replace(refused(FailureClass.UNKNOWN, error), hung=hung)


def broken(error: str, http_status: int | None = None) -> Broken:
    """Say that the channel itself is broken: it is held until somebody mends it."""
    return Broken(bounded(error, LAST_ERROR_LIMIT), http_status)
