"""The template means what it meant: a change of how it is written changes no resource, statement or property.

After a deliberate change of the meaning, write the digests anew, and look at which of them differ:
`AWS_DEFAULT_REGION=us-east-1 .local/venvs/sam/bin/python tests/support/template_meaning.py template.yaml
> tests/build/template_meaning.json`.
"""

import json
import subprocess
from pathlib import Path

import pytest

from build.release import TEMPLATE
from build.toolchain import ROOT, VENVS, clean_environment

RECORDED = ROOT / "tests" / "build" / "template_meaning.json"


def meaning(template: Path) -> dict[str, str]:
    command = [VENVS / "sam" / "bin" / "python", ROOT / "tests" / "support" / "template_meaning.py", template]
    environment = clean_environment({"AWS_DEFAULT_REGION": "us-east-1"})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    read: dict[str, str] = json.loads(done.stdout)
    return read


def differing(found: dict[str, str]) -> set[str]:
    recorded: dict[str, str] = json.loads(RECORDED.read_text())
    return {name for name in found.keys() | recorded.keys() if found.get(name) != recorded.get(name)}


def test_the_template_means_what_was_recorded() -> None:
    assert differing(meaning(TEMPLATE)) == set()


@pytest.mark.parametrize(
    ("written", "instead", "differs"),
    [
        ("dynamodb:PartiQLUpdate]", "dynamodb:PartiQLSelect]", {"Resources.DispatchRole"}),
        ("AttributeName: died_key, KeyType: RANGE", "AttributeName: id, KeyType: RANGE", {"Resources.Notifications"}),
        ("Threshold: 600", "Threshold: 601", {"Resources.OverdueAlarm"}),
        ("Default: 2 minutes", "Default: 3 minutes", {"Parameters.RetryInterval"}),
    ],
)
def test_a_change_of_meaning_is_named(tmp_path: Path, written: str, instead: str, differs: set[str]) -> None:
    text = TEMPLATE.read_text()
    assert text.count(written) == 1
    changed = tmp_path / "template.yaml"
    changed.write_text(text.replace(written, instead))
    assert differing(meaning(changed)) == differs
