"""Rules from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_api import ID, OTHER, RecordedApi, a_page
from tests.unit.cli.test_lists import CERTIFICATE, RULE
from tocsin.inventory.rules.requirement import RuleType
from tocsin_cli.commands.rules import TYPES
from tocsin_cli.exits import Exit

WRITTEN = RULE | {"warnings": []}
SHOWN = f"/policies/{ID}"


def test_a_rule_is_shown_with_what_is_wrong_with_it(api: RecordedApi) -> None:
    api.answers[f"GET {SHOWN}"] = RULE | {"warnings": ["It allows no kind of key."]}
    lines = api.run("rules", "show", ID).stdout.splitlines()
    assert lines[1:4] == ["Name\tkeys", "Type\tMinimumKey", "rsa_bits\t3072"]
    assert "forbidden_signatures\tSHA1-*, MD5-*" in lines
    assert lines[-1] == "Warning\tIt allows no kind of key."


def test_a_rule_is_made_of_words(api: RecordedApi) -> None:
    api.answers["POST /policies"] = WRITTEN
    said = ("rsa_bits=3072", 'forbidden_signatures=["SHA1-*"]', "days=cabf", "owner=true")
    scope = ("--team", OTHER, "--environment", "production", "--tag", "tier=1", "--severity", "critical")
    done = api.run("rules", "create", "keys", "MinimumKey", *said, *scope)
    assert done.exit_code == 0, done.output
    (asked,) = api.asked
    assert asked.body == {
        "name": "keys",
        "type": "MinimumKey",
        "config": {"rsa_bits": 3072, "forbidden_signatures": ["SHA1-*"], "days": "cabf", "owner": True},
        "severity": "critical",
        "scope": {"team_id": OTHER, "environment": "production", "tags": {"tier": "1"}},
    }


def test_a_rule_is_made_of_a_file_and_words_win(api: RecordedApi, tmp_path: Path) -> None:
    api.answers["POST /policies"] = WRITTEN | {"warnings": ["It allows no domain."]}
    file = tmp_path / "config.json"
    file.write_text('{"issuers": ["Amazon"], "match": "exact"}')
    made = ("rules", "create", "ours", "AllowedIssuers", "--config", str(file), "match=contains", "--json")
    done = api.run(*made)
    assert api.asked[0].body["config"] == {"issuers": ["Amazon"], "match": "contains"}
    assert json.loads(done.stdout)["id"] == ID
    assert "It allows no domain." in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "MinimumKeys"),
        ("keys", "MinimumKey", "rsa_bits"),
        ("keys", "MinimumKey", "=3"),
        ("keys", "MinimumKey", "--tag", "tier"),
        ("keys", "MinimumKey", "--config", "/nowhere.json"),
    ],
)
def test_what_is_no_rule_asks_nothing(api: RecordedApi, arguments: tuple[str, ...]) -> None:
    assert api.run("rules", "create", *arguments).exit_code == Exit.USAGE
    assert api.asked == []


@pytest.mark.parametrize("content", ["[]", "{", "\udcff"])
def test_a_file_that_is_no_object_asks_nothing(api: RecordedApi, tmp_path: Path, content: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(content, errors="surrogateescape")
    assert api.run("rules", "create", "keys", "MinimumKey", "--config", str(file)).exit_code == Exit.USAGE
    assert api.asked == []


def test_what_the_api_refuses_is_said(api: RecordedApi) -> None:
    errors = [{"field": "config.rsa_bits", "detail": "must be a whole number from 0 to 16384"}]
    api.answers["POST /policies"] = (422, {"detail": "config.rsa_bits is wrong", "errors": errors})
    done = api.run("rules", "create", "keys", "MinimumKey", "rsa_bits=x")
    assert done.exit_code == Exit.REFUSED
    assert "config.rsa_bits" in done.stderr


def test_a_rule_is_deleted_as_it_was_read(api: RecordedApi) -> None:
    api.answers |= {f"GET {SHOWN}": WRITTEN, f"DELETE {SHOWN}": (200, {})}
    assert api.run("rules", "delete", ID).exit_code == Exit.USAGE  # nobody is there to answer
    assert api.lines == [f"GET {SHOWN}"]
    assert api.run("rules", "delete", ID, "--yes").exit_code == 0
    assert api.asked[-1].line == f"DELETE {SHOWN}"
    assert api.asked[-1].if_match == '"3"'


def test_who_violates_a_rule(api: RecordedApi) -> None:
    violating = {"certificate_id": OTHER, "common_name": "shop.example.com", "expires_at": "2026-03-06T12:00:00Z"}
    violating |= {"since": "2026-03-01T12:00:00Z", "detail": "It has no owner.", "severity": "warning"}
    api.answers[f"GET {SHOWN}/violations"] = a_page(violating)
    (line,) = api.run("rules", "violations", ID).stdout.splitlines()
    seen = [OTHER, "shop.example.com", "2026-03-06T12:00:00Z", "2026-03-01T12:00:00Z", "It has no owner."]
    assert line.split("\t") == seen


def test_who_violates_any_rule(api: RecordedApi) -> None:
    violations: list[dict[str, Any]] = [{"rule": "ours", "detail": "No."}, {"rule": "keys", "detail": "Weak."}]
    api.answers["GET /certificates"] = a_page(CERTIFICATE | {"violations": violations})
    (line,) = api.run("rules", "violations").stdout.splitlines()
    assert line.split("\t")[-1] == "ours: No.; keys: Weak."
    assert api.asked[0].query["violating"] == "true"


def test_the_types_are_those_of_the_api() -> None:
    assert list(TYPES) == [*RuleType]
