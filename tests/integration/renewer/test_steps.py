"""One renewal, step by step, as the state machine walks it."""

import json
from typing import Any

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from renewer import steps
from tests.integration.renewer.conftest import Zone, asked

pytestmark = pytest.mark.usefixtures("environment")


def begun(job: dict[str, Any]) -> dict[str, Any]:
    """The machine's data when the authority has seen the records."""
    data: dict[str, Any] = {"job": job}
    data["plan"] = steps.plan(data, None)
    data["order"] = steps.order(data | {"order": data["plan"]["order"]}, None)
    data["progress"] = steps.answer(data, None)
    while data["progress"]["state"] != "ready":
        data["progress"] = steps.check(data, None)
    return data


def renewed(job: dict[str, Any]) -> dict[str, Any]:
    """The machine's data at its end."""
    data = begun(job)
    data["issued"] = steps.issue(data, None)
    steps.clean(data, None)
    return data


def leaf_of(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificates(pem.encode())[0]


def names_of(pem: str) -> list[str]:
    found = leaf_of(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return found.value.get_values_for_type(x509.DNSName)


def test_a_certificate_is_issued_imported_and_kept_for_servers(zone: Zone) -> None:
    """All names are on it, its key is where the template says and nowhere else, and the zone is as it was."""
    names = ["www.example.com", "example.com", "*.example.com"]
    done = renewed(asked(common_name="www.example.com", names=names))
    pem = done["issued"]["pem"]
    assert sorted(names_of(pem)) == sorted(names)
    imported = boto3.client("acm").get_certificate(CertificateArn=done["issued"]["acm_arn"])
    assert leaf_of(imported["Certificate"]) == leaf_of(pem)
    kept = json.loads(
        boto3.client("secretsmanager").get_secret_value(SecretId=done["issued"]["secret_arn"])["SecretString"]
    )
    assert load_pem_private_key(kept["private_key"].encode(), None).public_key() == leaf_of(pem).public_key()
    assert kept["certificate"] + kept["chain"] == pem.replace("\n\n", "\n")
    assert "PRIVATE KEY" not in json.dumps(done)
    for name in ("_acme-challenge.www.example.com", "_acme-challenge.example.com"):
        assert zone.texts(name) == []
