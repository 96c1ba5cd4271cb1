"""Who calls: the IAM principal that API Gateway has verified."""

from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent

from tocsin.text import bounded

_LIMIT = 256


def actor_of(event: BaseProxyEvent) -> str:
    """Give the caller's ARN (API Gateway developer guide, "$context.identity.userArn"), for the audit trail."""
    identity = (event.get("requestContext") or {}).get("identity") or {}
    return bounded(str(identity.get("userArn") or identity.get("caller") or "unknown"), _LIMIT)
