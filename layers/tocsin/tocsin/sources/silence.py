"""Hearing of agents, and not hearing of them: their reports are noted, and their silence is told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin.delivery.notification import Notification
from tocsin.errors import ConflictError, NotFoundError
from tocsin.expiry.lifecycle import Lifecycle
from tocsin.sources.agents import Agent, Report, silence_due
from tocsin.sources.state import AlarmRoute

_TRIES = 3
_CAME_BACK = "the agent reports again"
_FORGOTTEN = "the agent is no longer waited for"


class Agents(Protocol):
    """Where agents are kept."""

    def get(self, name: str) -> Agent:
        """Read one; raise NotFoundError."""

    def put(self, before: Agent | None, after: Agent, actor: str) -> None:
        """Write one in the place of what was read; raise ConflictError where that has changed."""

    def note_silent(self, agent: Agent) -> None:
        """Write that its silence was told; raise ConflictError where it has reported meanwhile."""

    def delete(self, agent: Agent, actor: str, now: datetime) -> None:
        """Remove one; raise ConflictError where it has reported meanwhile."""

    def every(self) -> Iterator[Agent]:
        """Read all, without their problems."""


class Alarms(Protocol):
    """Where alarms are written."""

    def insert(self, row: Notification) -> Notification:
        """Write a new row, or return the one that is there already."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Notes reports, and tells of silence."""

    agents: Agents
    lifecycle: Lifecycle

    def heard(self, name: str, report: Report, now: datetime) -> Agent:
        """Note a report that came to its end; the same one again changes nothing.

        What told of a silence is ended before that is noted, so that a crash between leaves it to the next report.
        """
        for _ in range(_TRIES):
            before = self._known(name)
            if before is not None and before.report_id == report.id:
                return before
            if before is not None and before.silent_since is not None:
                self.lifecycle.end({before.alarm_id: _CAME_BACK}, now)
            after = Agent.first(name, report, now) if before is None else before.reported(report, now)
            try:
                self.agents.put(before, after, report.by)
            except ConflictError:  # another report of it came in between
                continue
            return after
        raise ConflictError(f"agent {name}")

    def forget(self, name: str, actor: str, now: datetime) -> None:
        """Wait for it no longer. Raises NotFoundError, and ConflictError where it reports just now."""
        agent = self.agents.get(name)
        self.lifecycle.end({agent.alarm_id: _FORGOTTEN}, now)
        self.agents.delete(agent, actor, now)

    def tell_silent(
        self, alarms: Alarms, route: AlarmRoute, now: datetime, created: Callable[[Notification], None]
    ) -> list[str]:
        """Tell somebody of each agent that has begun to be silent; give their names.

        The alarm is written before that is noted, so that a crash between can't keep it from being told.
        """
        told = []
        for agent in self.agents.every():
            alarm = silence_due(agent, route, now)
            if alarm is None:
                continue
            if alarms.insert(alarm) is alarm:
                created(alarm)
            try:
                self.agents.note_silent(agent.silent())
            except ConflictError:  # it reported, or was forgotten, just now
                self.lifecycle.end({alarm.id: _CAME_BACK}, now)
            else:
                told.append(agent.name)
        return told

    def _known(self, name: str) -> Agent | None:
        try:
            return self.agents.get(name)
        except NotFoundError:
            return None
