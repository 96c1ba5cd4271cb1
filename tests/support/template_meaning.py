"""What template.yaml means, however it is written: a digest for each part of the transformed template.

tests/build/test_template_meaning.py compares, and says how to write the digests anew after a deliberate change. It runs
in SAM's own environment, which has the translator.
"""

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

BUCKET = "s3://bucket/"
"""Stands before what is uploaded: the translator takes no local folder."""
_DERIVED = re.compile(r"(Deployment|Version|Layer)[0-9a-f]{10}")
"""The ends of names that the translator makes of what a deployment, a version or a layer holds."""


def transformed(path: Path) -> dict[str, Any]:
    """Transform a template as CloudFormation would, and keep what it leaves out: how SAM builds each resource."""
    template = yaml_parse(path.read_text())
    built = {name: one["Metadata"] for name, one in template["Resources"].items() if "Metadata" in one}
    for resource in template["Resources"].values():
        for place in {"CodeUri", "ContentUri"} & resource.get("Properties", {}).keys():
            resource["Properties"][place] = BUCKET + resource["Properties"][place]
    found: dict[str, Any] = Translator({}, Parser()).translate(template, {})
    return found | {"Metadata": built, "Template": {"Description": found["Description"]}}


def statements_together(resource: dict[str, Any]) -> dict[str, Any]:
    """Give a role with its statements as one sorted list: in which inline policy each stands means nothing."""
    policies = resource.get("Properties", {}).get("Policies", [])
    if resource["Type"] != "AWS::IAM::Role":
        return resource
    documents = [policy["PolicyDocument"] for policy in policies if "PolicyDocument" in policy]
    statements = [
        _sorted_lists(one) | {"Version": document["Version"]} for document in documents for one in document["Statement"]
    ]
    statements += [policy for policy in policies if "PolicyDocument" not in policy]  # those under a condition
    statements.sort(key=lambda one: json.dumps(one, sort_keys=True))
    return resource | {"Properties": resource["Properties"] | {"Policies": statements}}


def _sorted_lists(statement: dict[str, Any]) -> dict[str, Any]:
    def in_order(value: Any) -> Any:
        return sorted(value, key=lambda one: json.dumps(one, sort_keys=True)) if isinstance(value, list) else value

    return {name: in_order(value) for name, value in statement.items()}


def meaning(path: Path) -> dict[str, str]:
    """Give a digest for each resource, parameter, condition and output, for how each is built, and the description."""
    text = json.dumps(transformed(path), default=str)
    template = json.loads(_DERIVED.sub(r"\1", text))
    template["Resources"] = {name: statements_together(one) for name, one in template["Resources"].items()}
    return {
        f"{section}.{name}": hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:12]
        for section in ("Template", "Parameters", "Conditions", "Metadata", "Resources", "Outputs")
        for name, part in sorted(template[section].items())
    }


if __name__ == "__main__":
    json.dump(meaning(Path(sys.argv[1])), sys.stdout, indent=0)
    sys.stdout.write("\n")
