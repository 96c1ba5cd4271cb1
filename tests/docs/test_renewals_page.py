"""The pages about renewals: their function runs, their parameters are the template's, their events are what is sent."""

import json
import subprocess
import sys
from typing import Any

import pytest

from build.template import template
from local.example_renewer import EXAMPLE
from tests.docs.markdown import SHELL, blocks, page, tables
from tests.docs.signatures import REGION, SECRET_KEY, a_gateway
from tests.docs.test_commands import calls

RENEWALS, EXAMPLES = page("docs/renewals.md"), page("examples/renewer/README.md")
TEMPLATE: dict[str, Any] = template(EXAMPLE / "template.yaml")


@pytest.mark.parametrize(("renewed", "code", "reports"), [("return 'PEM'", 0, 2), ("raise OSError('no zone')", 1, 2)])
def test_the_function_of_the_page_reports_how_it_goes(renewed: str, code: int, reports: int) -> None:
    """As it stands there, with a renewal that is given, to a gateway that checks the signatures."""
    (example,) = blocks(RENEWALS, "python")
    event = {"detail": {"job_id": "01JZ8W3T5N6V0QJ4X2M7C9K1RB", "attempt": 1, "names": ["www.example.com"]}}
    script = f"{example.text}\ndef renewed(names):\n    {renewed}\n\nhandler({event!r}, None)\n"
    with a_gateway() as gateway:
        environment = {
            "AWS_ACCESS_KEY_ID": "AKID",
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "TOCSIN_API_URL": gateway.url,
        }
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert gateway.problems == []
    path = "/renewal-jobs/01JZ8W3T5N6V0QJ4X2M7C9K1RB/report"
    assert gateway.requests == [("POST", path)] * reports


def test_the_parameters_are_the_templates() -> None:
    described = {row["parameter"].strip("`"): row[""] for row in tables(EXAMPLES, "Deploy")[0]}
    assert described == {name: of_it["Description"] for name, of_it in TEMPLATE["Parameters"].items()}


def test_the_deployment_gives_parameters_that_are_there_and_all_that_must_be() -> None:
    (words,) = (
        words for block in blocks(EXAMPLES, *SHELL) for words in calls(block.text, "sam") if words[0] == "deploy"
    )
    given = {word.partition("=")[0] for word in words[words.index("--parameter-overrides") + 1 :]}
    needed = {name for name, of_it in TEMPLATE["Parameters"].items() if "Default" not in of_it}
    assert needed <= given <= TEMPLATE["Parameters"].keys()


def test_the_second_event_is_what_the_machine_sends() -> None:
    shown = json.loads(blocks(EXAMPLES, "json")[0].text)
    machine = json.loads((EXAMPLE / "renewal.asl.json").read_text())
    (entry,) = machine["States"]["Announce"]["Parameters"]["Entries"]
    assert shown["detail-type"] == entry["DetailType"]
    assert list(shown["detail"]) == [name.removesuffix(".$") for name in entry["Detail"]]
