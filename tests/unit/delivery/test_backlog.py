"""Design 2.2: a cap on each destination and on all, destinations in turn, the oldest of each first."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.support.rows import a_row
from tocsin.delivery.backlog import Backlog
from tocsin.delivery.notification import Notification


def to(*recipients: str) -> list[Notification]:
    return [a_row(recipient=recipient) for recipient in recipients]


def backlog(rows: list[Notification], total: int = 100, cap: int = 100) -> Backlog:
    return Backlog(rows, lambda row: row.recipient, lambda: 0.0, total, cap)


def test_destinations_take_turns_and_each_is_in_order() -> None:
    rows = to("a", "a", "a", "b", "b", "c")
    taken = backlog(rows).take(6)
    assert [row.recipient for row in taken] == ["a", "b", "c", "a", "b", "a"]
    assert [row for row in taken if row.recipient == "a"] == rows[:3]


def test_a_full_destination_is_passed_over_until_one_of_its_rows_is_done() -> None:
    waiting = backlog(to("hung", "hung", "hung", "well", "well"), cap=1)
    first = waiting.take(10)
    assert [row.recipient for row in first] == ["hung", "well"]
    waiting.finish(first[1])
    assert [row.recipient for row in waiting.take(10)] == ["well"]
    assert waiting.take(10) == []
    assert [row.recipient for row in waiting.waiting()] == ["hung", "hung"]


def test_a_thousand_rows_of_a_hung_destination_hold_up_no_other() -> None:
    """Faults: healthy rows beside 1,000 hung ones; shown by counts."""
    waiting = backlog(to(*["hung"] * 1000, *[f"well-{n}" for n in range(100)]), total=512, cap=64)
    healthy = 0
    while batch := waiting.take(25):
        for row in batch:
            if row.recipient != "hung":
                healthy += 1
                waiting.finish(row)
    assert healthy == 100
    assert len(waiting.waiting()) == 1000 - 64


@given(
    st.lists(st.sampled_from("abc"), max_size=60),
    st.integers(1, 20),
    st.integers(1, 8),
    st.lists(st.integers(1, 30), max_size=30),
    st.randoms(use_true_random=False),
)
def test_no_cap_is_ever_passed_and_no_row_is_lost(
    recipients: list[str], total: int, cap: int, takes: list[int], dice: Random
) -> None:
    rows = to(*recipients)
    waiting = backlog(rows, total, cap)
    flying: list[Notification] = []
    seen: list[Notification] = []
    for count in takes:
        room = waiting.startable()
        taken = waiting.take(count)
        assert len(taken) == min(count, room)
        flying += taken
        seen += taken
        assert len(flying) <= total
        assert max(Counter(row.recipient for row in flying).values(), default=0) <= cap
        assert waiting.is_busy == bool(flying)
        assert len(seen) + len(waiting) == len(rows)
        while flying and dice.random() < 0.5:
            waiting.finish(flying.pop(dice.randrange(len(flying))))
    assert sorted(row.id for row in (*seen, *waiting.waiting())) == sorted(row.id for row in rows)
    for name in "abc":
        assert [row for row in seen if row.recipient == name] == [row for row in rows if row.recipient == name][
            : sum(row.recipient == name for row in seen)
        ]
