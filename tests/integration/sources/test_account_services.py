"""IAM, Private CA, Secrets Manager, Route 53 as sources: by moto, and botocore's Stubber where moto is not faithful.

Contract 4.13: each is a source of its own, by single actions that read, and fails alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from tests.support.account import CONTACT, a_client, a_visit, stubbed
from tests.support.certificates import NOT_AFTER, NOT_BEFORE, Authority
from tests.support.inventory import DAY, T0
from tocsin.inventory.certificate import LINE_LIMIT, NAME_LIMIT, Source
from tocsin.sources import acm_pca, iam, route53_domains, secrets_manager
from tocsin.sources.account import AccountRead, Visit
from tocsin.sources.failure import FailureKind

MADE = Authority().issued(names=("api.example.com", "www.example.com"))
WEB = "arn:aws:iam::123456789012:server-certificate/web"
OUR_CA = "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/11112222-3333-4444-5555-666677778888"
PASSWORD = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db/password-AbCdEf"

SERVICES: dict[str, tuple[str, str, str, Callable[[Any, Visit], AccountRead]]] = {
    "iam": ("iam", "list_server_certificates", "ServerCertificateMetadataList", iam.read_account),
    "acm-pca": ("acm-pca", "list_certificate_authorities", "CertificateAuthorities", acm_pca.read_account),
    "secrets-manager": ("secretsmanager", "list_secrets", "SecretList", secrets_manager.read_account),
    "route53-domains": ("route53domains", "list_domains", "Domains", route53_domains.read_account),
}
"""Each source with botocore's name for the service, and its list."""


@pytest.fixture(autouse=True)
def an_account() -> Iterator[None]:
    """Keep every call in this process."""
    with mock_aws():
        yield


@pytest.mark.parametrize("source", SERVICES)
def test_an_empty_account(source: str) -> None:
    service, *_, read_account = SERVICES[source]
    read = read_account(a_client(service), a_visit())
    assert (read.observed, read.failure, read.complete) == ([], None, True)
    assert read.source.partition(":")[0] == source


@pytest.mark.parametrize("source", SERVICES)
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDenied", FailureKind.DENIED),
        ("ThrottlingException", FailureKind.THROTTLED),
        ("InternalFailure", FailureKind.AWS_ERROR),
    ],
)
def test_a_list_that_fails_says_why_by_its_code(source: str, code: str, kind: FailureKind) -> None:
    """Messages of AWS name roles and accounts: they are not repeated."""
    service, operation, _, read_account = SERVICES[source]
    with stubbed(service) as (client, stub):
        stub.add_client_error(operation, code, "the role arn:aws:iam::1:role/x")
        read = read_account(client, a_visit())
    assert read.failure is not None
    assert (read.failure.kind, read.complete) == (kind, False)
    assert read.failure.detail.endswith(f": {code}")


@pytest.mark.parametrize("source", SERVICES)
def test_a_service_that_cannot_be_reached(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Route 53's domains can't in a partition that has no us-east-1."""
    service, *_, read_account = SERVICES[source]
    client = a_client(service)

    def unreachable(*_: Any, **__: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://service")

    monkeypatch.setattr(client, "_make_api_call", unreachable)
    failure = read_account(client, a_visit()).failure
    assert failure is not None
    assert (failure.kind, failure.detail) == (FailureKind.UNREACHABLE, "EndpointConnectionError")


def entries(source: str, *numbers: int) -> list[dict[str, Any]]:
    """Make what a list has, one for each number."""
    made: dict[str, Callable[[int], dict[str, Any]]] = {
        "iam": lambda number: a_listed(f"c{number}"),
        "acm-pca": lambda number: {"Arn": f"{OUR_CA[:-1]}{number}", "Status": "ACTIVE", "NotAfter": NOT_AFTER},
        "secrets-manager": lambda number: {
            "ARN": f"{PASSWORD}{number}",
            "RotationEnabled": True,
            "NextRotationDate": T0,
        },
        "route53-domains": lambda number: {"DomainName": f"example-{number}.com", "AutoRenew": False, "Expiry": T0},
    }
    return [made[source](number) for number in numbers]


def a_listed(name: str, **fields: Any) -> dict[str, Any]:
    """Make an entry of IAM's list."""
    return {
        "Path": "/",
        "ServerCertificateName": name,
        "ServerCertificateId": "ASCACKCEVSQ6C2EXAMPLE",
        "Arn": f"arn:aws:iam::123456789012:server-certificate/{name}",
        "UploadDate": NOT_BEFORE,
        "Expiration": NOT_AFTER,
    } | fields


PAGES: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "iam": ({"IsTruncated": True, "Marker": "more"}, "Marker", {"MaxItems": 1000}),
    "acm-pca": ({"NextToken": "more"}, "NextToken", {"MaxResults": 1000}),
    "secrets-manager": ({"NextToken": "more"}, "NextToken", {"MaxResults": 100}),
    "route53-domains": ({"NextPageMarker": "more"}, "Marker", {"MaxItems": 100}),
}
"""What says that there is more, how the next page is asked for, and the largest pages that each allows."""


@pytest.mark.parametrize("source", SERVICES)
def test_every_page_is_read(source: str) -> None:
    service, operation, of_page, read_account = SERVICES[source]
    more, token, size = PAGES[source]
    with stubbed(service) as (client, stub):
        stub.add_response(operation, {of_page: entries(source, 1, 2)} | more, size)
        stub.add_response(operation, {of_page: entries(source, 3)}, size | {token: "more"})
        for entry in entries(source, 1, 2, 3) if source == "iam" else ():
            got(stub, entry)
        read = read_account(client, a_visit())
    assert (len(read.observed), read.failure) == (3, None)


@pytest.mark.parametrize("source", SERVICES)
def test_a_list_that_breaks_off_keeps_what_was_read(source: str) -> None:
    service, operation, of_page, read_account = SERVICES[source]
    with stubbed(service) as (client, stub):
        stub.add_response(operation, {of_page: entries(source, 1)} | PAGES[source][0])
        stub.add_client_error(operation, "ThrottlingException")
        for entry in entries(source, 1) if source == "iam" else ():
            got(stub, entry)
        read = read_account(client, a_visit())
    assert (len(read.observed), read.complete) == (1, False)
    assert read.failure is not None
    assert read.failure.kind is FailureKind.THROTTLED


@pytest.mark.parametrize("source", SERVICES)
def test_a_list_stops_when_the_time_is_up(source: str) -> None:
    """And says so: else what is at its end would be missed unseen."""
    service, operation, of_page, read_account = SERVICES[source]
    with stubbed(service) as (client, stub):
        stub.add_response(operation, {of_page: entries(source, 1)} | PAGES[source][0])
        stub.add_response(operation, {of_page: entries(source, 2)} | PAGES[source][0])
        read = read_account(client, a_visit(may_go_on=lambda: False))
    assert (len(read.observed), read.complete) == (0 if source == "iam" else 1, False)
    assert [failure.kind for failure in read.failures] == [FailureKind.TIMEOUT]


# ── IAM ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def got(stub: Any, entry: dict[str, Any], body: str = MADE.pem) -> None:
    """Expect one certificate to be asked for."""
    answer = {"ServerCertificate": {"ServerCertificateMetadata": entry, "CertificateBody": body}}
    stub.add_response("get_server_certificate", answer, {"ServerCertificateName": entry["ServerCertificateName"]})


def test_a_server_certificate_is_read_from_its_pem() -> None:
    client = a_client("iam")
    client.upload_server_certificate(
        ServerCertificateName="web", CertificateBody=MADE.pem, PrivateKey=MADE.key_pem, CertificateChain=MADE.pem
    )
    (seen,) = iam.read_account(client, a_visit()).observed
    assert (seen.source, seen.source_ref, seen.common_name) == (Source.IAM, WEB, "api.example.com")
    assert (seen.names, seen.serial) == (("api.example.com", "www.example.com"), "abc")
    assert (seen.not_before, seen.expires_at) == (NOT_BEFORE, NOT_AFTER)
    assert (seen.key_kind, seen.key_size, len(seen.fingerprint_sha256)) == ("EC", 256, 64)


def listed_with(known: bool, entry: dict[str, Any]) -> AccountRead:
    """Read an account with one certificate, of which the inventory knows what its PEM says."""
    with stubbed("iam") as (client, stub):
        stub.add_response("list_server_certificates", {"ServerCertificateMetadataList": [a_listed("web")]})
        got(stub, a_listed("web"))
        (seen,) = iam.read_account(client, a_visit()).observed
    with stubbed("iam") as (client, stub):
        stub.add_response("list_server_certificates", {"ServerCertificateMetadataList": [entry]})
        if not known:
            got(stub, entry)
        return iam.read_account(client, a_visit(seen))


def test_one_that_is_known_is_not_asked_for_again() -> None:
    read = listed_with(True, a_listed("web"))
    assert (read.observed, read.unchanged) == ([], 1)


def test_one_with_another_expiry_is_asked_for_again() -> None:
    """Deleted, and uploaded anew under the same name: it has the same ARN."""
    assert len(listed_with(False, a_listed("web", Expiration=NOT_AFTER + DAY)).observed) == 1


@pytest.mark.parametrize("body", ["nonsense", "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----", ""])
def test_one_whose_pem_cannot_be_read_expires_all_the_same(body: str) -> None:
    with stubbed("iam") as (client, stub):
        stub.add_response("list_server_certificates", {"ServerCertificateMetadataList": [a_listed("web")]})
        got(stub, a_listed("web"), body or " ")
        (seen,) = iam.read_account(client, a_visit()).observed
    assert (seen.common_name, seen.expires_at, seen.serial) == ("web", NOT_AFTER, "")


def test_one_that_cannot_be_asked_for_stops_no_other() -> None:
    with stubbed("iam") as (client, stub):
        listed = [a_listed(name) for name in ("denied", "gone", "web")]
        stub.add_response("list_server_certificates", {"ServerCertificateMetadataList": listed})
        stub.add_client_error("get_server_certificate", "AccessDenied")
        stub.add_client_error("get_server_certificate", "NoSuchEntity")
        got(stub, a_listed("web"))
        read = iam.read_account(client, a_visit())
    assert [seen.source_ref for seen in read.observed] == [WEB]
    assert read.failure is not None
    assert read.failure.detail.startswith("1 of 2 certificates can't be read; arn:aws:iam::123456789012:server-cert")


def test_it_stops_when_the_time_is_up() -> None:
    with stubbed("iam") as (client, stub):
        stub.add_response("list_server_certificates", {"ServerCertificateMetadataList": [a_listed("a"), a_listed("b")]})
        read = iam.read_account(client, a_visit(may_go_on=lambda: False))
    assert (read.observed, read.complete, len(read.failures)) == ([], False, 1)
    assert read.failure is not None
    assert read.failure.kind is FailureKind.TIMEOUT


# ── Private CA ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_authority_is_read_by_its_own_certificate() -> None:
    client = a_client("acm-pca")
    configuration = {
        "KeyAlgorithm": "EC_prime256v1",
        "SigningAlgorithm": "SHA256WITHECDSA",
        "Subject": {"CommonName": "Our CA"},
    }
    arn = client.create_certificate_authority(
        CertificateAuthorityConfiguration=configuration, CertificateAuthorityType="ROOT"
    )["CertificateAuthorityArn"]
    assert acm_pca.read_account(client, a_visit()).undated == 1
    client.import_certificate_authority_certificate(
        CertificateAuthorityArn=arn, Certificate=Authority().certificate().pem.encode()
    )
    (seen,) = acm_pca.read_account(client, a_visit()).observed
    assert (seen.source, seen.source_ref, seen.common_name) == (Source.ACM_PCA, arn, "Our CA")
    assert (seen.not_before, seen.expires_at) == (NOT_BEFORE, NOT_AFTER)
    assert (seen.key_kind, seen.key_size, seen.renewal_status) == ("EC", 256, "")


@pytest.mark.parametrize(
    ("status", "is_watched"),
    [
        ("ACTIVE", True),
        ("DISABLED", True),  # what it has issued is still checked against it
        ("EXPIRED", True),
        ("DELETED", False),
        ("FAILED", False),
        ("CREATING", False),
        ("PENDING_CERTIFICATE", False),
    ],
)
def test_which_authorities_are_watched(status: str, is_watched: bool) -> None:
    with stubbed("acm-pca") as (client, stub):
        listed = {"Arn": OUR_CA, "Status": status, "NotAfter": NOT_AFTER, "Serial": "0A:BC"}
        stub.add_response("list_certificate_authorities", {"CertificateAuthorities": [listed]})
        read = acm_pca.read_account(client, a_visit())
    assert (len(read.observed), read.undated) == ((1, 0) if is_watched else (0, 1))
    assert all(seen.serial == "abc" and seen.common_name == OUR_CA.rpartition("/")[2] for seen in read.observed)
    assert all(seen.renewal_status == ("" if status == "ACTIVE" else status) for seen in read.observed)


# ── Secrets Manager ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_secret_that_rotates_is_due_at_its_next_rotation() -> None:
    """And one that does not is none of ours."""
    client = a_client("secretsmanager")
    for name in ("db/password", "api/key"):
        client.create_secret(Name=name, SecretString="s3cret")
    client.rotate_secret(SecretId="db/password", RotationRules={"AutomaticallyAfterDays": 30})
    read = secrets_manager.read_account(client, a_visit())
    (seen,) = read.observed
    assert (seen.source, seen.common_name) == (Source.SECRETS_MANAGER, "db/password")
    assert seen.source_ref.startswith("arn:aws:secretsmanager:us-east-1:123456789012:secret:db/password-")
    assert seen.not_before is not None
    assert seen.expires_at - seen.not_before == timedelta(days=30)
    assert "s3cret" not in repr(read)


def test_times_are_utc_wherever_this_runs() -> None:
    for source, (service, operation, of_page, read_account) in SERVICES.items():
        if source != "iam":  # it has its times from the certificate
            with stubbed(service) as (client, stub):
                stub.add_response(operation, {of_page: entries(source, 1)})
                assert all(seen.expires_at.tzinfo is UTC for seen in read_account(client, a_visit()).observed)


@pytest.mark.parametrize(
    "entry",
    [
        {"ARN": PASSWORD, "Name": "db/password", "RotationEnabled": False, "NextRotationDate": T0},
        {"ARN": PASSWORD, "Name": "db/password", "NextRotationDate": T0},
        {"ARN": PASSWORD, "Name": "db/password", "RotationEnabled": True},
    ],
)
def test_a_secret_without_a_rotation_is_no_row(entry: dict[str, Any]) -> None:
    with stubbed("secretsmanager") as (client, stub):
        stub.add_response("list_secrets", {"SecretList": [entry]})
        assert secrets_manager.read_account(client, a_visit()).observed == []


# ── Route 53 ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("renews", "words"), [(True, "renews by itself"), (False, "does not renew by itself")])
def test_a_domain_says_whether_it_renews_by_itself(renews: bool, words: str) -> None:
    client = a_client("route53domains")
    contacts = {f"{kind}Contact": CONTACT for kind in ("Admin", "Registrant", "Tech")}
    client.register_domain(DomainName="example.com", DurationInYears=2, AutoRenew=renews, **contacts)
    (seen,) = route53_domains.read_account(client, a_visit()).observed
    assert (seen.source, seen.source_ref, seen.common_name) == (Source.DOMAIN, "example.com", "example.com")
    assert seen.renewal_status == words
    assert seen.expires_at > datetime.now(UTC) + 700 * DAY


def test_a_domain_without_a_date_is_counted_only() -> None:
    with stubbed("route53domains") as (client, stub):
        stub.add_response("list_domains", {"Domains": [{"DomainName": "new.example"}]})
        read = route53_domains.read_account(client, a_visit())
    assert (read.observed, read.undated, read.failure) == ([], 1, None)


def test_texts_are_bounded() -> None:
    long = replace(a_visit(), now=T0)
    with stubbed("secretsmanager") as (client, stub):
        entry = {"ARN": "a" * 1024, "Name": "n" * 256, "RotationEnabled": True, "NextRotationDate": T0}
        stub.add_response("list_secrets", {"SecretList": [entry]})
        (seen,) = secrets_manager.read_account(client, long).observed
    assert len(seen.common_name) <= NAME_LIMIT
    assert len(seen.source_ref) <= LINE_LIMIT
