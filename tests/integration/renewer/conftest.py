"""The example renewer's steps against a real authority (Pebble), with Route 53, ACM and secrets by moto."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from local.pebble import Pebble
from renewer import steps
from renewer.settings import settings
from tests.support.pebble import an_authority
from tests.support.route53_dns import answering, texts

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

REGION = "us-east-1"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account with nothing in it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


@dataclass(frozen=True)
class Zone:
    """A hosted zone, as the world sees it."""

    id: str
    route53: "Route53Client"

    def texts(self, name: str) -> list[str]:
        return texts(self.route53, self.id, name)


@pytest.fixture
def zone(aws: None) -> Zone:
    route53 = boto3.client("route53")
    made = route53.create_hosted_zone(Name="example.com", CallerReference="test")["HostedZone"]["Id"]
    return Zone(made.rpartition("/")[2], route53)


@pytest.fixture
def authority(zone: Zone, tmp_path: Path) -> Iterator[Pebble]:
    with answering(zone.route53, zone.id) as dns, an_authority(tmp_path, dns_server=dns) as pebble:
        yield pebble


@pytest.fixture
def environment(authority: Pebble, zone: Zone, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """What the template tells the steps."""
    boto3.client("secretsmanager").create_secret(Name="renewer/account")
    settings_of_it = told(
        DIRECTORY_URL=authority.directory_url, AUTHORITY_ROOT=authority.encoded_root, HOSTED_ZONE_IDS=zone.id
    )
    for name, value in settings_of_it.items():
        monkeypatch.setenv(name, value)
    forget()
    yield monkeypatch
    forget()


def told(**of_it: str) -> dict[str, str]:
    """The environment of the steps, as the template makes it."""
    return {
        "DIRECTORY_URL": "https://127.0.0.1:9/dir",
        "AUTHORITY_ROOT": "",
        "CONTACT": "pki@example.com",
        "PROFILE": "",
        "ACCOUNT_SECRET": "renewer/account",
        "HOSTED_ZONE_IDS": "Z1",
        "TOCSIN_API_URL": "http://127.0.0.1:9/live",
        "POLL_SECONDS": "1",
        "IMPORT_INTO_ACM": "yes",
        "IMPORTED_PREFIX": "/renewer/imported",
        "KEY_SECRETS_PREFIX": "renewer/certificates",
    } | of_it


def forget() -> None:
    """Have the steps read the environment anew, as after a cold start."""
    settings.cache_clear()
    steps._acm.cache_clear()


def asked(**of_it: Any) -> dict[str, Any]:
    """The detail of an event `Renewal Requested`."""
    now = datetime.now(UTC)
    return {
        "id": "01HX",
        "job_id": "01JOB",
        "attempt": 1,
        "certificate_id": "01CERT",
        "common_name": "www.example.com",
        "names": ["www.example.com"],
        "key_kind": "EC",
        "key_size": 256,
        "expires_at": (now + timedelta(days=20)).isoformat(),
        "serial": "01",
        "source": "tls",
        "source_ref": "www.example.com:443",
        "ari_id": "",
        "environment": "",
        "tags": {},
        "deadline": (now + timedelta(hours=6)).isoformat(),
        "requested_by": "expiry_check",
        "reason": "",
        "links": {},
    } | of_it
