"""How the story looks: lines of what happens, and below them, in a terminal, the notifications as they are now."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from demo.row import Row
from demo.teller import Act, Finding, Verdict
from demo.world import World

COLOURS = {
    "pending": "cyan",
    "failed": "yellow",
    "sent": "green",
    "dead": "bold red",
    "skipped": "magenta",
    "read": "dim",
    "superseded": "dim",
}
AROUND = 8
"""Lines of the terminal that are not for rows: heading, status line, and some of what happened before."""
VERDICTS = {Verdict.SEEN: "green", Verdict.NOT_SEEN: "bold red", Verdict.NOT_REACHED: "dim"}


class View:
    """Shows a story on a console: redrawn in place if `moves`, else a line for each thing that changes."""

    def __init__(self, console: Console, clock: Callable[[], float], *, moves: bool) -> None:
        """The clock counts the seconds in front of each line."""
        self._console = console
        self._clock = clock
        self._began = clock()
        self._live = Live(console=console, auto_refresh=False, transient=False) if moves else None
        self._shown: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Begin to redraw."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        """Leave the last picture where it is."""
        if self._live:
            self._live.stop()

    def say(self, *lines: str) -> None:
        """Print lines as they are: what somebody copies must not be cut."""
        for text in lines:
            self._console.print(Text(text), soft_wrap=True)

    def act(self, number: int, act: Act) -> None:
        """Begin an act."""
        self._console.print()
        self._print(Text(f"{number}. {act.title}", "bold"))
        indented = Padding(Text(act.text, "italic"), (0, 0, 0, 3), expand=False)
        self._console.print(indented if self._live else f"   {act.text}", soft_wrap=self._live is None)

    def found(self, finding: Finding) -> None:
        """Tell what became of a check."""
        told = Text(f"{self._stamp()} ").append(f"{finding.verdict:9}", VERDICTS[finding.verdict]).append(finding.name)
        self._print(told.append(f": {finding.detail}" if finding.detail else "", "dim"))

    def _print(self, line: Text) -> None:
        """Print one line: a terminal gets as much of it as fits, a log all of it."""
        self._console.print(
            line, soft_wrap=self._live is None, no_wrap=True, overflow="ellipsis" if self._live else None
        )

    def draw(self, world: World) -> None:
        """Show how things are."""
        if self._live and world.rows:
            self._live.update(self._picture(world), refresh=True)
        if not self._live:
            self._tell_changes(world)

    def _stamp(self) -> str:
        return f"{self._clock() - self._began:5.1f} s"

    def _tell_changes(self, world: World) -> None:
        for row in world.rows.values():
            told = line(row, ascii_only=self._console.options.ascii_only)
            if self._shown.get(row.id) != told:
                self._shown[row.id] = told
                self.say(f"{self._stamp()} {told}")

    def _picture(self, world: World) -> RenderableType:
        options = self._console.options
        rows = list(world.rows.values())[-max(1, self._console.height - AROUND) :]
        grid = table(rows, datetime.now(UTC), ascii_only=options.ascii_only)
        return Group(Rule(style="dim"), grid, status_line(world))


def table(rows: list[Row], now: datetime, *, ascii_only: bool) -> Table:
    """A line for each notification."""
    grid = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim", show_edge=False)
    grid.add_column("id", no_wrap=True)
    grid.add_column("about", no_wrap=True, overflow="ellipsis", ratio=5)
    for name in ("channel", "status", "attempts"):
        grid.add_column(name, no_wrap=True)
    grid.add_column("next", no_wrap=True, justify="right", min_width=6)
    grid.add_column("last error", no_wrap=True, overflow="ellipsis", ratio=6, style="dim")
    for row in rows:
        about = Text(row.subject, "bold" if row.severity == "critical" else "")
        state = Text(row.state, COLOURS[row.state])
        attempts = marks(row, ascii_only=ascii_only).append(f" {len(row.life)}/{row.max_attempts}", "dim")
        grid.add_row(row.id[-5:], about, row.channel, state, attempts, countdown(row, now), row.error)
    return grid


def marks(row: Row, *, ascii_only: bool) -> Text:
    """The attempts of this life, a mark for each one made and each one left."""
    good, bad, left = "+x." if ascii_only else "✓✗·"
    drawn = Text()
    for done in row.life:
        match done.result:
            case "delivered":
                drawn.append(good, "green")
            case "skipped_no_channel":
                drawn.append("-", "magenta")
            case _:
                drawn.append(bad, "red")
    return drawn.append(left * (row.max_attempts - len(row.life)), "dim")


def countdown(row: Row, now: datetime) -> str:
    """Time to the next attempt; a row that is due waits for the sweep."""
    if row.next_retry_at is None:
        return ""
    seconds = (row.next_retry_at - now).total_seconds()
    return f"{seconds:.1f} s" if seconds > 0 else "due"


def status_line(world: World) -> Text:
    """What the rows don't say."""
    dead = sum(row.status == "dead" for row in world.rows.values())
    told = Text("dead letters ", "dim").append(str(dead), "bold red" if dead else "green")
    told.append("   receiver ", "dim").append(world.hook.mood)
    return told.append(f", has got {len(world.received)} requests", "dim")


def line(row: Row, *, ascii_only: bool) -> str:
    """A notification in one line that does not move."""
    attempts = marks(row, ascii_only=ascii_only).plain
    wait = row.life[-1].wait if row.life else None
    after = f"next in {wait:g} s; " if row.status == "failed" and wait is not None else ""
    error = f"{after}{row.error}" if row.error else ""
    return f"{row.id[-5:]}  {row.channel:8}{row.state:8} {attempts}  {row.subject:26} {error}".rstrip()
