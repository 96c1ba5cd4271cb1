"""Agents: `tocsin report`, run beside servers. What is known of one, and when its silence is told. Pure.

A report that came to its end is a heartbeat. An agent of which none comes for two of its periods is silent, which is
told once each time that it begins to be; the next report ends that.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self

from tocsin.delivery.notification import Notification
from tocsin.errors import FieldProblem, InvalidFieldsError
from tocsin.expiry.alert import cycle_of, derived_id
from tocsin.sources.state import AlarmRoute
from tocsin.text import written

SILENT_TYPE = "Custom:AgentSilent"
NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
"""Of an agent: a host's name, or what stands for it. No colon: one ends the name in `source_ref`."""
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=90)
"""The periods that an agent may have."""
PROBLEMS_LIMIT = 100
"""Problems kept of one report; their number is kept beside them."""
_PATIENCE = 2
"""Periods without a report after which an agent is silent."""


@dataclass(frozen=True, slots=True)
class AgentProblem:
    """What a report could not read, and why."""

    path: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the last part of a report says of the whole of it."""

    id: str
    period: timedelta
    """How long until the next one, at most."""
    certificates: int
    """How many it found."""
    problem_count: int
    problems: tuple[AgentProblem, ...]
    """The first of them."""
    version: str
    """Of the command line."""
    by: str
    """The IAM principal that sent it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What is known of one. It changes only by copy."""

    name: str
    first_seen_at: datetime
    last_report_at: datetime
    period: timedelta
    report_id: str = ""
    certificates: int = 0
    """Found by the last report."""
    problem_count: int = 0
    reported_by: str = ""
    version: str = ""
    silent_since: datetime | None = None
    """Since when it is silent, once somebody was told; null: it reports."""
    problems: tuple[AgentProblem, ...] = field(default=(), compare=False)
    """The first of them; read for one agent, not for a list."""

    @classmethod
    def first(cls, name: str, report: Report, now: datetime) -> Self:
        """Make an agent that nobody knew of."""
        return cls(name=name, first_seen_at=now, last_report_at=now, period=report.period).reported(report, now)

    @property
    def silent_at(self) -> datetime:
        """Say when it will be silent, if no report comes."""
        return self.last_report_at + _PATIENCE * self.period

    @property
    def alarm_id(self) -> str:
        """Name what tells of its silence after the last report, whoever raises it and however often."""
        return derived_id(self.silent_at, f"agent {self.name}\n{cycle_of(self.last_report_at)}")

    def reported(self, report: Report, now: datetime) -> Self:
        """Note that a whole report came."""
        return replace(
            self,
            last_report_at=now,
            period=report.period,
            report_id=report.id,
            certificates=report.certificates,
            problem_count=report.problem_count,
            problems=report.problems,
            reported_by=report.by,
            version=report.version,
            silent_since=None,
        )

    def silent(self) -> Self:
        """Note that its silence was told to somebody."""
        return replace(self, silent_since=self.silent_at)


def silence_due(agent: Agent, route: AlarmRoute, now: datetime) -> Notification | None:
    """Give the alarm that an agent owes at `now`, if any. The id is the same however often it is made."""
    if agent.silent_since is not None or now < agent.silent_at:
        return None
    subject = f"[Tocsin] The agent {agent.name} is silent"
    return route.alarm(agent.alarm_id, SILENT_TYPE, subject, _message(agent), now)


def _message(agent: Agent) -> str:
    return (
        f"The agent {agent.name} has not reported since {written(agent.last_report_at)}.\n"
        f"It is to report every {agent.period}; by now, twice that time has passed.\n"
        f"Its last report had {agent.certificates} certificates.\n"
        "They stay in the inventory as they were reported last; a renewal there would not be seen. "
        f"If the host is gone: tocsin agents forget {agent.name}"
    )


def checked_name(name: str) -> str:
    """Return the name of an agent as it is; raise InvalidFieldsError for what is none."""
    if re.fullmatch(NAME_PATTERN, name) is None or name.endswith("\n"):
        allowed = "must be up to 128 letters, digits, dots, dashes and underscores, and begin with a letter or digit"
        raise InvalidFieldsError([FieldProblem("name", allowed)])
    return name
