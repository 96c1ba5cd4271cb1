"""Several certificates that are issued for the same. Contract 4.13: what still serves is never silenced."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.inventory import DAY, T0
from tocsin.sources.succession import Issued, continuity_ref, succession

issued = st.lists(
    st.builds(
        Issued,
        st.text("abcdef", min_size=1, max_size=3),
        st.integers(0, 5).map(lambda days: T0 + days * DAY),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    unique_by=lambda one: one.ref,
)


@given(issued)
def test_each_is_one_of_three_things(all_: list[Issued]) -> None:
    parts = succession(all_)
    assert sorted([parts.latest, *parts.serving, *parts.past]) == sorted(one.ref for one in all_)


@given(issued)
def test_what_is_past_is_used_by_nothing_and_followed_by_something_good(all_: list[Issued]) -> None:
    parts = succession(all_)
    by_ref = {one.ref: one for one in all_}
    assert all(one.expires_at <= by_ref[parts.latest].expires_at for one in all_)
    for one in (by_ref[ref] for ref in parts.past):
        assert not one.is_in_use
        assert any(other.expires_at >= one.expires_at and not other.is_revoked for other in all_ if other != one)


@given(issued.flatmap(lambda all_: st.tuples(st.just(all_), st.permutations(all_))))
def test_their_order_does_not_matter(orders: tuple[list[Issued], list[Issued]]) -> None:
    one, other = map(succession, orders)
    assert (one.latest, set(one.serving), set(one.past)) == (other.latest, set(other.serving), set(other.past))


def test_of_several_good_ones_the_last_to_expire_is_the_row() -> None:
    parts = succession([Issued("a", T0), Issued("c", T0 + 2 * DAY), Issued("b", T0 + DAY, is_in_use=True)])
    assert (parts.latest, parts.serving, parts.past) == ("c", ("b",), ("a",))


def test_before_one_that_is_revoked_the_good_one_serves() -> None:
    parts = succession([Issued("a", T0), Issued("b", T0 + DAY), Issued("c", T0 + 2 * DAY, is_revoked=True)])
    assert (parts.latest, parts.serving, parts.past) == ("c", ("b",), ("a",))


def test_what_it_is_for_is_a_set_of_names() -> None:
    """In any order and any case; and a name can't run into the account."""
    ref = continuity_ref(("b.example.com", "a.example.com"), "EC", "account")
    assert ref == continuity_ref(("A.example.com", "b.example.com", "b.example.com"), "EC", "account")
    assert ref != continuity_ref(("b.example.com", "a.example.com"), "RSA", "account")
    assert ref != continuity_ref(("b.example.com", "a.example.com"), "EC", "another")
    assert continuity_ref((), "EC", "account") == ""
