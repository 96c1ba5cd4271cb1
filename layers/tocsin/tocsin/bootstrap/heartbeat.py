"""The wiring of the sign of life: after a scheduled job finished, tell the watcher outside, if there is one."""

from functools import cache
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tocsin.bootstrap import resources

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


@cache
def _ssm() -> "SSMClient":
    made: SSMClient = resources.client("ssm", resources.FAST)
    return made


def give(job: str) -> bool | None:
    """Tell the watcher that `job` finished: whether that worked, or None where nobody watches it. Never raises.

    The document is read each time: a job runs every few minutes at most.
    """
    try:
        text = _document()
    except (ClientError, BotoCoreError) as error:
        return _failed(job, type(error).__name__)
    return _beat(job, text) if text else None


def _beat(job: str, text: str) -> bool | None:
    from tocsin.channels.heartbeat import HeartbeatFailedError, beat, url_for  # noqa: PLC0415 - aiohttp, for few stacks

    reach = resources.settings().reach
    try:
        url = url_for(job, text, reach)
        if url is None:
            return None
        beat(url, reach)
    except HeartbeatFailedError as error:
        return _failed(job, str(error))
    return True


def _failed(job: str, reason: str) -> bool:
    resources.logger().warning("no sign of life was given", extra={"job": job, "reason": reason})
    return False


def _document() -> str:
    """Read the document; empty where there is none."""
    name = resources.settings().heartbeat_parameter
    if not name:
        return ""
    try:
        return _ssm().get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    except _ssm().exceptions.ParameterNotFound:
        return ""
