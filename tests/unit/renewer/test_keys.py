"""The key of a renewed certificate."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from renewer.job import Job
from renewer.keys import key_pem, new_key, request
from tests.integration.renewer.conftest import asked


@pytest.mark.parametrize(
    ("kind", "size", "made"),
    [
        ("EC", 256, 256),
        ("EC", 384, 384),
        ("EC", 521, 256),  # which no public authority signs
        ("RSA", 2048, 2048),
        ("RSA", 1024, 2048),  # the same
        ("RSA", None, 2048),
        ("Ed25519", 256, 256),  # the same
        ("", None, 256),
    ],
)
def test_it_is_of_the_kind_and_size_of_the_old_one_where_that_may_be(kind: str, size: int | None, made: int) -> None:
    key = new_key(Job.parse(asked(key_kind=kind, key_size=size)))
    assert isinstance(key, rsa.RSAPrivateKey if kind == "RSA" else ec.EllipticCurvePrivateKey)
    assert key.key_size == made


def test_it_is_another_one_each_time() -> None:
    job = Job.parse(asked())
    assert key_pem(new_key(job)) != key_pem(new_key(job))


def test_a_common_name_that_is_too_long_is_left_out() -> None:
    """It is among the names all the same; a common name has 64 characters at most (RFC 5280, ub-common-name)."""
    long = f"{'a' * 60}.example.com"
    for names, common in ((("www.example.com", long), 1), ((long, "www.example.com"), 0)):
        signed = x509.load_pem_x509_csr(request(new_key(Job.parse(asked())), names))
        assert len(signed.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)) == common
        asked_for = signed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert tuple(asked_for.get_values_for_type(x509.DNSName)) == names
