"""Agents and their reports as the API takes and shows them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Self

from fields import Id, Line, Says, Shown, Strict, Tags, whole
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StrictBool, StringConstraints

from tocsin.inventory.certificate import Certificate
from tocsin.sources.agents import LONGEST, PROBLEMS_LIMIT, SHORTEST, Agent, AgentProblem, Report
from tocsin.sources.intake import Assignment, Result

CERTIFICATES_LIMIT = 100
"""Certificates in one part of a report."""
_PATH_LIMIT = 880
"""Characters: with an agent's name before it, it fits where a source's reference is kept."""
_PEM_LIMIT = 100_000
"""Characters: of the usual certificate, fifty times as much."""
_COUNT_LIMIT = 1_000_000
_SHORTEST, _LONGEST = int(SHORTEST.total_seconds()), int(LONGEST.total_seconds())


def _no_key(text: str) -> str:
    """Refuse a private key, wherever it stands, and repeat nothing of it."""
    if "PRIVATE KEY" in text:
        raise ValueError("holds a private key, which belongs nowhere but on its host: nothing of it was read or kept")
    return text


Path = Annotated[Line, Field(min_length=1, max_length=_PATH_LIMIT)]
Pem = Annotated[str, Field(min_length=1, max_length=_PEM_LIMIT), AfterValidator(_no_key), Says({"format": "pem"})]
Count = Annotated[int, Field(ge=0, le=_COUNT_LIMIT, strict=True), BeforeValidator(whole)]


class ReportedIn(Strict):
    """One certificate, and where it was found. `pem` is that certificate and nothing else."""

    path: Path
    pem: Pem


class ProblemIn(Strict):
    """What could not be read, and why."""

    path: Path
    problem: Annotated[Line, Field(min_length=1, max_length=256), AfterValidator(_no_key)]


class AgentReportIn(Strict):
    """A part of a report. The last one says how it ended, and is the agent's heartbeat."""

    report_id: Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{8,64}$")]
    period_seconds: Annotated[int, Field(ge=_SHORTEST, le=_LONGEST, strict=True), BeforeValidator(whole)]
    last: StrictBool
    certificates: list[ReportedIn] = Field(max_length=CERTIFICATES_LIMIT, default_factory=list)
    found: Count = 0
    """Certificates in the whole report."""
    problems: list[ProblemIn] = Field(max_length=PROBLEMS_LIMIT, default_factory=list)
    problem_count: Count = 0
    """Problems in the whole report, of which the first are in `problems`."""
    version: Annotated[Line, Field(max_length=64)] = ""
    owner_id: Id | None = None
    team_id: Id | None = None
    policy_id: Id | None = None
    environment: Annotated[Line, Field(max_length=256)] = ""
    tags: Tags = Field(default_factory=dict)

    @property
    def assignment(self) -> Assignment:
        """Give the operator's part of certificates that are new."""
        return Assignment(self.owner_id, self.team_id, self.policy_id, self.environment, self.tags)

    def whole(self, by: str) -> Report:
        """Give what the last part says of the whole report."""
        return Report(
            id=self.report_id,
            period=timedelta(seconds=self.period_seconds),
            certificates=self.found,
            problem_count=max(self.problem_count, len(self.problems)),
            problems=tuple(AgentProblem(one.path, one.problem) for one in self.problems),
            version=self.version,
            by=by,
        )


class ReportedOut(BaseModel):
    """What a certificate of a report meant: created, renewed, changed, unchanged."""

    path: str
    result: str
    certificate_id: str
    common_name: str
    expires_at: datetime

    @classmethod
    def of(cls, path: str, result: Result, certificate: Certificate) -> Self:
        """Show what was found at `path`."""
        return cls(
            path=path,
            result=result,
            certificate_id=certificate.id,
            common_name=certificate.common_name,
            expires_at=certificate.expires_at,
        )


class AgentReportOut(BaseModel):
    """The certificates of a part, in their order."""

    items: list[ReportedOut]


class AgentOut(Shown):
    """An agent, as its last whole report left it."""

    name: str
    first_seen_at: datetime
    last_report_at: datetime
    period_seconds: int
    certificates: int
    problem_count: int
    reported_by: str
    version: str
    silent_since: datetime | None

    @classmethod
    def of(cls, agent: Agent) -> Self:
        """Show `agent`."""
        return cls(**_shown(agent))


class ProblemOut(Shown):
    """What the last report could not read, and why."""

    path: str
    problem: str


class AgentDetailOut(AgentOut):
    """An agent, with the first of what it could not read."""

    problems: list[ProblemOut]

    @classmethod
    def with_problems(cls, agent: Agent, problems: Sequence[AgentProblem]) -> Self:
        """Show `agent` with its `problems`."""
        return cls(**_shown(agent), problems=[ProblemOut.model_validate(one) for one in problems])


def _shown(agent: Agent) -> dict[str, object]:
    seconds = int(agent.period.total_seconds())
    plain = {name: getattr(agent, name) for name in AgentOut.model_fields if name != "period_seconds"}
    return plain | {"period_seconds": seconds}


class AgentList(BaseModel):
    """A page, by name."""

    items: list[AgentOut]
    next_cursor: str | None
