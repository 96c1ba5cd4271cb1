"""The environment, read once and typed. The only module that reads it; what is missing is an error, never a default."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tocsin.delivery.notification import DeliveryPolicy, MissingChannelAction
from tocsin.delivery.recipient import Reach
from tocsin.delivery.retry import RetryPolicy, parse_budgets
from tocsin.errors import SettingsError
from tocsin.network.address import AddressGuard

_READS = {
    "acm": "READ_ACM",
    "iam": "READ_IAM_CERTIFICATES",
    "acm-pca": "READ_PRIVATE_CAS",
    "secrets-manager": "READ_SECRET_ROTATIONS",
    "route53-domains": "READ_DOMAINS",
}
_MOST = 1e9
"""More than any of these numbers can sensibly be, and less than a time can hold."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a function is told by its stack. Template parameters of the same names explain each."""

    stack: str
    notifications_table: str
    inventory_table: str
    audit_table: str
    channel_prefix: str
    alert_topic_arn: str
    retention: timedelta
    delivery: DeliveryPolicy
    reach: Reach
    is_paused: bool
    """Whether everything is accepted and kept, and nothing sent."""
    fallback_email: str
    """Who is told of what belongs to nobody; empty: nobody."""
    endpoints_parameter: str
    """The SSM parameter with the list of TLS endpoints to watch."""
    reads: frozenset[str]
    """Which services of the account are read, by the names of their certificates' sources: `acm`, `iam`, …."""
    link_base: str
    """Where notifications are shown to people: what their links begin with; empty: they have none."""
    configuration_set: str
    """SES's configuration set, by which the fate of each mail comes back; empty: the identity's own."""
    apprise_function: str
    """The name of the function that sends by Apprise."""
    widget_look: str
    """The ARN of the widget's function that looks."""
    widget_act: str
    """The ARN of the one that acts."""
    heartbeat_parameter: str
    """The SSM parameter that says whom to give a sign of life; empty: nobody."""
    event_bus: str
    """The name of the stack's own bus, on which renewals are asked for."""
    requeue_rate: float
    """Rows a second that a bulk requeue writes at most."""


def trace_id(environment: Mapping[str, str] = os.environ) -> str | None:
    """Give X-Ray's id of this invocation's trace, which Lambda sets anew for each one; None where there is none.

    Source: Lambda developer guide, "Defined runtime environment variables"; X-Ray developer guide, "Tracing header".
    """
    parts = dict(part.partition("=")[::2] for part in environment.get("_X_AMZN_TRACE_ID", "").split(";"))
    return parts.get("Root")


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read all settings; raise SettingsError naming the first that is missing or wrong."""

    def value(name: str) -> str:
        if name not in environment:
            raise SettingsError(name)
        return environment[name]

    def number(name: str, *, least: float = 0, most: float = _MOST) -> float:
        try:
            found = float(value(name))
        except ValueError:
            raise SettingsError(f"{name} is not a number") from None
        if not least <= found <= most:  # NaN is not, either
            raise SettingsError(f"{name} is not from {least:g} to {most:g}")
        return found

    def whole(name: str, *, least: int) -> int:
        if not number(name, least=least).is_integer():
            raise SettingsError(f"{name} is not a whole number")
        return int(number(name))

    retry = RetryPolicy(
        max_attempts=whole("MAX_ATTEMPTS", least=1),
        base=number("BACKOFF_BASE_SECONDS"),
        cap=number("BACKOFF_CAP_SECONDS"),
        jitter=number("BACKOFF_JITTER", most=1),
    )
    return Settings(
        stack=value("TOCSIN_STACK"),
        notifications_table=value("NOTIFICATIONS_TABLE"),
        inventory_table=value("INVENTORY_TABLE"),
        audit_table=value("AUDIT_TABLE"),
        fallback_email=value("FALLBACK_EMAIL"),
        endpoints_parameter=value("ENDPOINTS_PARAMETER"),
        reads=frozenset(source for source, name in _READS.items() if value(name) == "yes"),
        channel_prefix=value("CHANNEL_PREFIX"),
        alert_topic_arn=value("ALERT_TOPIC_ARN"),
        retention=timedelta(days=number("RETENTION_DAYS", most=36_500)),
        delivery=DeliveryPolicy(
            retry=retry,
            budgets=_budgets(value("RETRY_BUDGETS"), retry),
            missing_channel=_missing_channel(value("MISSING_CHANNEL_ACTION")),
            pending_grace=timedelta(seconds=number("PENDING_GRACE_SECONDS")),
            claim_margin=timedelta(seconds=number("CLAIM_MARGIN_SECONDS")),
            throttle_budget=timedelta(hours=number("THROTTLE_BUDGET_HOURS")),
        ),
        reach=Reach(
            guard=_guard(value("ALLOWED_PRIVATE_RANGES"), reaches_itself=value("ENVIRONMENT") == "local"),
            mail_domains=_listed(value("ALLOWED_RECIPIENT_DOMAINS").lower()),
            webhook_hosts=_listed(value("ALLOWED_WEBHOOK_HOSTS").lower()),
            plain_http=value("ALLOW_PLAIN_HTTP") == "yes",
        ),
        is_paused=value("PAUSED") == "yes",
        link_base=value("LINK_BASE_URL").rstrip("/"),
        configuration_set=value("CONFIGURATION_SET"),
        apprise_function=value("APPRISE_FUNCTION"),
        widget_look=value("WIDGET_LOOK"),
        widget_act=value("WIDGET_ACT"),
        heartbeat_parameter=value("HEARTBEAT_PARAMETER"),
        event_bus=value("EVENT_BUS"),
        requeue_rate=number("REQUEUE_RATE", least=1),
    )


def _missing_channel(text: str) -> MissingChannelAction:
    try:
        return MissingChannelAction(text)
    except ValueError:
        raise SettingsError("MISSING_CHANNEL_ACTION is neither sent nor dead") from None


def _budgets(text: str, retry: RetryPolicy) -> dict[str, int]:
    try:
        return parse_budgets(text, retry)
    except ValueError as error:
        raise SettingsError(f"RETRY_BUDGETS: {error}") from None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _guard(text: str, *, reaches_itself: bool) -> AddressGuard:
    try:
        return AddressGuard.allowing(_listed(text), reaches_itself=reaches_itself)
    except ValueError as error:
        raise SettingsError(f"ALLOWED_PRIVATE_RANGES: {error}") from None
