"""The stack's templates: plain or secure parameters in SSM, all read at once and kept for minutes.

One read a process every five minutes, however many types and channels there are, and whether there are templates or
none. Whatever goes wrong with a template costs its words and nothing else: the default's are said instead.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tocsin.channels.aws import code_of
from tocsin.channels.channel import Clock
from tocsin.channels.template import TemplateRefusedError, parsed, places_of, worded
from tocsin.channels.wording import Escape, Links, Wording, default_wording
from tocsin.delivery.notification import Notification
from tocsin.network.blocking import Blocking

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

KEEP = timedelta(minutes=5)
"""How long templates are kept, and that there are none; a change takes this long to be seen everywhere."""
KEEP_FAILURE = timedelta(seconds=10)
"""How long a failed read stands for the next ones."""
READ_SECONDS = 3.0
MOST = 200
"""Templates of a stack: 20 requests (API reference, GetParametersByPath: ten a request)."""
SAY_AGAIN = timedelta(minutes=1)
"""How often a template that fails is logged; each time is counted."""

Failed = Callable[[Notification, str, bool], None]
"""Hears of a notification whose template was not used, why, and whether that is to be logged."""


class TemplatesUnavailableError(Exception):
    """The templates can't be read."""


class Templates:
    """Reads parameters; lives as long as the process, across invocations. The calls block."""

    def __init__(self, client: "SSMClient", prefix: str, now: Clock) -> None:
        """Read below `prefix`, e.g. `/tocsin/templates`."""
        self._client = client
        self._prefix = prefix.rstrip("/")
        self._now = now
        self._texts: Mapping[str, str] | None = None
        self._problem: str | None = None
        self._until: datetime | None = None
        self._said: dict[str, datetime] = {}

    def kept(self) -> Mapping[str, str] | None:
        """Give the templates by their place below the prefix; null: they must be read.

        Those of before stand in for what can't be read. Raises TemplatesUnavailableError where there are none.
        """
        if self._until is None or self._until <= self._now():
            return None
        if self._texts is None:
            raise TemplatesUnavailableError(f"the templates can't be read: {self._problem}")
        return self._texts

    def read(self) -> None:
        """Read them all."""
        pages = self._client.get_paginator("get_parameters_by_path").paginate(
            Path=self._prefix, Recursive=True, WithDecryption=True, PaginationConfig={"MaxItems": MOST}
        )
        try:
            found = [parameter for page in pages for parameter in page["Parameters"]]
        except ClientError as error:
            self.failed(code_of(error))
        except BotoCoreError as error:
            self.failed(type(error).__name__)
        else:
            self._texts = {one["Name"].removeprefix(f"{self._prefix}/"): one["Value"] for one in found}
            self._until = self._now() + KEEP

    def failed(self, why: str) -> None:
        """Remember that they could not be read."""
        self._problem = why
        self._until = self._now() + KEEP_FAILURE

    def is_to_be_logged(self, problem: str) -> bool:
        """Tell whether a problem was not logged of late; it is taken to be logged now."""
        now = self._now()
        if self._said.get(problem, now) > now:
            return False
        self._said = {one: until for one, until in self._said.items() if until > now} | {problem: now + SAY_AGAIN}
        return True


@dataclass(frozen=True, slots=True)
class Said:
    """What a notification says, and whose words these are."""

    wording: Wording
    template: str | None
    """The place of the template that applies; null: there is none."""


class TemplateWords:
    """Finds the words of notifications; lives as long as an invocation. What goes wrong is said, never raised."""

    def __init__(
        self,
        templates: Templates,
        reading: Blocking,
        links: Links,
        failed: Failed = lambda _row, _problem, _is_new: None,
    ) -> None:
        """Read on the threads of `reading`."""
        self._templates = templates
        self._reading = reading
        self._links = links
        self._failed = failed
        self._lock = asyncio.Lock()

    async def __call__(self, notification: Notification, escape: Escape) -> Wording:
        """Find the words for a notification; see `Words`."""
        wording = (await self.said(notification, escape)).wording
        if wording.problem:
            self._failed(notification, wording.problem, self._templates.is_to_be_logged(wording.problem))
        return wording

    async def said(self, notification: Notification, escape: Escape) -> Said:
        """Find the words for a notification, and which template applies."""
        default = default_wording(notification, escape)
        try:
            texts = await self._all()
        except TemplatesUnavailableError as error:
            return Said(replace(default, problem=str(error)), None)
        place = next((place for place in places_of(notification) if place in texts), None)
        if place is None:
            return Said(default, None)
        try:
            template = parsed(texts[place], notification.channel)
            return Said(worded(notification, template, escape, self._links), place)
        except TemplateRefusedError as error:
            return Said(replace(default, problem=f"{place}: {error}"), place)

    async def _all(self) -> Mapping[str, str]:
        if (kept := self._templates.kept()) is not None:
            return kept
        async with self._lock:  # a thousand notifications read once
            if (kept := self._templates.kept()) is None:
                try:
                    await self._reading.run(self._templates.read, READ_SECONDS)
                except TimeoutError:
                    self._templates.failed(f"no answer within {READ_SECONDS:g} s")
                kept = self._templates.kept()
        return kept or {}
