"""The words that the API answers with, and takes: everything else that it says in words is somebody's text."""

from itertools import chain
from typing import Literal, get_args

Status = Literal["pending", "sent", "failed", "dead", "read", "superseded"]
Severity = Literal["informational", "warning", "critical"]
Outcome = Literal["accepted", "delivered", "bounced", "skipped_no_channel"]
AttemptResult = Literal["accepted", "delivered", "retryable", "permanent", "unknown", "skipped_no_channel"]
Act = Literal["trigger", "acknowledge", "resolve"]
CircuitState = Literal["closed", "open", "held"]
CertificateStatus = Literal["Active", "Expiring", "Expired", "Archived", "Revoked", "Replaced"]
CertificateSource = Literal[
    "api", "import", "acm", "tls", "agent", "iam", "acm-pca", "secrets-manager", "route53-domains"
]  # fmt: skip
JobState = Literal["queued", "running", "done", "cancelled", "failed"]
RenewalState = Literal["requested", "started", "succeeded", "failed", "overdue", "cancelled"]
Kind = Literal[
    "Email", "Webhook", "Slack", "Teams", "PagerDuty", "OpsGenie", "JSM", "SNS", "EventBridge", "Apprise"
]  # fmt: skip
"""Of a channel. One of several has a name as well: `Slack:payments`."""
Type = Literal[
    "ExpirationWarning",
    "RenewalSuccess",
    "RenewalFailure",
    "DeploymentSuccess",
    "DeploymentFailure",
    "PolicyViolation",
    "Revocation",
    "RenewalRequested",
]
"""Of a notification, besides `Custom:<name>`."""

_ALL = (
    *(Status, Severity, Outcome, AttemptResult, Act, CircuitState),
    *(CertificateStatus, CertificateSource, JobState, RenewalState, Kind, Type),
)
WORDS: frozenset[str] = frozenset(chain.from_iterable(map(get_args, _ALL)))
"""All of them."""
