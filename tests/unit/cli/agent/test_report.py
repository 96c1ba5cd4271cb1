"""`tocsin report` and `tocsin agents` against an API that answers what a test has recorded.

Contract 4.15 [T].
"""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority, Made
from tests.support.cli_api import AGENT, ID, OTHER, RecordedApi, a_page
from tests.support.stores import PASSWORD, p12
from tocsin_cli.agent import sending
from tocsin_cli.agent.contents import Found, Problem
from tocsin_cli.agent.finding import Look
from tocsin_cli.agent.sending import Reporter
from tocsin_cli.exits import Exit
from tocsin_cli.times import now

CA = Authority()
LEAF = CA.issued(common_name="shop.example.com", names=["shop.example.com"])
REPORTS = "POST /agents/web-1/reports"


def item(path: object, result: str = "created") -> dict[str, Any]:
    """Give what the API answers of one certificate."""
    at = "2049-04-01T12:30:15Z"
    return {
        "path": str(path),
        "result": result,
        "certificate_id": ID,
        "common_name": "shop.example.com",
        "expires_at": at,
    }


@pytest.fixture
def host(api: RecordedApi, monkeypatch: pytest.MonkeyPatch) -> RecordedApi:
    """An API that takes every report of web-1; nothing waits before it sends again."""
    monkeypatch.setattr(sending, "_PAUSES", (0.0, 0.0, 0.0))
    api.answers[REPORTS] = {"items": []}
    return api


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """A chain as servers have it, with the key in the same file."""
    file = tmp_path / "server.pem"
    file.write_text(LEAF.key_pem + LEAF.pem + CA.certificate().pem)
    return file


def report(api: RecordedApi, *arguments: object, **environment: str) -> Any:
    return api.run("report", "--name", "web-1", *map(str, arguments), **environment)


# ── What is sent ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_report_is_the_certificates_of_files_and_how_it_ended(host: RecordedApi, pem: Path) -> None:
    host.answers[REPORTS] = {"items": [item(pem)]}
    done = report(host, pem, "--owner", OTHER, "--tag", "team=shop", "--environment", "production", "--period", "6h")
    assert done.exit_code == 0, done.output
    (asked,) = host.asked
    body = dict(asked.body)
    assert len(body.pop("report_id")) == 32
    assert body.pop("version")
    assert body == {
        "period_seconds": 21_600,
        "last": True,
        "certificates": [{"path": str(pem), "pem": LEAF.pem}],
        "found": 1,
        "problems": [],
        "problem_count": 0,
        "owner_id": OTHER,
        "tags": {"team": "shop"},
        "environment": "production",
    }
    assert done.stdout == f"{pem}\tcreated\t{ID}\tshop.example.com\t2049-04-01 12:30:15 UTC\n"
    assert "1 certificate reported; 1 created" in done.stderr


def test_a_host_without_certificates_reports_too(host: RecordedApi, tmp_path: Path) -> None:
    """It is a heartbeat."""
    assert report(host, tmp_path).exit_code == 0
    (asked,) = host.asked
    assert (asked.body["certificates"], asked.body["last"], asked.body["found"]) == ([], True, 0)


def test_the_name_is_the_hosts_own_if_none_is_said(host: RecordedApi, pem: Path) -> None:
    host.answers[f"POST /agents/{socket.gethostname()}/reports"] = {"items": []}
    assert host.run("report", str(pem)).exit_code == 0


def test_everything_can_be_said_by_the_environment(host: RecordedApi, pem: Path) -> None:
    """As a unit of systemd has it."""
    told = {
        "TOCSIN_REPORT_PATHS": f"{pem} /nowhere",
        "TOCSIN_REPORT_NAME": "web-1",
        "TOCSIN_REPORT_PERIOD": "1h",
        "TOCSIN_REPORT_QUIET": "1",
        "TOCSIN_REPORT_POLICY": OTHER,
    }
    done = host.run("report", **told)
    assert (done.exit_code, done.stdout) == (Exit.REFUSED, "")
    assert done.stderr == "/nowhere: can't be read: No such file or directory\n"
    (asked,) = host.asked
    assert (asked.body["period_seconds"], asked.body["policy_id"]) == (3_600, OTHER)


def test_what_can_not_be_read_is_reported_and_keeps_nothing_from_the_rest(
    host: RecordedApi, pem: Path, tmp_path: Path
) -> None:
    """Contract 4.15 [T]: the exit code says that a part failed; the API is told as well."""
    broken = tmp_path / "a-broken.pem"
    broken.write_text(LEAF.pem[:100])
    done = report(host, tmp_path)
    assert done.exit_code == Exit.REFUSED
    (asked,) = host.asked
    assert [one["path"] for one in asked.body["certificates"]] == [str(pem)]
    assert asked.body["problems"] == [{"path": str(broken), "problem": "a certificate in it is cut off"}]
    assert f"{broken}: a certificate in it is cut off" in done.stderr


def test_a_dry_run_sends_nothing(host: RecordedApi, pem: Path) -> None:
    done = report(host, pem, "--dry-run")
    assert (done.exit_code, host.asked) == (0, [])
    assert done.stdout == f"{pem}\tfound\tshop.example.com\t2049-04-01 12:30:15 UTC\n"
    (line,) = report(host, pem, "--dry-run", "--json").stdout.splitlines()
    assert json.loads(line)["certificates"] == [{"path": str(pem), "pem": LEAF.pem}]
    assert host.asked == []


def test_json_has_an_object_a_certificate(host: RecordedApi, pem: Path) -> None:
    host.answers[REPORTS] = {"items": [item(pem, "unchanged")]}
    (line,) = report(host, pem, "--json").stdout.splitlines()
    assert json.loads(line) == item(pem, "unchanged")


def test_what_was_passed_over_is_counted(host: RecordedApi, pem: Path) -> None:
    (pem.parent / "server.key").write_text(LEAF.key_pem)
    (pem.parent / "privkey.pem").write_text(LEAF.key_pem)
    done = report(host, pem.parent)
    assert "Passed over: 1 a private key's file, 1 without a certificate." in done.stderr
    assert report(host, pem.parent / "privkey.pem").exit_code == Exit.REFUSED  # it was named


# ── In parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def many(count: int, made: Made = LEAF) -> Look:
    return Look([Found(f"/{number}.pem", made.pem, "x", now()) for number in range(count)])


def test_a_large_report_is_sent_in_parts_of_which_the_last_says_how_it_ended() -> None:
    """Contract 4.15 [T]: at most 100 certificates, and far from the limits of Lambda."""
    look = many(120)
    look.problems += [Problem("/x", "broken")] * 150
    parts = list(Reporter("web-1", 3_600, "1", {}).parts(look))
    assert [len(part["certificates"]) for part in parts] == [50, 50, 20]
    assert [part["last"] for part in parts] == [False, False, True]
    assert len({part["report_id"] for part in parts}) == 1
    assert [part.get("problem_count") for part in parts] == [None, None, 150]
    assert len(parts[-1]["problems"]) == 100
    assert parts[-1]["found"] == 120


def test_large_certificates_make_more_parts() -> None:
    look = Look([Found(f"/{number}.pem", "x" * 90_000, "x", now()) for number in range(12)])
    parts = list(Reporter("web-1", 3_600, "1", {}).parts(look))
    assert [len(part["certificates"]) for part in parts] == [5, 5, 2]
    assert all(len(json.dumps(part)) < 600_000 for part in parts)


def test_a_part_without_an_answer_is_sent_again(host: RecordedApi, pem: Path) -> None:
    """The same part twice changes nothing."""
    host.answers[REPORTS] = [(503, {"detail": "try again"}), (409, {"detail": "just now"}), {"items": [item(pem)]}]
    assert report(host, pem).exit_code == 0
    assert [one.body for one in host.asked] == [host.asked[0].body] * 3


def test_what_never_answers_is_its_own_exit_code(host: RecordedApi, pem: Path) -> None:
    host.answers[REPORTS] = (503, {"detail": "try again"})
    assert report(host, pem).exit_code == Exit.UNREACHABLE
    assert len(host.asked) == 4
    host.answers[REPORTS] = (403, {"message": "not yours"})
    assert report(host, pem).exit_code == Exit.NO_ACCESS


def test_a_certificate_that_the_api_refuses_is_a_problem_and_the_rest_is_taken(
    host: RecordedApi, pem: Path, tmp_path: Path
) -> None:
    other = tmp_path / "a.pem"
    other.write_text(LEAF.pem)
    refusal = {"detail": "no", "errors": [{"field": "certificates.0.pem", "detail": "the certificate can't be read"}]}
    host.answers[REPORTS] = [(422, refusal), {"items": [item(pem)]}]
    done = report(host, tmp_path)
    assert done.exit_code == Exit.REFUSED
    assert [one["path"] for one in host.asked[1].body["certificates"]] == [str(pem)]
    refused = {"path": str(other), "problem": "refused: the certificate can't be read"}
    assert host.asked[1].body["problems"] == [refused]


@pytest.mark.parametrize(
    "errors",
    [[{"field": "name", "detail": "no"}], [{"field": "certificates.7.pem", "detail": "no"}], []],
)
def test_what_the_api_refuses_otherwise_ends_it(host: RecordedApi, pem: Path, errors: list[dict[str, str]]) -> None:
    host.answers[REPORTS] = (422, {"detail": "no", "errors": errors})
    assert report(host, pem).exit_code == Exit.REFUSED
    assert len(host.asked) == 1


# ── Passwords ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def store(tmp_path: Path) -> Path:
    file = tmp_path / "server.p12"
    file.write_bytes(p12(LEAF))
    return file


@pytest.mark.parametrize("said", [["--password", "hunter2"], ["--password=hunter2"], ["--password"]])
def test_a_password_on_the_command_line_is_refused_with_words(host: RecordedApi, store: Path, said: list[str]) -> None:
    """Contract 4.15 [T]: from a file or the environment only; it is not repeated."""
    done = report(host, store, *said)
    assert (done.exit_code, host.asked) == (Exit.USAGE, [])
    assert "--password-file" in done.stderr
    assert "TOCSIN_STORE_PASSWORD" in done.stderr
    assert "hunter2" not in done.output


def test_a_password_comes_from_the_environment(host: RecordedApi, store: Path) -> None:
    assert report(host, store, TOCSIN_STORE_PASSWORD=PASSWORD).exit_code == 0
    (asked,) = host.asked
    assert [one["path"] for one in asked.body["certificates"]] == [f"{store}#tomcat"]
    assert PASSWORD not in json.dumps(asked.body)


def test_or_from_a_file_with_several(host: RecordedApi, store: Path, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text(f"another one\n\n{PASSWORD}\n")
    passwords.chmod(0o600)
    done = report(host, store, "--password-file", passwords)
    assert done.exit_code == 0
    assert "chmod" not in done.stderr
    passwords.chmod(0o644)
    done = report(host, store, "--password-file", passwords)
    assert "chmod 600" in done.stderr
    assert PASSWORD not in done.output


@pytest.mark.parametrize("data", [b"x" * 70_000, b"\xff\xfe", b"a\n" * 21, None])
def test_what_is_no_file_of_passwords_is_refused(host: RecordedApi, store: Path, data: bytes | None) -> None:
    file = store.parent / "passwords"
    if data is not None:
        file.write_bytes(data)
        file.chmod(0o600)
    done = report(host, store, "--password-file", file)
    assert (done.exit_code, host.asked) == (Exit.USAGE, [])


# ── Wrong usage ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["a b", "-a", "a:b", "ü", "a" * 129, "a/b"])
def test_a_name_that_is_none_is_refused(host: RecordedApi, pem: Path, name: str) -> None:
    done = host.run("report", str(pem), f"--name={name}")
    assert (done.exit_code, host.asked) == (Exit.USAGE, [])


@pytest.mark.parametrize(
    "said",
    [
        ["--period", "1"],
        ["--period", "30s"],
        ["--period", "91d"],
        ["--tag", "x"],
        ["--max-files", "0"],
    ],
)
def test_other_wrong_values_are_refused(host: RecordedApi, pem: Path, said: list[str]) -> None:
    assert (report(host, pem, *said).exit_code, host.asked) == (Exit.USAGE, [])
    assert host.run("report").exit_code == Exit.USAGE


# ── tocsin agents ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_agents_are_listed(api: RecordedApi) -> None:
    api.answers["GET /agents"] = a_page(AGENT)
    (line,) = api.run("agents").stdout.splitlines()
    assert line.split("\t") == [
        "web-1", "2026-03-02T12:00:00Z", "3600", "2", "1", "2026-03-02T14:00:00Z", "0.4.0",
    ]  # fmt: skip


def test_an_agent_is_shown_with_what_it_could_not_read(api: RecordedApi) -> None:
    api.answers["GET /agents/web-1"] = AGENT | {"problems": [{"path": "/a.pem", "problem": "it is cut off"}]}
    said = api.run("agents", "show", "web-1").stdout
    assert "Every\t60 min" in said or "Every\t1 h" in said
    assert "/a.pem\tit is cut off" in said
    assert json.loads(api.run("agents", "show", "web-1", "--json").stdout)["name"] == "web-1"
    assert api.run("agents", "show", "web-2").exit_code == Exit.NOT_FOUND


def test_an_agent_is_forgotten_after_a_question(api: RecordedApi) -> None:
    api.answers["DELETE /agents/web-1"] = {}
    assert api.run("agents", "forget", "web-1").exit_code == Exit.USAGE
    assert api.asked == []
    assert api.run("agents", "forget", "web-1", "--yes").exit_code == 0
    assert api.lines == ["DELETE /agents/web-1"]
