"""The demo sees what happened, and sees when it did not. Its real run is `make demo ONCE=1`, a job of its own in CI."""

from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from demo import __main__ as demo
from demo.hook import Hook
from demo.process import alone
from demo.story import Story
from demo.teller import Teller, Verdict
from demo.view import View, table
from demo.world import World
from tests.support.small_tocsin import SECRET, SmallTocsin
from tocsin.delivery.attempt import Accepted


class BrokenHook(Hook):
    """A receiver that never recovers."""

    def answer(self, status: HTTPStatus) -> None:
        super().answer(HTTPStatus.SERVICE_UNAVAILABLE)


def told(tocsin: SmallTocsin, a_hook: Callable[[], Hook] = Hook) -> tuple[Teller, str]:
    printed = StringIO()
    with a_hook() as hook, View(Console(file=printed, width=80), tocsin.clock, moves=False) as view:
        teller = Teller(World(tocsin, hook, tocsin, SECRET), view, tocsin.clock, tocsin.pause)
        teller.tell(Story(teller.world).acts())
    return teller, printed.getvalue()


def test_all_is_seen_where_all_is_well() -> None:
    """Issue 2, 7: the story ends well only if each step was observed."""
    teller, printed = told(SmallTocsin())
    assert {finding.verdict for finding in teller.findings} == {Verdict.SEEN}, printed
    assert teller.all_seen


@pytest.mark.parametrize(
    ("spoilt", "missed"),
    [
        ({"unsigned_status": 200}, "a request without a signature is refused"),
        ({"checks": False}, "the check raises one alert for each"),
        ({"watched_for": timedelta(days=60)}, "the check raises one alert for each"),
        ({"mail_arrives": False}, "the owner gets an e-mail"),
        ({"shows_marks": False}, "GET /certificates/{id}/explain says so"),
        ({"ends_alerts": False}, "it is superseded, and says why"),
        ({"sweeps": False}, "the sweep tries them again"),
        ({"slack": Accepted()}, "nothing was sent to Slack, and the row says so"),
        ({"base": 2}, "each wait was twice as long as the one before"),
        ({"alarm_state": "OK"}, "the dead-letter alarm goes off"),
        ({"requeue_status": 409}, "The receiver is back"),
        ({"copies": 2}, "all three arrive, once each"),
        ({"fresh_webhook_ids": True}, "each under the webhook-id that it always had"),
        ({"secret": "whsec_" + "b3RoZXJz" * 4}, "standardwebhooks verifies every signature"),
    ],
)
def test_what_did_not_happen_is_not_seen(spoilt: dict[str, Any], missed: str) -> None:
    """Issue 2, 7: each check can fail, is named when it does, and ends the story."""
    teller, printed = told(SmallTocsin(**spoilt))
    assert [finding.name for finding in teller.findings if finding.verdict is Verdict.NOT_SEEN] == [missed]
    assert f"NOT SEEN {missed}" in printed
    assert not teller.all_seen
    assert teller.findings[-1].verdict is not Verdict.SEEN


def test_a_receiver_that_never_recovers_is_not_taken_for_one_that_does() -> None:
    teller, printed = told(SmallTocsin(), BrokenHook)
    assert "NOT SEEN all three arrive, once each" in printed
    assert not teller.all_seen


def test_a_second_demo_says_who_is_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 2, 1: a clear sentence, not a traceback."""
    monkeypatch.setattr(demo, "HOME", tmp_path)
    with alone(tmp_path):
        assert demo.main() == 1
    assert capsys.readouterr().err.startswith("A demo is running here already. To end it: kill ")


@pytest.mark.parametrize("width", [80, 100])
def test_the_picture_fits_the_terminal(width: int) -> None:
    """A line for each notification, none of them broken, with the time to its next try."""
    tocsin, printed = SmallTocsin(), StringIO()
    with Hook() as hook:
        world = World(tocsin, hook, tocsin, SECRET)
        Story(world).acts()[1].do()
        tocsin.pause(1)
        world.look()
    Console(file=printed, width=width).print(table([*world.rows.values()], tocsin.now, ascii_only=False))
    first, *lines = printed.getvalue().splitlines()
    assert len(lines) == len(world.rows) == 6
    assert max(map(len, lines)) <= width
    assert first.split() == ["id", "about", "channel", "status", "attempts", "next", "last", "error"]
    assert " Webhook failed  ✗···· 1/5  1.0 s HTTP 503" in lines[0]
