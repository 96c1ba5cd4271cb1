"""Where an operator is: what rides in actions, whatever a caller makes of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.delivery.channel_name import ChannelName
from tocsin.delivery.filters import Filters
from tocsin.delivery.notification import Severity, Status
from tocsin.errors import InvalidFieldsError
from tocsin.widget.place import PAGE, Place, Tab, View, reason_of, recipient_of


def form(**fields: str) -> dict[str, Any]:
    return {"widgetContext": {"forms": {"all": fields}}}


def test_a_widget_begins_where_its_parameters_say() -> None:
    """As CloudWatch sends them: at the top, and again as `widgetContext.params`."""
    assert Place.read({"view": "counts", "widgetContext": {"params": {"view": "counts"}}}).view is View.COUNTS
    assert Place.read({"widgetContext": {"params": {"tab": "all", "limit": 10}}}) == Place(tab=Tab.ALL, limit=10)
    assert Place.read({"filters": {"channel": "Slack"}}).filters == {"channel": "Slack"}
    assert Place.read({}) == Place(view=View.LETTERS, tab=Tab.DEAD, limit=PAGE)


@pytest.mark.parametrize("tab", Tab)
def test_a_place_comes_back_from_its_action(tab: Tab) -> None:
    place = Place(tab=tab, filters={"contains": "x"}, cursor="c", limit=7, notification="n", certificate="k", job="j")
    assert Place.read({"place": place.as_json, "view": "counts"}) == place


def test_fields_of_the_form_count_only_where_they_are_applied() -> None:
    """All fields arrive with every action: a page is turned by the filters that its list was made with."""
    typed = form(status="sent", contains="  new  ", severity="")
    place = Place(tab=Tab.ALL, filters={"contains": "old", "error_group": "abc"}, cursor="c")
    assert Place.read(typed | {"place": place.as_json}) == place
    applied = Place.read(typed | {"place": place.as_json, "apply": True})
    assert applied.filters == {"status": "sent", "contains": "new", "error_group": "abc"}
    assert not applied.cursor, "other filters are another list"


def test_a_place_is_filters_of_a_list() -> None:
    said = {"channel": "Slack:payments", "severity": "critical", "status": "sent", "type": "Revocation"}
    assert Place(tab=Tab.ALL, filters=said).asked == Filters(
        status=Status.SENT, channel=ChannelName("Slack:payments"), severity=Severity.CRITICAL, type="Revocation"
    )
    assert Place(tab=Tab.DEAD, filters={"status": "sent"}).asked == Filters(status=Status.DEAD)


def test_every_filter_that_can_t_be_one_is_named() -> None:
    with pytest.raises(InvalidFieldsError) as caught:
        _ = Place(tab=Tab.ALL, filters={"channel": "Fax", "severity": "dire", "status": "lost"}).asked
    assert [problem.field for problem in caught.value.problems] == ["status", "channel", "severity"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
KEYS = ("place", "widgetContext", "view", "tab", "filters", "cursor", "limit", "notification", "job", "apply", "forms")


@given(st.dictionaries(st.sampled_from(KEYS), ANYTHING))
def test_any_json_is_some_place(event: dict[str, Any]) -> None:
    """Whoever may invoke the function may send what they like."""
    place = Place.read(event)
    assert 1 <= place.limit <= 100
    assert all(0 < len(text) <= 256 for text in place.filters.values())
    assert reason_of(event) is None
    assert not recipient_of(event, "Email")


def test_a_reason_is_short_and_may_be_left_out() -> None:
    assert reason_of(form(reason="  ")) is None
    assert reason_of(form(reason="x" * 500)) == "x" * 200
    assert recipient_of(form(**{"recipient Email:ops": " ops@example.com "}), "Email:ops") == "ops@example.com"
