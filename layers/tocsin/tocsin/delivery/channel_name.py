"""The names of channels: a kind, such as `Slack`, or one of several of a kind, such as `Slack:payments`. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import ClassVar, Self

OPSGENIE_ENDS = "OpsGenie ends on 2027-04-05: move to JSM"
"""Atlassian's word (support.atlassian.com/opsgenie): its REST APIs work until then."""
NAME_PATTERN = "[A-Za-z0-9_-]{1,32}"
"""What may stand behind the colon."""


class ChannelKind(StrEnum):
    """The ways out of Tocsin. The default channel of a kind has the kind's name."""

    EMAIL = "Email"
    WEBHOOK = "Webhook"
    SLACK = "Slack"
    TEAMS = "Teams"
    PAGERDUTY = "PagerDuty"
    OPSGENIE = "OpsGenie"
    JSM = "JSM"
    """Jira Service Management Operations, which takes what OpsGenie took."""
    SNS = "SNS"
    EVENTBRIDGE = "EventBridge"
    APPRISE = "Apprise"


KEEP_INCIDENTS = frozenset({ChannelKind.PAGERDUTY, ChannelKind.OPSGENIE, ChannelKind.JSM})
"""Kinds whose services keep an incident open until it is resolved."""
CHANNEL_PATTERN = f"^({'|'.join(ChannelKind)})(:{NAME_PATTERN})?$"
"""The form of a channel's name, as the API and its description have it."""
_NAME = re.compile(CHANNEL_PATTERN.removesuffix("$"), re.ASCII)
ONE_OF = f"must be one of {', '.join(ChannelKind)}, or one of them with a name, like Slack:payments"
"""What is wrong with a name that is none."""


class ChannelName(str):
    """The name of one channel. Making one of a text that is none raises ValueError, which repeats nothing of it."""

    __slots__ = ()

    EMAIL: ClassVar["ChannelName"]
    WEBHOOK: ClassVar["ChannelName"]
    SLACK: ClassVar["ChannelName"]
    TEAMS: ClassVar["ChannelName"]
    PAGERDUTY: ClassVar["ChannelName"]
    OPSGENIE: ClassVar["ChannelName"]
    JSM: ClassVar["ChannelName"]
    SNS: ClassVar["ChannelName"]
    EVENTBRIDGE: ClassVar["ChannelName"]
    APPRISE: ClassVar["ChannelName"]

    def __new__(cls, text: str) -> Self:
        """Read `text`."""
        if not _NAME.fullmatch(text):
            raise ValueError(ONE_OF)
        return super().__new__(cls, text)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> object:
        """Read it from text, and say why that is none."""
        from pydantic_core import core_schema  # noqa: PLC0415 - only the API's models ask, and they have loaded it

        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: object, _handler: object) -> dict[str, str]:
        """Describe it in OpenAPI."""
        return {"type": "string", "pattern": CHANNEL_PATTERN}

    @property
    def kind(self) -> ChannelKind:
        """Say what kind of channel it is."""
        return _kind_of(self)

    @property
    def warning(self) -> str | None:
        """Say what an operator should know of its kind, or None."""
        return OPSGENIE_ENDS if self.kind is ChannelKind.OPSGENIE else None

    @property
    def keeps_incidents(self) -> bool:
        """Tell whether what goes there stays open until it is resolved."""
        return self.kind in KEEP_INCIDENTS

    @property
    def label(self) -> str:
        """Give what tells it from others of its kind; empty for the default one."""
        return self.partition(":")[2]


@lru_cache(maxsize=256)
def _kind_of(name: str) -> ChannelKind:
    return ChannelKind(name.partition(":")[0])


@dataclass(frozen=True, slots=True)
class Target:
    """Where a notification goes: a channel, and whom to reach by it. An empty recipient is the channel's own."""

    channel: ChannelName
    recipient: str = ""

    def __str__(self) -> str:
        """Write it as `parse` reads it, e.g. `Email ops@example.com`."""
        return f"{self.channel} {self.recipient}".rstrip()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a channel's name, and behind a space its recipient; raise ValueError."""
        name, _, recipient = text.partition(" ")
        return cls(ChannelName(name), recipient.strip())


for _kind in ChannelKind:
    setattr(ChannelName, _kind.name, ChannelName(_kind.value))
