"""The channels' stored configuration: one SecureString in SSM for each, `<prefix>/<name>`, kept for minutes.

So a secret is rotated without a deploy, and is nowhere but here and in the channel that uses it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tocsin.channels.aws import code_of
from tocsin.channels.channel import Clock
from tocsin.delivery.notification import ChannelName

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

    def __init__(self, channel: ChannelName, code: str) -> None:
        super().__init__(f"the configuration of {channel} can't be read: {code}")
        self.code = code


class Credentials:
    """Reads parameters; lives as long as the process, across invocations. The calls block."""

    def __init__(self, client: "SSMClient", prefix: str, now: Clock, keep: timedelta = KEEP) -> None:
        """Read below `prefix`, e.g. `/tocsin/channels`."""
        self._client = client
        self._prefix = prefix.rstrip("/")
        self._now = now
        self._keep = keep
        self._kept: dict[ChannelName, tuple[datetime, str | None]] = {}
        self._failing_until: dict[ChannelName, tuple[datetime, str]] = {}

    def read(self, channel: ChannelName) -> str | None:
        """Return the parameter's text, or None if there is none; raise CredentialsUnavailableError."""
        now = self._now()
        until, text = self._kept.get(channel, (now, None))
        if until > now:
            return text
        until, code = self._failing_until.get(channel, (now, ""))
        if until > now:
            raise CredentialsUnavailableError(channel, code)
        return self._fetch(channel, now)

    def configured(self, channels: Iterable[ChannelName]) -> list[ChannelName]:
        """Return those of `channels` that have a parameter. Nothing is decrypted. One request: at most ten."""
        names = {self._name(channel): channel for channel in channels}
        found = self._client.get_parameters(Names=list(names), WithDecryption=False)
        return [names[parameter["Name"]] for parameter in found["Parameters"]]

    def _name(self, channel: ChannelName) -> str:
        return f"{self._prefix}/{channel.value}"

    def _fetch(self, channel: ChannelName, now: datetime) -> str | None:
        text: str | None
        try:
            text = self._client.get_parameter(Name=self._name(channel), WithDecryption=True)["Parameter"]["Value"]
            self._kept[channel] = (now + self._keep, text)
        except ClientError as error:
            if code_of(error) != "ParameterNotFound":
                raise self._failed(channel, code_of(error), now) from None
            text = None
            self._kept[channel] = (now + KEEP_MISSING, text)
        except BotoCoreError as error:
            raise self._failed(channel, type(error).__name__, now) from None
        return text

    def _failed(self, channel: ChannelName, code: str, now: datetime) -> CredentialsUnavailableError:
        self._failing_until[channel] = (now + KEEP_FAILURE, code)
        return CredentialsUnavailableError(channel, code)
