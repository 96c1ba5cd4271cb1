"""The channels' stored configuration: one SecureString in SSM for each, `<prefix>/<name>`, kept for minutes.

So a secret is rotated without a deploy, and is nowhere but here and in the channel that uses it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import cast

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError

from tocsin.channels.channel import Clock
from tocsin.delivery.notification import ChannelName

KEEP_SECONDS = 300
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

    def __init__(self, provider: SSMProvider, prefix: str, now: Clock, keep_seconds: int = KEEP_SECONDS) -> None:
        """Read below `prefix`, e.g. `/tocsin/channels`."""
        self._provider = provider
        self._prefix = prefix.rstrip("/")
        self._now = now
        self._keep_seconds = keep_seconds
        self._missing_until: dict[ChannelName, datetime] = {}
        self._failing_until: dict[ChannelName, tuple[datetime, str]] = {}

    def read(self, channel: ChannelName) -> str | None:
        """Return the parameter's text, or None if there is none; raise CredentialsUnavailableError."""
        now = self._now()
        if self._missing_until.get(channel, now) > now:
            return None
        until, code = self._failing_until.get(channel, (now, ""))
        if until > now:
            raise CredentialsUnavailableError(channel, code)
        return self._fetch(channel, now)

    def configured(self, channels: Iterable[ChannelName]) -> list[ChannelName]:
        """Return those of `channels` that have a parameter. Nothing is decrypted. One request: at most ten."""
        names = {self._name(channel): channel for channel in channels}
        found = self._provider.client.get_parameters(Names=list(names), WithDecryption=False)
        return [names[parameter["Name"]] for parameter in found["Parameters"]]

    def _name(self, channel: ChannelName) -> str:
        return f"{self._prefix}/{channel.value}"

    def _fetch(self, channel: ChannelName, now: datetime) -> str | None:
        try:
            text = self._provider.get(self._name(channel), max_age=self._keep_seconds, decrypt=True)
        except GetParameterError as error:
            code = _code(error)
            if code == "ParameterNotFound":
                self._missing_until[channel] = now + KEEP_MISSING
                return None
            self._failing_until[channel] = (now + KEEP_FAILURE, code)
            raise CredentialsUnavailableError(channel, code) from None
        return cast("str", text)  # without a transform, Powertools returns the parameter's text


def _code(error: GetParameterError) -> str:
    """Name the cause, by AWS's code or by its class: Powertools keeps the original only as the context."""
    cause = error.__context__
    if isinstance(cause, ClientError):
        return str(cause.response.get("Error", {}).get("Code", "ClientError"))
    return type(cause).__name__
