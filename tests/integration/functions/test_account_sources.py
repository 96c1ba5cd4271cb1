"""The services of an account as the schedule reads them: real wiring, DynamoDB Local, and an account of moto's.

Contract 4.13: each optional source is a parameter; what it has is watched and told in its own words.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from tests.support.account import CONTACT, a_client
from tests.support.certificates import Authority
from tests.support.engine import Clock
from tests.support.functions import Context, forget_wiring, handler
from tests.support.inventory_api import API, CERTIFICATES, check, walked
from tests.support.inventory_store import Store

pytestmark = pytest.mark.dynamodb_local
READS = ("READ_IAM_CERTIFICATES", "READ_PRIVATE_CAS", "READ_SECRET_ROTATIONS", "READ_DOMAINS")
HOSTS = {
    "IAM": "iam.amazonaws.com",
    "ACM_PCA": "acm-pca.us-east-1.amazonaws.com",
    "SECRETS_MANAGER": "secretsmanager.us-east-1.amazonaws.com",
    "ROUTE_53_DOMAINS": "route53domains.us-east-1.amazonaws.com",
    "SSM": "ssm.us-east-1.amazonaws.com",
}
"""Services that moto answers for; DynamoDB is DynamoDB Local."""


@pytest.fixture
def account(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the sync read an account in this process, today, and nothing of ACM."""
    for service, host in HOSTS.items():
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", f"https://{host}")
    for name in READS:
        monkeypatch.setenv(name, "yes")
    monkeypatch.setenv("READ_ACM", "no")
    monkeypatch.setenv("FALLBACK_EMAIL", "ops@example.com")
    clock.now = datetime.now(UTC).replace(microsecond=0)  # moto's own clock is this one
    with mock_aws(config={"core": {"mock_credentials": False}}):  # DynamoDB Local keeps tables by access key
        forget_wiring()
        yield


def everything() -> dict[str, str]:
    """Put one thing of each kind into the account; their names."""
    made = Authority().issued(not_after=datetime.now(UTC).replace(microsecond=0) + timedelta(days=20))
    a_client("iam").upload_server_certificate(
        ServerCertificateName="web", CertificateBody=made.pem, PrivateKey=made.key_pem
    )
    authorities = a_client("acm-pca")
    subject = {
        "KeyAlgorithm": "EC_prime256v1",
        "SigningAlgorithm": "SHA256WITHECDSA",
        "Subject": {"CommonName": "Our CA"},
    }
    arn = authorities.create_certificate_authority(
        CertificateAuthorityConfiguration=subject, CertificateAuthorityType="ROOT"
    )["CertificateAuthorityArn"]
    authorities.import_certificate_authority_certificate(
        CertificateAuthorityArn=arn, Certificate=Authority().certificate().pem.encode()
    )
    secrets = a_client("secretsmanager")
    secrets.create_secret(Name="db/password", SecretString="s3cret")
    secrets.rotate_secret(SecretId="db/password", RotationRules={"AutomaticallyAfterDays": 10})
    contacts = {f"{kind}Contact": CONTACT for kind in ("Admin", "Registrant", "Tech")}
    a_client("route53domains").register_domain(DomainName="example.com", DurationInYears=2, AutoRenew=True, **contacts)
    return {
        "iam": "api.example.com",
        "acm-pca": "Our CA",
        "secrets-manager": "db/password",
        "route53-domains": "example.com",
    }


def sync() -> dict[str, Any]:
    """Run the function, as its schedule does."""
    counts: dict[str, Any] = handler("source_sync")({}, Context(aws_request_id="sync"))
    return counts


def rows() -> dict[str, dict[str, Any]]:
    """Read the rows of the inventory by their source."""
    return {row["source"]: row for row in walked(CERTIFICATES)}


def test_everything_is_watched_by_its_own_source(account: None) -> None:
    names = everything()
    assert sync() | {"failing": []} == {
        "skipped": False,
        "seen": 4,
        "changed": 4,
        "contended": 0,
        "failing": [],
        "alarms": 0,
        "silent": [],
    }
    found = rows()
    assert {source: row["common_name"] for source, row in found.items()} == names
    assert found["route53-domains"]["renewal_status"] == "renews by itself"
    states = {state["source"]: state["failing_since"] for state in walked(f"{API}/sources")}
    assert states == dict.fromkeys(("iam", "acm-pca:us-east-1", "secrets-manager:us-east-1", "route53-domains"), None)
    again = sync()
    assert (again["seen"], again["changed"]) == (4, 0)


def test_what_is_told_fits_what_it_is(account: None, store: Store, clock: Clock) -> None:
    """The certificate at 30 days; of the secret only that its rotation is overdue, and no word of its value."""
    everything()
    sync()
    check()
    (told,) = store.rows()
    assert told.message.startswith("[threshold:30] The certificate api.example.com expires in 20 days, at")
    clock.now = datetime.fromisoformat(rows()["secrets-manager"]["expires_at"]) + timedelta(hours=1)
    check()
    secret = next(row for row in store.rows() if "db/password" in row.subject)
    assert secret.subject == "[Tocsin] the rotation of db/password was due 1 hour ago"
    assert secret.message.startswith("[threshold:0] The rotation of the secret db/password was due 1 hour ago, at")
    assert "s3cret" not in repr(store.items("Inventory")) + repr(store.items("Notifications"))


def test_a_rotation_is_a_renewal_that_nobody_is_told_of(account: None, store: Store, clock: Clock) -> None:
    everything()
    sync()
    before = rows()["secrets-manager"]
    a_client("secretsmanager").rotate_secret(SecretId="db/password", RotationRules={"AutomaticallyAfterDays": 40})
    clock.forward(hours=1)
    assert sync()["changed"] == 1
    after = rows()["secrets-manager"]
    assert (after["id"], after["expires_at"] > before["expires_at"]) == (before["id"], True)
    check()
    assert not [row for row in store.rows() if "db/password" in row.subject]
    assert after["status"] == "Active"


def test_only_what_the_stack_asks_for_is_read(account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each parameter turns on one source; what is turned off is no source any more, and its rows stay."""
    everything()
    sync()
    for name in READS[:-1]:
        monkeypatch.setenv(name, "no")
    forget_wiring()
    assert sync()["seen"] == 1
    assert [state["source"] for state in walked(f"{API}/sources")] == ["route53-domains"]
    assert len(rows()) == 4


def test_a_secret_that_rotates_by_itself_is_no_noise(account: None, store: Store, clock: Clock) -> None:
    """Rotated the day before it is due, five times: nobody is told that it is due in 7 days, or was done."""
    everything()
    for number in range(1, 6):
        sync()
        check()
        clock.forward(days=9)
        rules = {"AutomaticallyAfterDays": 9 * number + 10}  # moto counts from its own clock, which stands still
        a_client("secretsmanager").rotate_secret(SecretId="db/password", RotationRules=rules)
    assert rows()["secrets-manager"]["version"] == 5
    assert [row.subject for row in store.rows() if "db/password" in row.subject] == []
