"""Reading PEM text (issue 3, item 4: "Bulk import of PEM files"; "Bad input")."""

import base64
import contextlib
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.certificates import NOT_AFTER, NOT_BEFORE, Authority, Made, a_key, an_rsa_key, self_signed
from tocsin.errors import InvalidFieldsError
from tocsin.inventory.certificate import LINE_LIMIT, NAME_LIMIT, NAMES_LIMIT, Certificate, Source, checked
from tocsin.sources.observed import NOT_CHECKED, ObservedCertificate
from tocsin.sources.pem import COUNT_LIMIT, TEXT_LIMIT, read_pem

CA = Authority()
ONE = CA.issued()
TWO = CA.issued(common_name="other.example.com", names=("other.example.com",))
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def problems(text: str) -> list[str]:
    """Give what is wrong with `text`, each beginning with the field's name."""
    with pytest.raises(InvalidFieldsError) as caught:
        read_pem(text)
    return [f"{problem.field} {problem.detail}" for problem in caught.value.problems]


def row(seen: ObservedCertificate) -> Certificate:
    """Make the row of it that the inventory would have to accept."""
    return Certificate(
        id=seen.id,
        common_name=seen.common_name,
        names=seen.names,
        issuer=seen.issuer,
        serial=seen.serial,
        fingerprint_sha256=seen.fingerprint_sha256,
        not_before=seen.not_before,
        expires_at=seen.expires_at,
        source_ref=seen.source_ref,
        created_at=NOW,
        updated_at=NOW,
        watched_since=NOW,
    )


def test_it_reads_what_the_certificate_says() -> None:
    (seen,) = read_pem(ONE.pem)
    assert (seen.source, seen.common_name, seen.names) == (Source.IMPORT, "api.example.com", ("api.example.com",))
    assert (seen.issuer, seen.serial) == ("CN=Test CA", "abc")
    assert seen.fingerprint_sha256 == ONE.certificate.fingerprint(hashes.SHA256()).hex()
    assert (seen.not_before, seen.expires_at) == (NOT_BEFORE, NOT_AFTER)
    assert seen.expires_at.tzinfo is UTC
    assert (seen.chain_problem, seen.chain_verified) == (NOT_CHECKED, None)


def test_two_certificates_in_one_file_are_both_taken() -> None:
    """Issue 3, bad input: "two certificates in one file (both taken)"."""
    assert [seen.common_name for seen in read_pem(ONE.pem + TWO.pem)] == ["api.example.com", "other.example.com"]


def test_a_chain_is_taken_whole() -> None:
    """An authority's certificate expires too, and takes more with it."""
    assert [seen.common_name for seen in read_pem(ONE.pem + CA.certificate().pem)] == ["api.example.com", "Test CA"]


def test_the_same_certificate_twice_counts_once() -> None:
    assert len(read_pem(ONE.pem + TWO.pem + ONE.pem)) == 2


def test_two_certificates_for_the_same_names_in_one_file_are_two_rows() -> None:
    """Both taken; the last to expire has the identity under which it would be found alone."""
    late = CA.issued(not_after=NOT_AFTER.replace(year=2050))
    old, new = read_pem(ONE.pem + late.pem)
    assert old.id != new.id
    assert new.source_ref == read_pem(late.pem)[0].source_ref
    assert old.source_ref == f"{new.source_ref}#2"


def test_what_stands_around_the_certificates_is_ignored() -> None:
    """`openssl s_client` and many tools write text between them; Windows ends lines its own way."""
    text = f"\ufeffBag Attributes\n friendlyName: käse\n{ONE.pem}\nsubject=CN = x\n{TWO.pem}".replace("\n", "\r\n")
    assert len(read_pem(text)) == 2


@pytest.mark.parametrize("label", ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"])
def test_a_private_key_is_ignored_and_never_repeated(label: str) -> None:
    """It is a secret: nothing of it may be in what is stored, nor in an error."""
    key = ONE.key_pem.replace("PRIVATE KEY", label)
    secret = ONE.key_pem.splitlines()[1]
    (seen,) = read_pem(key + ONE.pem)
    assert secret not in repr(seen)
    cut = ONE.pem[:200]
    for text in (key, key + cut, cut + key, f"{key}-----BEGIN CERTIFICATE-----\n{secret}\n-----END CERTIFICATE-----"):
        with pytest.raises(InvalidFieldsError) as caught:
            read_pem(text)
        told = f"{caught.value!r} {caught.value} {caught.value.problems} {caught.value.__cause__}"
        assert secret not in told
        assert secret[:16] not in told


def test_a_key_between_two_certificates_does_not_hide_one() -> None:
    assert len(read_pem(ONE.pem + ONE.key_pem + TWO.pem)) == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "pem holds no certificate"),
        ("hello", "pem holds no certificate"),
        ("\x00\ud800", "pem holds no certificate"),
        (ONE.key_pem, "pem holds no certificate"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----", "pem holds no certificate"),
        (ONE.pem[:200], "pem certificate 1 is cut off"),
        (ONE.pem[:200] + TWO.pem, "pem certificate 1 is cut off"),
        (ONE.pem + TWO.pem[:-5], "pem certificate 2 is cut off"),
        (ONE.pem.replace("END CERT", "END ERT"), "pem certificate 1 is cut off"),
        (ONE.pem.replace("M", "!", 1), "pem certificate 1 is not base64"),
        (ONE.pem.replace("M", "ä", 1), "pem certificate 1 is not base64"),
        ("-----BEGIN CERTIFICATE----------END CERTIFICATE-----", "pem certificate 1 can't be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "pem certificate 1 can't be read"),
        ("-----BEGIN CERTIFICATE-----\n" * 3, "pem certificate 1 is cut off"),
        ("x" * (TEXT_LIMIT + 1), f"pem is over {TEXT_LIMIT} characters"),
        (ONE.pem * (COUNT_LIMIT + 1), f"pem holds more than {COUNT_LIMIT} certificates"),
    ],
)
def test_what_is_no_pem_is_an_error_that_names_the_field(text: str, why: str) -> None:
    """Issue 3, bad input: "PEM that isn't"."""
    assert problems(text)[0].startswith(why)


def test_one_bad_certificate_refuses_the_file_and_says_which() -> None:
    """Issue 3, bad input: "and nothing written"; all problems at once."""
    bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert problems(ONE.pem + bad + TWO.pem + bad) == [
        "pem certificate 2 can't be read",
        "pem certificate 4 can't be read",
    ]


@pytest.mark.timeout(10)
def test_a_hostile_text_takes_no_longer_than_any_other() -> None:
    """Half a megabyte of beginnings without an end."""
    text = ("-----BEGIN CERTIFICATE-----" * TEXT_LIMIT)[:TEXT_LIMIT]
    assert "more than" in problems(text)[0]


ODD: dict[str, dict[str, Any]] = {
    "the year 9999 (RFC 5280: no expiry)": {"not_after": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)},
    "backwards dates": {"not_after": datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)},
    "an old one": {"not_before": datetime(1950, 1, 1, tzinfo=UTC), "not_after": datetime(1950, 1, 2, tzinfo=UTC)},
    "no common name": {"common_name": None},
    "neither name": {"common_name": None, "names": ()},
    "addresses": {"names": ("192.0.2.1", "2001:db8::1")},
    "unicode": {"common_name": "b\u00fccher \U0001f600"},
    "right to left, control characters": {"common_name": "\u202egro\x00elpmaxe\n\x1b[31m"},
    "nothing visible": {"common_name": "\x01\x02"},
    "a name of 300 KB": {"common_name": "x" * 300_000},
    "3,000 names": {"names": tuple(f"host-{number}.example.com" for number in range(3000))},
    "a serial of 159 bits": {"serial": (1 << 159) - 1},
}


@pytest.mark.parametrize("what", ODD)
def test_odd_certificates_are_read_and_can_be_stored(what: str) -> None:
    """Whatever it looks like, it expires: texts are bounded, and the inventory accepts the row."""
    (seen,) = read_pem(CA.issued(**ODD[what]).pem)
    checked(row(seen))
    assert seen.common_name
    assert len(seen.common_name.encode()) <= NAME_LIMIT
    assert len(seen.names) <= NAMES_LIMIT
    assert len(seen.issuer.encode()) <= LINE_LIMIT


def test_what_it_is_called_by() -> None:
    """The common name, or else the first alternative name, or else the serial."""
    called = [CA.issued(**ODD[what]) for what in ("no common name", "neither name", "nothing visible")]
    assert [read_pem(one.pem)[0].common_name for one in called] == ["api.example.com", "serial abc", "api.example.com"]


def test_addresses_are_names() -> None:
    (seen,) = read_pem(CA.issued(**ODD["addresses"]).pem)
    assert seen.names == ("192.0.2.1", "2001:db8::1")


def test_other_kinds_of_names() -> None:
    """Mail addresses and URIs (SPIFFE) are names too; what is neither text nor address is passed over."""
    others = [
        x509.RFC822Name("ada@example.com"),
        x509.UniformResourceIdentifier("spiffe://example.com/api"),
        x509.DirectoryName(x509.Name([])),
        x509.IPAddress(ip_address("192.0.2.1")),
    ]
    (seen,) = read_pem(CA.issued(names=(), alternative_names=others).pem)
    assert seen.names == ("ada@example.com", "spiffe://example.com/api", "192.0.2.1")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b"\x82\x0fapi.example.com", b"\x82\x0f\xff\xfe\x00.example.com"[:17]),  # an alternative name that is no ASCII
        (b"\x0c\x0fapi.example.com", b"\x0c\x0f\xff\xfe\x00.example.com"[:17]),  # a common name that is no UTF-8
        (b"\x0c\x07Test CA", b"\x0c\x07\xff\xfe\x00 CA!"),  # the issuer's
    ],
)
def test_what_is_malformed_inside_does_not_hide_the_expiry(right: bytes, wrong: bytes) -> None:
    der = ONE.der
    assert right in der
    broken = base64.b64encode(der.replace(right, wrong)).decode()
    (seen,) = read_pem(f"-----BEGIN CERTIFICATE-----\n{broken}\n-----END CERTIFICATE-----")
    assert seen.expires_at == NOT_AFTER
    checked(row(seen))


@settings(max_examples=300)
@given(st.text())
@example("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----")
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    for candidate in (text, f"-----BEGIN CERTIFICATE-----{text}-----END CERTIFICATE-----", ONE.pem[:100] + text):
        with pytest.raises(InvalidFieldsError):
            read_pem(candidate)


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, len(ONE.der) - 1), st.integers(0, 255)), min_size=1, max_size=6))
@example([(39, 3)])
@example([(ONE.der.index(b"\x82\x0fapi.example.com"), 0xA3)])
def test_a_certificate_with_any_bytes_changed_is_read_or_refused_by_name(changes: list[tuple[int, int]]) -> None:
    """Never anything but the named error, whatever `cryptography` thinks of the bytes."""
    der = bytearray(ONE.der)
    for place, value in changes:
        der[place] = value
    text = as_pem(bytes(der))
    with contextlib.suppress(InvalidFieldsError):
        (seen,) = read_pem(text)
        checked(row(seen))


@pytest.mark.parametrize("made", [ONE, self_signed(), CA.issued(names=())], ids=["issued", "self-signed", "nameless"])
def test_a_name_of_an_odd_type_keeps_no_certificate_from_being_watched(made: Made) -> None:
    """Whatever `cryptography` refuses only when it is asked for it: here a common name that is a BIT STRING."""
    (seen,) = read_pem(as_pem(made.der.replace(COMMON_NAME + UTF8_STRING, COMMON_NAME + BIT_STRING)))
    assert (seen.expires_at, seen.issuer) == (NOT_AFTER, "")
    checked(row(seen))


def test_an_alternative_name_of_an_odd_kind_keeps_no_certificate_from_being_watched() -> None:
    """An x400Address, which `cryptography` does not read."""
    name = b"api.example.com"
    dns, x400 = bytes([0x82, len(name)]) + name, bytes([0xA3, len(name)]) + name
    assert ONE.der.count(dns) == 1
    (seen,) = read_pem(as_pem(ONE.der.replace(dns, x400)))
    assert (seen.expires_at, seen.names) == (NOT_AFTER, ())


COMMON_NAME, UTF8_STRING, BIT_STRING = b"\x06\x03\x55\x04\x03", b"\x0c", b"\x03"
"""The OID 2.5.4.3, and tags of ASN.1."""


def as_pem(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----"


def identity(**fields: object) -> str:
    return read_pem(CA.issued(**fields).pem)[0].source_ref


def test_a_renewed_file_is_the_same_row() -> None:
    """Issue 3, item 4: "a renewed certificate seen at a source updates its row"; whatever else is new about it."""
    names = ("api.example.com", "www.example.com")
    before = identity(names=names)
    renewed = Authority(a_key(98), "Another CA").issued(
        common_name=None,
        names=("WWW.example.com", "api.example.com"),
        key=a_key(5),
        serial=7,
        not_after=NOT_AFTER.replace(year=2050),
    )
    assert read_pem(renewed.pem)[0].source_ref == before


def test_what_is_another_row() -> None:
    """Other names; another kind of key beside it (both are served); an authority; one without names by its key."""
    refs = [
        identity(),
        identity(names=("api.example.com", "more.example.com")),
        identity(key=an_rsa_key()),
        identity(is_authority=True, common_name="An intermediate CA"),
        identity(names=()),
        identity(names=(), key=a_key(5)),
        read_pem(self_signed().pem)[0].source_ref,
        read_pem(self_signed(key=a_key(5)).pem)[0].source_ref,
    ]
    assert len(set(refs)) == len(refs)


def test_one_that_expired_before_there_were_certificates_is_refused_by_name() -> None:
    """Its GeneralizedTime can say the year 1949 (RFC 5280, 4.1.2.5); no clock of ours has to hold it."""
    late = CA.issued(not_after=datetime(2050, 1, 1, tzinfo=UTC)).der
    assert late.count(b"20500101000000Z") == 1
    with pytest.raises(InvalidFieldsError, match="it expires before 1950"):
        read_pem(as_pem(late.replace(b"20500101000000Z", b"19490101000000Z")))
