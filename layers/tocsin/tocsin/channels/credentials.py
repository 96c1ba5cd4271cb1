"""The channels' stored documents: one SecureString in SSM for each, kept for minutes.

`Slack` is `<prefix>/Slack`, `Slack:payments` is `<prefix>/Slack/payments`: a parameter's name has no colon. So a secret
is rotated without a deploy, and is nowhere but here and in the channel that uses it.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tocsin.channels.aws import code_of, status_of
from tocsin.channels.channel import Clock, is_retryable
from tocsin.delivery.channel_name import ChannelName

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

KEEP = timedelta(minutes=5)
"""How long a parameter is kept; a rotation takes this long to be seen everywhere."""
KEEP_MISSING = timedelta(seconds=60)
"""How long a missing parameter stays missing."""
KEEP_FAILURE = timedelta(seconds=10)
"""How long a failed read stands for the next ones, so that a thousand notifications don't wait for it in turn."""


class CredentialsUnavailableError(Exception):
    """The channel's configuration can't be read; `code` is AWS's, or the class of what went wrong."""

    def __init__(self, channel: ChannelName, code: str, *, is_no_answer: bool = False) -> None:
        super().__init__(f"the configuration of {channel} can't be read: {code}")
        self.code = code
        self.is_no_answer = is_no_answer
        """Whether SSM did not answer at all, or answered that it is in trouble: no operator can mend that."""


class Credentials:
    """Reads parameters; lives as long as the process, across invocations. The calls block."""

    def __init__(self, client: "SSMClient", prefix: str, now: Clock, keep: timedelta = KEEP) -> None:
        """Read below `prefix`, e.g. `/tocsin/channels`."""
        self._client = client
        self._prefix = prefix.rstrip("/")
        self._now = now
        self._keep = keep
        self._kept: dict[ChannelName, tuple[datetime, str | None]] = {}
        self._failing_until: dict[ChannelName, tuple[datetime, CredentialsUnavailableError]] = {}

    def read(self, channel: ChannelName) -> str | None:
        """Return the parameter's text, or None if there is none; raise CredentialsUnavailableError."""
        now = self._now()
        until, text = self._kept.get(channel, (now, None))
        if until > now:
            return text
        if (failing := self._failing_until.get(channel)) and failing[0] > now:
            raise failing[1]
        return self._fetch(channel, now)

    def forget(self, channel: ChannelName) -> None:
        """Read it anew at the next use: it was refused, so it may have been changed."""
        self._kept.pop(channel, None)
        self._failing_until.pop(channel, None)

    def configured(self) -> list[ChannelName]:
        """Name the channels that have a parameter, in order. Nothing is decrypted; ten a request."""
        names: list[str] = []
        pages = self._client.get_paginator("get_parameters_by_path").paginate(
            Path=self._prefix, Recursive=True, WithDecryption=False
        )
        for page in pages:
            names += [parameter["Name"] for parameter in page["Parameters"]]
        found = (channel_of(name.removeprefix(f"{self._prefix}/")) for name in names)
        return sorted(channel for channel in found if channel is not None)

    def _name(self, channel: ChannelName) -> str:
        return f"{self._prefix}/{channel.replace(':', '/')}"

    def _fetch(self, channel: ChannelName, now: datetime) -> str | None:
        text: str | None
        try:
            text = self._client.get_parameter(Name=self._name(channel), WithDecryption=True)["Parameter"]["Value"]
            self._kept[channel] = (now + self._keep, text)
        except ClientError as error:
            if code_of(error) != "ParameterNotFound":
                raise self._failed(channel, code_of(error), now, is_no_answer=is_retryable(status_of(error))) from None
            text = None
            self._kept[channel] = (now + KEEP_MISSING, text)
        except BotoCoreError as error:
            raise self._failed(channel, type(error).__name__, now, is_no_answer=True) from None
        return text

    def _failed(
        self, channel: ChannelName, code: str, now: datetime, *, is_no_answer: bool
    ) -> CredentialsUnavailableError:
        failed = CredentialsUnavailableError(channel, code, is_no_answer=is_no_answer)
        self._failing_until[channel] = (now + KEEP_FAILURE, failed)
        return failed


def channel_of(path: str) -> ChannelName | None:
    """Name the channel whose parameter is `path` below the prefix; null: it is none's."""
    try:
        return ChannelName(path.replace("/", ":", 1))
    except ValueError:
        return None
