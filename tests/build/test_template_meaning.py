"""The template means what it meant: a change of how it is written changes no resource, statement or property.

After a deliberate change of the meaning, write the digests anew, and look at which of them differ:
`AWS_DEFAULT_REGION=us-east-1 .local/venvs/sam/bin/python tests/support/template_meaning.py template.yaml
> tests/build/template_meaning.json`.
"""

import json
import subprocess
from pathlib import Path

from build.template import TEMPLATE
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


CHANGES = {  # what is written, and what instead: the one part that then means something else
    ("dynamodb:BatchGetItem # circuits", "dynamodb:ConditionCheckItem"): "Resources.DispatchRole",
    (
        (
            "- Effect: Allow\n                Action: [acm:ListCertificates, acm:SearchCertificates]\n"
            '                Resource: "*"'
        ),
        "",
    ): "Resources.SourceSyncRole",
    (
        '- PolicyName: tick\n          PolicyDocument:\n            Version: "2012-10-17"',
        '- PolicyName: tick\n          PolicyDocument:\n            Version: "2008-10-17"',
    ): "Resources.SchedulerRole",
    ("AttributeName: died_key, KeyType: RANGE", "AttributeName: id, KeyType: RANGE"): "Resources.Notifications",
    ("Threshold: 600 #", "Threshold: 601 #"): "Resources.OverdueAlarm",
    ("CodeUri: functions/api/", "CodeUri: functions/dispatch/"): "Resources.ApiFunction",
    ("ContentUri: layers/tocsin", "ContentUri: layers"): "Resources.TocsinLayer",
    ("BuildMethod: makefile # layers/tocsin/Makefile", "BuildMethod: python3.13"): "Metadata.TocsinLayer",
    ("IsEmbedded: !Equals [!Ref Environment, local]", "IsEmbedded: !Equals [!Ref Environment, trial]"): (
        "Conditions.IsEmbedded"
    ),
    ("Default: 2 minutes", "Default: 3 minutes"): "Parameters.RetryInterval",
    ("Value: !Ref AlarmTopic", "Value: !Ref AlertTopic"): "Outputs.AlarmTopicArn",
    ("or die where somebody sees it", "or die"): "Template.Description",
}


def test_each_change_of_meaning_is_named_and_nothing_else(tmp_path: Path) -> None:
    """All at once, because each transformation takes a second: every change is in a part of its own."""
    assert len(set(CHANGES.values())) == len(CHANGES)
    text = TEMPLATE.read_text()
    for written, instead in CHANGES:
        assert text.count(written) == 1, written
        text = text.replace(written, instead)
    changed = tmp_path / "template.yaml"
    changed.write_text(text)
    assert differing(meaning(changed)) == set(CHANGES.values())
