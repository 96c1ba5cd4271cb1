"""ACM, account-wide (issue 3, item 4: "list and describe"). moto where it is faithful; else botocore's Stubber."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from moto import mock_aws

from tests.support.certificates import NOT_AFTER, NOT_BEFORE, Authority, Made, a_key, an_rsa_key
from tocsin.inventory.certificate import NAME_LIMIT, Source
from tocsin.sources.account import AccountRead, Visit
from tocsin.sources.acm import PAGE, read_account
from tocsin.sources.failure import FailureKind
from tocsin.sources.observed import NOT_CHECKED

if TYPE_CHECKING:
    from mypy_boto3_acm import ACMClient

CA = Authority()
ARN = "arn:aws:acm:eu-central-1:123456789012:certificate/"
EVERYTHING = {
    "Includes": {
        "keyTypes": [
            "RSA_1024",
            "RSA_2048",
            "RSA_3072",
            "RSA_4096",
            "EC_prime256v1",
            "EC_secp384r1",
            "EC_secp521r1",
        ]
    },
    "CertificateKeyPairOrigins": ["AWS_MANAGED", "ACME", "CUSTOMER_PROVIDED"],
    "MaxItems": PAGE,
}
"""What must be asked for so that nothing is left out."""


def a_client() -> "ACMClient":
    return boto3.client(
        "acm",
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def observe_account(client: "ACMClient", may_go_on: Callable[[], bool] = lambda: True) -> AccountRead:
    """Read an account of which nothing is known."""
    return read_account(client, Visit(NOT_BEFORE, may_go_on))


@pytest.fixture
def account() -> Iterator["ACMClient"]:
    """An account of moto's, empty, for a role that may not search: moto can't."""
    with mock_aws():
        client = a_client()
        refused = {"Error": {"Code": "AccessDeniedException"}}
        events: Any = client.meta.events  # a handler before a call may answer it: botocore's stubs don't know
        events.register("before-call.acm.SearchCertificates", lambda **_: (SimpleNamespace(status_code=400), refused))
        yield client


def imported(client: "ACMClient", made: Made) -> str:
    return client.import_certificate(Certificate=made.pem.encode(), PrivateKey=made.key_pem.encode())["CertificateArn"]


def test_every_key_type_is_found(account: "ACMClient") -> None:
    """ACM API reference, Filters: a list without filters has RSA_1024 and RSA_2048 only."""
    arns = {
        imported(account, CA.issued(key=a_key())),
        imported(account, CA.issued(key=an_rsa_key(), names=("rsa.example.com",), common_name="rsa.example.com")),
    }
    read = observe_account(account)
    assert {seen.source_ref for seen in read.observed} == arns
    assert (read.failure, read.complete) == (None, True)


def test_what_is_read(account: "ACMClient") -> None:
    arn = imported(account, CA.issued(names=("api.example.com", "www.example.com")))
    (seen,) = observe_account(account).observed
    assert (seen.source, seen.source_ref) == (Source.ACM, arn)
    assert (seen.common_name, seen.names) == ("api.example.com", ("api.example.com", "www.example.com"))
    assert (seen.not_before, seen.expires_at) == (NOT_BEFORE, NOT_AFTER)
    assert seen.expires_at.tzinfo is UTC
    assert (seen.issuer, seen.chain_problem, seen.renewal_status) == ("Test CA", NOT_CHECKED, "INELIGIBLE")


def test_one_that_is_imported_again_keeps_its_row(account: "ACMClient") -> None:
    """A renewal under the same ARN."""
    arn = imported(account, CA.issued())
    (before,) = observe_account(account).observed
    late = CA.issued(not_after=NOT_AFTER + timedelta(days=90), serial=2)
    account.import_certificate(CertificateArn=arn, Certificate=late.pem.encode(), PrivateKey=late.key_pem.encode())
    (after,) = observe_account(account).observed
    assert after.id == before.id
    assert after.expires_at == NOT_AFTER + timedelta(days=90)


def test_one_that_is_not_issued_yet_is_counted_only(account: "ACMClient") -> None:
    with Stubber(account) as stub:
        listed(stub, "1")
        unsearchable(stub)
        described(stub, "1", Status="PENDING_VALIDATION", NotAfter=None, NotBefore=None)
        read = observe_account(account)
    assert (read.observed, read.undated, read.failure) == ([], 1, None)


def test_an_empty_account(account: "ACMClient") -> None:
    assert observe_account(account) == AccountRead("acm:eu-central-1")


def listed(stub: Stubber, *names: str, token: str = "", next_token: str = "") -> None:
    """Expect the list to be asked for, with all filters."""
    response: dict[str, Any] = {"CertificateSummaryList": [{"CertificateArn": ARN + name} for name in names]}
    stub.add_response(
        "list_certificates",
        response | ({"NextToken": next_token} if next_token else {}),
        EVERYTHING | ({"NextToken": token} if token else {}),
    )


def unsearchable(stub: Stubber) -> None:
    """Refuse to search: then everything is described."""
    stub.add_client_error("search_certificates", "AccessDeniedException")


def described(stub: Stubber, name: str, **fields: Any) -> None:
    """Expect a description to be asked for."""
    boring: dict[str, Any] = {
        "CertificateArn": ARN + name,
        "DomainName": "api.example.com",
        "NotBefore": NOT_BEFORE,
        "NotAfter": NOT_AFTER,
        "Status": "ISSUED",
    }
    detail = {field: value for field, value in (boring | fields).items() if value is not None}
    stub.add_response("describe_certificate", {"Certificate": detail}, {"CertificateArn": ARN + name})


def refused(stub: Stubber, name: str, code: str) -> None:
    stub.add_client_error(
        "describe_certificate", code, "the role arn:aws:iam::1:role/x", expected_params={"CertificateArn": ARN + name}
    )


def read_stubbed(*steps: Any) -> AccountRead:
    """Read an account that answers with these steps, each of which must be asked for, in this order."""
    client = a_client()
    with Stubber(client) as stub:
        for step in steps:
            step(stub)
        read = observe_account(client)
        stub.assert_no_pending_responses()
    return read


def one(**fields: Any) -> Any:
    """Read the one certificate of an account."""
    (seen,) = read_stubbed(
        lambda stub: listed(stub, "1"), unsearchable, lambda stub: described(stub, "1", **fields)
    ).observed
    return seen


def test_every_page_is_read() -> None:
    read = read_stubbed(
        lambda stub: listed(stub, "1", "2", next_token="more"),
        lambda stub: listed(stub, "3", token="more"),
        unsearchable,
        lambda stub: described(stub, "1"),
        lambda stub: described(stub, "2"),
        lambda stub: described(stub, "3"),
    )
    assert [seen.source_ref for seen in read.observed] == [ARN + "1", ARN + "2", ARN + "3"]


def test_a_client_that_knows_no_origins_still_reads() -> None:
    """Lambda's own boto3 may be older than the ACME certificates that this one asks for."""
    client = a_client()
    listing = client.meta.service_model.operation_model("ListCertificates").input_shape
    del listing.members["CertificateKeyPairOrigins"]  # type: ignore[union-attr]
    expected = {key: value for key, value in EVERYTHING.items() if key != "CertificateKeyPairOrigins"}
    with Stubber(client) as stub:
        stub.add_response("list_certificates", {"CertificateSummaryList": []}, expected)
        assert observe_account(client).failure is None


@pytest.mark.parametrize(
    ("summary", "status"),
    [
        ({"RenewalStatus": "FAILED", "RenewalStatusReason": "CAA_ERROR"}, "FAILED: CAA_ERROR"),
        ({"RenewalStatus": "PENDING_VALIDATION"}, "PENDING_VALIDATION"),
        ({"RenewalStatus": "SUCCESS"}, "SUCCESS"),
    ],
)
def test_a_failed_or_stuck_renewal_is_visible(summary: dict[str, Any], status: str) -> None:
    """Contract 4.5; ACM API reference, RenewalSummary."""
    seen = one(
        RenewalSummary=summary
        | {"DomainValidationOptions": [{"DomainName": "api.example.com"}], "UpdatedAt": NOT_BEFORE}
    )
    assert seen.renewal_status == status


def test_a_revoked_one() -> None:
    at = datetime(2026, 2, 1, tzinfo=UTC)
    assert one(Status="REVOKED", RevokedAt=at).revoked_at == at
    assert one(Status="REVOKED").revoked_at == NOT_BEFORE
    assert one(Status="ISSUED").revoked_at is None


@pytest.mark.parametrize("status", ["EXPIRED", "INACTIVE", "FAILED"])
def test_whatever_has_dates_is_watched(status: str) -> None:
    assert one(Status=status).expires_at == NOT_AFTER


def test_times_are_utc_wherever_this_runs() -> None:
    """boto3 gives local time."""
    local = NOT_AFTER.astimezone(timezone(timedelta(hours=9)))
    assert one(NotAfter=local).expires_at.isoformat() == "2049-04-01T12:30:15+00:00"


def test_serials_are_written_as_elsewhere() -> None:
    assert one(Serial="00:0A:bc:DE").serial == "abcde"


def test_texts_are_bounded() -> None:
    assert len(one(DomainName="x" * 253, SubjectAlternativeNames=["y" * 253] * 200).names) == 1
    assert (
        len(
            one(
                RenewalSummary={
                    "RenewalStatus": "FAILED",
                    "RenewalStatusReason": "z" * 9000,
                    "DomainValidationOptions": [{"DomainName": "api.example.com"}],
                    "UpdatedAt": NOT_BEFORE,
                }
            ).renewal_status
        )
        <= NAME_LIMIT
    )


def test_one_bad_certificate_does_not_stop_the_others() -> None:
    """What failed is the account's own state; the message of AWS, which names roles, is not repeated."""
    read = read_stubbed(
        lambda stub: listed(stub, "1", "2", "3"),
        unsearchable,
        lambda stub: described(stub, "1"),
        lambda stub: refused(stub, "2", "AccessDeniedException"),
        lambda stub: described(stub, "3"),
    )
    assert [seen.source_ref for seen in read.observed] == [ARN + "1", ARN + "3"]
    assert read.failure is not None
    assert (read.failure.kind, read.failure.ref) == (FailureKind.DENIED, "")
    assert read.failure.detail == (
        f"1 of 3 certificates can't be read; {ARN}2: DescribeCertificate: AccessDeniedException"
    )


def test_one_that_is_deleted_meanwhile_is_no_failure() -> None:
    read = read_stubbed(
        lambda stub: listed(stub, "1", "2"),
        unsearchable,
        lambda stub: refused(stub, "1", "ResourceNotFoundException"),
        lambda stub: described(stub, "2"),
    )
    assert (len(read.observed), read.failure) == (1, None)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", FailureKind.THROTTLED),
        ("AccessDeniedException", FailureKind.DENIED),
        ("InternalFailure", FailureKind.AWS_ERROR),
    ],
)
def test_a_list_that_breaks_off_keeps_what_was_read(code: str, kind: FailureKind) -> None:
    """Throttling in the middle: part of the account was read, and that is said."""
    read = read_stubbed(
        lambda stub: listed(stub, "1", next_token="more"),
        lambda stub: stub.add_client_error("list_certificates", code),
        unsearchable,
        lambda stub: described(stub, "1"),
    )
    assert (len(read.observed), read.complete) == (1, False)
    assert read.failure is not None
    assert (read.failure.kind, read.failure.detail) == (kind, f"ListCertificates: {code}")


def test_an_endpoint_that_can_not_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    client = a_client()

    def unreachable(*_: Any, **__: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://acm")

    monkeypatch.setattr(client, "_make_api_call", unreachable)
    read = observe_account(client)
    assert read.failure is not None
    assert (read.failure.kind, read.failure.detail) == (FailureKind.UNREACHABLE, "EndpointConnectionError")


def test_it_stops_when_the_time_is_up() -> None:
    """And says that it did not see everything: else those at the end of the list would be missed unseen."""
    client = a_client()
    left = iter([True])
    with Stubber(client) as stub:
        listed(stub, "1", "2")
        unsearchable(stub)
        described(stub, "1")
        read = observe_account(client, lambda: next(left, False))
    assert (len(read.observed), read.complete) == (1, False)
    assert read.failure is not None
    assert read.failure.kind is FailureKind.TIMEOUT
