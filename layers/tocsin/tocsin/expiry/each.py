"""How a check does something for each of many: in turn, or overlapped."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

Hint = TypeVar("Hint")
Look = TypeVar("Look")


class Each(Protocol):
    """Does something for each of many, like `map`: one after the other, or overlapped, with results in order."""

    def __call__(self, look: Callable[[Hint], Look], hints: Iterable[Hint], /) -> Iterable[Look]:
        """Do it."""
