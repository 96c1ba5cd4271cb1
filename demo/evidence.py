"""Looking for evidence of what is told: a demonstration says nothing that it has not observed."""

import time
from collections.abc import Callable

from demo.picture import Picture
from demo.world import UnexpectedAnswerError

PATIENCE = 60.0
"""Seconds that a check may take, from the moment that the one before it was seen: a whole life takes 20."""
Seen = str | bool
"""The evidence in words, or that there is none yet."""


class NotSeenError(Exception):
    """Something that was told did not happen."""


def look_for(
    picture: Picture, name: str, evidence: Callable[[], Seen], look: Callable[[], None], patience: float = PATIENCE
) -> None:
    """Call `look` (which takes its time) until there is evidence, and tell it; raise NotSeenError if none comes."""
    deadline, problem = time.monotonic() + patience, ""
    while True:
        look()
        try:
            if (found := evidence()) and isinstance(found, str):
                return picture.found("ok", name, found, "green")
        except UnexpectedAnswerError as why:
            problem = f"; {why}"
        if time.monotonic() >= deadline:
            picture.found("NOT SEEN", name, f"not within {patience:g} s{problem}", "bold red")
            raise NotSeenError(name)
