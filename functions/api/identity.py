"""Who calls: the IAM principal that API Gateway has verified."""

from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent

from tocsin.text import bounded

_LIMIT = 256
_ASSUMED = ":assumed-role/"


def actor_of(event: BaseProxyEvent) -> str:
    """Give the caller's ARN (API Gateway developer guide, "$context.identity.userArn"), for the audit trail."""
    identity = (event.get("requestContext") or {}).get("identity") or {}
    return bounded(str(identity.get("userArn") or identity.get("caller") or "unknown"), _LIMIT)


def principal_of(event: BaseProxyEvent) -> str:
    """Give the caller's user, or its role without the session, whose name may be another each time.

    Source: IAM user guide, "IAM identifiers": `arn:aws:sts::<account>:assumed-role/<role>/<session>`.
    """
    actor = actor_of(event)
    return actor.rpartition("/")[0] if _ASSUMED in actor else actor
