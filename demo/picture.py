"""How the story looks: lines of what happens, and below them, in a terminal, the notifications as they are now."""

import time
from datetime import UTC, datetime

from rich.console import Console, Group
from rich.live import Live
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from demo.world import Row

COLOURS = {"pending": "cyan", "failed": "yellow", "sent": "green", "dead": "bold red", "skipped": "magenta"}
MARKS = {"delivered": "✓", "accepted": "✓", "skipped_no_channel": "-"}
AROUND = 8
"""Lines of the terminal that are not for rows: heading, status line, and some of what happened before."""


class Picture:
    """Shows a story on a console: redrawn in place if `moves`, else a line for each thing that changes."""

    def __init__(self, console: Console, *, moves: bool) -> None:
        """Begin; the seconds in front of each line are counted from here."""
        self._console = console
        self._began = time.monotonic()
        self._live = Live(console=console, auto_refresh=False, transient=False) if moves else None
        self._shown: dict[str, str] = {}
        if self._live:
            self._live.start()

    def close(self) -> None:
        """Leave the last picture where it is."""
        if self._live:
            self._live.stop()

    def say(self, *lines: str) -> None:
        """Print lines as they are: what somebody copies must not be cut."""
        for text in lines:
            self._console.print(Text(text), soft_wrap=True)

    def act(self, number: int, title: str, text: str) -> None:
        """Begin an act."""
        self._console.print()
        self._print(Text(f"{number}. {title}", "bold"))
        self._print(Text(f"   {text}", "italic"))

    def found(self, verdict: str, name: str, detail: str, style: str) -> None:
        """Tell what became of a check."""
        told = Text(f"{self._stamp()} ").append(f"{verdict:9}", style).append(name)
        self._print(told.append(f": {detail}", "dim"))

    def draw(self, rows: list[Row], mood: str) -> None:
        """Show how things are."""
        if self._live and rows:
            seen = rows[-max(1, self._console.height - AROUND) :]
            self._live.update(
                Group(Rule(style="dim"), table(seen, datetime.now(UTC)), _status(rows, mood)), refresh=True
            )
        for row in () if self._live else rows:
            told = line(row)
            if self._shown.get(row.id) != told:
                self._shown[row.id] = told
                self.say(f"{self._stamp()} {told}")

    def _print(self, text: Text) -> None:
        """Print one line: a terminal gets as much of it as fits, a log all of it."""
        self._console.print(
            text, soft_wrap=self._live is None, no_wrap=True, overflow="ellipsis" if self._live else None
        )

    def _stamp(self) -> str:
        return f"{time.monotonic() - self._began:5.1f} s"


def table(rows: list[Row], now: datetime) -> Table:
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
        attempts = f"{_marks(row)} {len(row.life)}/{row.max_attempts}"
        state = Text(row.state, COLOURS.get(row.state, "dim"))
        grid.add_row(row.id[-5:], about, row.channel, state, attempts, _countdown(row, now), row.error)
    return grid


def line(row: Row) -> str:
    """A notification in one line that does not move."""
    wait = row.life[-1].wait if row.life else None
    after = f"next in {wait:g} s; " if row.status == "failed" and wait is not None else ""
    error = f"{after}{row.error}" if row.error else ""
    return f"{row.id[-5:]}  {row.channel:15}{row.state:9} {_marks(row)}  {row.subject:26} {error}".rstrip()


def _marks(row: Row) -> str:
    """The attempts of this life, a mark for each one made and each one left."""
    return "".join(MARKS.get(done.result, "✗") for done in row.life).ljust(row.max_attempts, "·")


def _countdown(row: Row, now: datetime) -> str:
    """Time to the next attempt; a row that is due waits for the sweep."""
    if row.next_retry_at is None:
        return ""
    seconds = (row.next_retry_at - now).total_seconds()
    return f"{seconds:.1f} s" if seconds > 0 else "due"


def _status(rows: list[Row], mood: str) -> Text:
    """What the rows don't say."""
    dead = sum(row.status == "dead" for row in rows)
    told = Text("dead letters ", "dim").append(str(dead), "bold red" if dead else "green")
    return told.append("   receiver ", "dim").append(mood)
