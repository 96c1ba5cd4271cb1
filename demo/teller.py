"""Tells a story: does what each act does, and looks until each of its checks is seen, or its time is up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from demo.world import UnexpectedAnswerError, World

POLL = 0.5
"""Seconds between two looks at the API."""
FRAME = 0.1
"""Seconds between two pictures; in between only the countdowns change."""


@dataclass(frozen=True)
class Check:
    """Something that must be observed."""

    name: str
    seconds: float
    """How long it may take, from the moment that the check before it was seen."""
    evidence: Callable[[], str]
    """Say what was seen; empty while it is not."""


@dataclass(frozen=True)
class Act:
    """A part of the story."""

    title: str
    text: str
    checks: Sequence[Check]
    do: Callable[[], None] = lambda: None


class Verdict(StrEnum):
    """What became of a check."""

    SEEN = "ok"
    NOT_SEEN = "NOT SEEN"
    NOT_REACHED = "-"
    """The story ended before it."""


@dataclass(frozen=True)
class Finding:
    """What became of one check."""

    name: str
    verdict: Verdict
    detail: str = ""
    """What was seen, or why nothing was."""


class View(Protocol):
    """Where the story is shown."""

    def act(self, number: int, act: Act) -> None:
        """Begin an act."""
        ...

    def found(self, finding: Finding) -> None:
        """Tell what became of a check."""
        ...

    def draw(self, world: World) -> None:
        """Show how things are."""
        ...


@dataclass
class Teller:
    """One telling."""

    world: World
    view: View
    clock: Callable[[], float]
    pause: Callable[[float], None]
    reading: float = 0.0
    """Seconds between an act's heading and what is done in it, for whoever reads along."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def all_seen(self) -> bool:
        """Whether every check was seen, so far."""
        return all(finding.verdict is Verdict.SEEN for finding in self.findings)

    def tell(self, acts: Sequence[Act]) -> bool:
        """Tell it until a check is not seen; whether all were."""
        for number, act in enumerate(acts, start=1):
            if self.all_seen:
                self._play(number, act)
            else:
                self._skip(act.checks)
        return self.all_seen

    def watch(self, seconds: float = POLL) -> None:
        """Look once, and keep the picture moving until it is time for the next look."""
        self.world.look()
        until = self.clock() + seconds
        while self.clock() < until:
            self.view.draw(self.world)
            self.pause(FRAME)

    def _play(self, number: int, act: Act) -> None:
        self.view.act(number, act)
        self.watch(self.reading)
        try:
            act.do()
            self.view.draw(self.world)
        except UnexpectedAnswerError as why:
            self._note(Finding(act.title, Verdict.NOT_SEEN, str(why)))
        for place, check in enumerate(act.checks):
            if not self.all_seen:
                self._skip(act.checks[place:])
                return
            self._note(self._looked_for(check))

    def _skip(self, checks: Sequence[Check]) -> None:
        for check in checks:
            self._note(Finding(check.name, Verdict.NOT_REACHED))

    def _note(self, finding: Finding) -> None:
        self.findings.append(finding)
        self.view.found(finding)

    def _looked_for(self, check: Check) -> Finding:
        deadline, problem = self.clock() + check.seconds, ""
        while True:
            self.watch()
            try:
                if evidence := check.evidence():
                    return Finding(check.name, Verdict.SEEN, evidence)
            except UnexpectedAnswerError as why:
                problem = f"; {why}"
            if self.clock() >= deadline:
                return Finding(check.name, Verdict.NOT_SEEN, f"not within {check.seconds:g} s{problem}")
