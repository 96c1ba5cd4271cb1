"""`tocsin renew` and `tocsin renewals`: what they ask, and what they show."""

import pytest

from tests.support.cli_api import RENEWAL, RecordedApi, a_page, a_renewal
from tocsin_cli.exits import Exit
from tocsin_cli.foreign import json_of

CERTIFICATE, JOB = "01JZ8W3T5N6V0QJ4X2M7C9K1CE", RENEWAL


@pytest.fixture
def stack(api: RecordedApi) -> RecordedApi:
    api.answers |= {
        f"GET /certificates/{CERTIFICATE}": {"id": CERTIFICATE},
        f"POST /certificates/{CERTIFICATE}/renew": (202, a_renewal()),
        "GET /renewal-jobs": a_page(a_renewal(), a_renewal(state="failed", attempts=3)),
        f"GET /renewal-jobs/{JOB}": a_renewal(
            state="failed", next_hand_off_at="2026-03-01T14:00:00Z", last_report="failed: x"
        ),
        f"POST /renewal-jobs/{JOB}/cancel": a_renewal(state="cancelled"),
    }
    return api


def test_a_renewal_is_asked_for_with_its_reason_and_deadline(stack: RecordedApi) -> None:
    done = stack.run("renew", CERTIFICATE, "--reason", "the key has leaked", "--deadline", "2026-03-02T12:00:00Z")
    assert (done.exit_code, done.stdout) == (0, f"{JOB}\trequested\n")
    assert stack.asked[-1].body == {"reason": "the key has leaked", "deadline": "2026-03-02T12:00:00Z"}
    assert stack.run("renew", CERTIFICATE, "--json").stdout == json_of(a_renewal()) + "\n"


def test_what_can_not_be_renewed_is_said(stack: RecordedApi) -> None:
    stack.answers[f"POST /certificates/{CERTIFICATE}/renew"] = (409, {"detail": "the certificate is archived"})
    done = stack.run("renew", CERTIFICATE)
    assert (done.exit_code, "the certificate is archived" in done.stderr) == (Exit.REFUSED, True)


def test_the_list_is_narrowed_by_the_api(stack: RecordedApi) -> None:
    done = stack.run("renewals", "--state", "failed", "--certificate", CERTIFICATE)
    assert [line.split("\t")[2:4] for line in done.stdout.splitlines()] == [
        ["requested", "shop.example.com"],
        ["failed", "shop.example.com"],
    ]
    (asked,) = [one for one in stack.asked if one.line == "GET /renewal-jobs"]
    assert (asked.query["state"], asked.query["certificate_id"]) == ("failed", CERTIFICATE)


def test_one_is_shown_whole(stack: RecordedApi) -> None:
    shown = stack.run("renewals", "show", JOB).stdout
    for text in ("failed", "shop.example.com", "the key has leaked", "once", "failed: x", "2026-03-01 14:00"):
        assert text in shown


def test_one_is_cancelled_after_a_question(stack: RecordedApi) -> None:
    assert stack.run("renewals", "cancel", JOB).exit_code == Exit.USAGE
    done = stack.run("renewals", "cancel", JOB, "--reason", "retired", "--yes")
    assert (done.exit_code, done.stdout) == (0, f"{JOB}\tcancelled\n")
    assert stack.asked[-1].body == {"reason": "retired"}
