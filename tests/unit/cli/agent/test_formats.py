"""Certificates in every format that servers keep them in; keys are neither read nor repeated.

Contract 4.15 [T].
"""

import os
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.certificates import Authority, Made, an_rsa_key, self_signed
from tests.support.stores import (
    KEYTOOL,
    OPENSSL,
    PASSWORD,
    KeyEntry,
    Trusted,
    by_keytool,
    by_openssl,
    jks,
    key_der,
    older_encryption,
    p12,
)
from tocsin_cli.agent import decrypting, pkcs12
from tocsin_cli.agent.contents import Contents, Found, Held, Problem, UnreadableError, reported
from tocsin_cli.agent.formats import read_file
from tocsin_cli.agent.opened import Opened, opened

CA = Authority()
ROOT = CA.certificate()
LEAF = CA.issued(common_name="shop.example.com", names=["shop.example.com"])
OTHER = CA.issued(common_name="mail.example.com", names=["mail.example.com"], serial=0xDEF)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a file"


def contents(file: Path, data: bytes | str, *passwords: str) -> Contents | None:
    """Read what a file with this in it holds."""
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    with opened(str(file)) as found:
        return read_file(found, passwords)


def held(file: Path, data: bytes | str, *passwords: str) -> list[Made]:
    """Name the certificates that a file holds, of those that are known; it has no problem."""
    found = contents(file, data, *passwords)
    assert found is not None
    assert found.problems == []
    known = {made.der: made for made in (ROOT, LEAF, OTHER)}
    return [known[one.der] for one in found.held]


def problems(file: Path, data: bytes | str, *passwords: str) -> list[str]:
    """Give what is said of a file."""
    try:
        found = contents(file, data, *passwords)
    except UnreadableError as error:
        return [str(error)]
    return found.problems if found else []


# ── PEM and DER ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LEAF.pem, [LEAF]),
        (LEAF.key_pem + LEAF.pem + ROOT.pem, [LEAF, ROOT]),  # as haproxy wants it
        (LEAF.pem + LEAF.key_pem, [LEAF]),
        (f"Bag Attributes\n  friendlyName: x\n{LEAF.pem}\n\n# the chain\n{ROOT.pem}", [LEAF, ROOT]),
        (LEAF.pem.replace("\n", "\r\n") + OTHER.pem.replace("\n", "\r"), [LEAF, OTHER]),
        ("\ufeff" + LEAF.pem, [LEAF]),
        (LEAF.pem.replace("\n", ""), [LEAF]),  # all in one line
        (LEAF.pem.replace("BEGIN C", "BEGIN X509 C").replace("END C", "END X509 C"), [LEAF]),
        (LEAF.pem.rstrip("\n"), [LEAF]),
    ],
)
def test_pem_text_gives_its_certificates(file: Path, text: str, found: list[Made]) -> None:
    assert held(file, text) == found


@pytest.mark.parametrize(
    ("text", "found", "said"),
    [
        (LEAF.pem[:200] + "\n" + OTHER.pem, [OTHER], "cut off"),
        (OTHER.pem + LEAF.pem[:200], [OTHER], "cut off"),
        (LEAF.pem[:200] + "\n" + LEAF.key_pem + OTHER.pem, [OTHER], "cut off"),
        (LEAF.pem.replace("M", "*") + OTHER.pem, [OTHER], "not base64"),
    ],
)
def test_what_is_broken_in_a_text_keeps_nothing_from_the_others(
    file: Path, text: str, found: list[Made], said: str
) -> None:
    read = contents(file, text)
    assert read is not None
    assert [one.der for one in read.held] == [made.der for made in found]
    assert len(read.problems) == 1
    assert said in read.problems[0]


def test_der_is_a_certificate_as_it_is(file: Path) -> None:
    assert held(file, LEAF.der) == [LEAF]


_KEYS = {
    "PKCS#8": key_der(LEAF),
    "EC": LEAF.key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    "RSA": an_rsa_key().private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    "encrypted": an_rsa_key().private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
    "PEM": LEAF.key_pem.encode(),
    "OpenSSH": LEAF.key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
}


@pytest.mark.parametrize("kind", _KEYS)
def test_a_key_is_no_certificate(file: Path, kind: str) -> None:
    assert contents(file, _KEYS[kind]) is None


@contextmanager
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, int]]]:
    """Note each stretch of a file that is read."""
    asked: list[tuple[int, int]] = []
    read = os.pread

    def pread(descriptor: int, count: int, offset: int) -> bytes:
        asked.append((offset, offset + count))
        return read(descriptor, count, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", pread)
        yield asked


@pytest.mark.parametrize("kind", ["PKCS#8", "EC", "RSA", "encrypted"])
def test_of_a_keys_file_no_more_than_its_beginning_is_read(
    file: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract 4.15 [T]: what it is can be told by its first 32 bytes."""
    with listening(monkeypatch) as asked:
        contents(file, _KEYS[kind])
    assert asked == [(0, 32)]


# ── Java's stores ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("magic", [0xFEEDFEED, 0xCECECECE])
@pytest.mark.parametrize("version", [1, 2])
def test_a_java_store_gives_its_chains_and_what_it_trusts(file: Path, magic: int, version: int) -> None:
    """Contract 4.15 [T]: without its password."""
    store = jks(KeyEntry("tomcat", [LEAF, ROOT]), Trusted("root", OTHER), magic=magic, version=version)
    read = contents(file, store)
    assert read is not None
    assert [(one.der, one.name, one.is_own) for one in read.held] == [
        (LEAF.der, "tomcat", True),
        (ROOT.der, "tomcat", False),
        (OTHER.der, "root", False),
    ]


def test_a_key_in_a_java_store_is_stepped_over_and_not_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract 4.15 [T]: not one byte of it."""
    store = jks(KeyEntry("tomcat", [LEAF]))
    begin = store.index(key_der(LEAF))
    end = begin + len(key_der(LEAF))
    with listening(monkeypatch) as asked:
        assert held(file, store) == [LEAF]
    head = [stretch for stretch in asked if stretch == (0, 32)]
    assert head
    assert begin > 32
    assert not [(first, last) for first, last in asked if first < end and last > begin]


def test_a_secret_key_ends_what_can_be_read(file: Path) -> None:
    """It has no length: Java writes an object."""
    store = bytearray(jks(Trusted("root", LEAF), Trusted("x", OTHER), magic=0xCECECECE))
    second = store.index(struct.pack(">IH", 2, 1) + b"x")
    store[second : second + 4] = struct.pack(">I", 3)
    read = contents(file, bytes(store))
    assert read is not None
    assert [one.der for one in read.held] == [LEAF.der]
    assert read.problems == ["a secret key in it has no length, so that what follows it can't be found"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda store: store[:-60],
        lambda store: store[:8] + b"\xff\xff\xff\xff" + store[12:],  # four billion entries
        lambda store: store[:4] + b"\0\0\0\x09" + store[8:],  # of a version to come
        lambda store: store.replace(struct.pack(">I", len(LEAF.der)), b"\xff\xff\xff\xff"),
        lambda store: store.replace(struct.pack(">I", len(key_der(LEAF))), b"\x7f\xff\xff\xff"),
        lambda store: store[:12] + b"\0\0\0\x07" + store[16:],  # an entry of an unknown kind
    ],
)
def test_a_broken_java_store_is_said_and_takes_no_memory(file: Path, damage: Callable[[bytes], bytes]) -> None:
    store = damage(jks(KeyEntry("tomcat", [LEAF])))
    tracemalloc.start()
    try:
        said = problems(file, store)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(said) == 1
    assert peak < 1024 * 1024


@pytest.mark.skipif(KEYTOOL is None, reason="there is no Java here")
@pytest.mark.parametrize(
    ("kind", "options"),
    [("JKS", ()), ("JCEKS", ()), ("PKCS12", ()), ("PKCS12", ("-J-Dkeystore.pkcs12.legacy",))],
    ids=["JKS", "JCEKS", "PKCS12", "PKCS12 of Java 8"],
)
def test_what_keytool_makes_is_read(tmp_path: Path, kind: str, options: tuple[str, ...]) -> None:
    store = by_keytool(tmp_path / "store", LEAF, kind, *options)
    read = contents(tmp_path / "file", store, PASSWORD)
    assert read is not None
    assert [(one.der, one.name, one.is_own) for one in read.held] == [(LEAF.der, "tomcat", True)]


# ── PKCS#12 ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_store_gives_its_certificates_with_the_name_of_their_entry(file: Path) -> None:
    read = contents(file, p12(LEAF, [ROOT]), "another one", PASSWORD)
    assert read is not None
    assert [(one.der, one.name, one.is_own) for one in read.held] == [
        (LEAF.der, "tomcat", True),
        (ROOT.der, "", False),
    ]


@pytest.mark.parametrize("passwords", [(), ("another one",)])
def test_a_store_whose_password_is_not_given_is_said(file: Path, passwords: tuple[str, ...]) -> None:
    (said,) = problems(file, p12(LEAF), *passwords)
    assert said == "its certificates are encrypted, and no password that was given opens them"
    (said,) = problems(file, p12(LEAF, encryption=older_encryption()), *passwords)
    assert said == "its certificates are encrypted, and no password that was given opens them"


def test_a_store_that_is_not_encrypted_needs_no_password(file: Path) -> None:
    assert held(file, p12(LEAF, encryption=NoEncryption())) == [LEAF]


def test_a_store_encrypted_as_before_aes_is_read(file: Path) -> None:
    assert held(file, p12(LEAF, [ROOT], encryption=older_encryption()), PASSWORD) == [LEAF, ROOT]


@pytest.mark.skipif(OPENSSL is None, reason="there is no openssl here")
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-certpbe", "AES-128-CBC", "-macalg", "sha512"),
        ("-certpbe", "DES-EDE3-CBC"),
        ("-legacy",),  # RC2 of 40 bits
        ("-legacy", "-certpbe", "PBE-SHA1-RC2-128"),
        ("-legacy", "-certpbe", "PBE-SHA1-2DES"),
        ("-legacy", "-certpbe", "PBE-SHA1-3DES", "-iter", "1"),
        ("-certpbe", "NONE"),
    ],
    ids=lambda options: " ".join(options) or "as openssl does by itself",
)
def test_what_openssl_makes_is_read(tmp_path: Path, options: tuple[str, ...]) -> None:
    store = by_openssl(tmp_path / "store", LEAF, *options)
    assert held(tmp_path / "file", store, PASSWORD) == [LEAF]


@pytest.mark.skipif(OPENSSL is None, reason="there is no openssl here")
def test_a_way_that_is_not_read_is_said_by_its_name(tmp_path: Path) -> None:
    store = by_openssl(tmp_path / "store", LEAF, "-legacy", "-certpbe", "PBE-SHA1-RC4-40")
    (said,) = problems(tmp_path / "file", store, PASSWORD)
    assert said == "it is encrypted in a way that is not read (1.2.840.113549.1.12.1.2)"


def test_a_keys_own_encryption_is_not_undone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract 4.15 [T]: what is decrypted are the certificates alone."""

    plain: list[bytes] = []
    decrypt = decrypting.decrypted

    def listened(*arguments: object) -> bytes | None:
        found = decrypt(*arguments)  # type: ignore[arg-type]  # handed on as they are
        plain.append(found or b"")
        return found

    monkeypatch.setattr(pkcs12, "decrypted", listened)
    assert held(file, p12(LEAF, [ROOT]), PASSWORD) == [LEAF, ROOT]
    assert any(LEAF.der in text for text in plain)
    secret = LEAF.key.private_numbers().private_value.to_bytes(32, "big")  # type: ignore[union-attr]  # it is an EC key
    assert secret in key_der(LEAF)
    assert not [text for text in plain if secret in text]


def test_a_store_that_asks_for_billions_of_rounds_is_refused(file: Path) -> None:
    (said,) = problems(file, _with_rounds(2**31 - 1), PASSWORD)
    assert "too much work" in said
    (said,) = problems(file, _with_rounds(1_000_000), *"abcd")  # also where it is the tries that make it so many
    assert "too much work" in said


def _with_rounds(rounds: int) -> bytes:
    """Make a store of one encrypted part that asks for so many rounds."""

    def tlv(tag: int, *parts: bytes) -> bytes:
        content = b"".join(parts)
        return bytes([tag, 0x82]) + len(content).to_bytes(2, "big") + content

    data, encrypted = bytes.fromhex("06092a864886f70d010701"), bytes.fromhex("06092a864886f70d010706")
    number = tlv(0x02, rounds.to_bytes(4, "big"))
    algorithm = tlv(0x30, bytes.fromhex("060a2a864886f70d010c0103"), tlv(0x30, tlv(0x04, b"saltsalt"), number))
    secret = tlv(0x30, b"\x02\x01\x00", tlv(0x30, data, algorithm, tlv(0x80, bytes(16))))
    parts = tlv(0x30, tlv(0x30, encrypted, tlv(0xA0, secret)))
    return tlv(0x30, b"\x02\x01\x03", tlv(0x30, data, tlv(0xA0, tlv(0x04, parts))))


def test_lengths_that_are_not_said_are_read(file: Path) -> None:
    """BER, as older tools write stores: every length of the outer elements is left open."""
    store = p12(LEAF, encryption=NoEncryption())
    assert store[:2] == b"\x30\x82"
    open_ended = b"\x30\x80" + store[4:] + b"\0\0"
    assert held(file, open_ended) == [LEAF]


# ── What nobody meant ────────────────────────────────────────────────────────────────────────────────────────────────

_WHOLE = {
    "pem": (LEAF.key_pem + LEAF.pem + ROOT.pem).encode(),
    "der": LEAF.der,
    "jks": jks(KeyEntry("tomcat", [LEAF, ROOT]), Trusted("root", ROOT)),
    "p12": p12(LEAF, [ROOT], encryption=NoEncryption()),
    "encrypted p12": p12(LEAF, encryption=older_encryption()),
}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    whole=st.sampled_from(sorted(_WHOLE)),
    changes=st.lists(st.tuples(st.integers(0, 4_000), st.binary(max_size=6)), max_size=4),
    length=st.integers(0, 4_000),
)
def test_whatever_is_changed_in_a_file_is_read_or_said(
    file: Path, whole: str, changes: list[tuple[int, bytes]], length: int
) -> None:
    """Contract 4.15 [T]: nothing crashes, hangs or repeats what is in it."""
    data = bytearray(_WHOLE[whole])
    for place, by in changes:
        data[place : place + len(by)] = by
    said = problems(file, bytes(data[:length]), PASSWORD)
    assert all(one.isascii() and len(one) < 120 for one in said)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    beginning=st.sampled_from(
        [b"", b"\x30\x80\x02\x01\x03", b"\xfe\xed\xfe\xed\0\0\0\x02", b"-----BEGIN CERTIFICATE-----"]
    ),
    data=st.binary(max_size=200),
)
def test_any_bytes_are_read_or_said(file: Path, beginning: bytes, data: bytes) -> None:
    problems(file, beginning + data, PASSWORD)


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\x80" * 500_000,  # in each other without an end
        b"\x30\x80\x02\x01\x03" + b"\x30\x80" * 500_000,
        b"\x30\x84\xff\xff\xff\xff\x02\x01\x03" + bytes(1_000),  # four billion bytes, it says
        b"\x30\xff\x02\x01\x03",
        b"\x30\x80\x02\x01\x03\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80" + b"\x24\x80" * 400_000,
        b"-----BEGIN CERTIFICATE-----" * 38_000,
        b"-" * 1_000_000,
        b"-----BEGIN CERTIFICATE-----\n" + b"A" * 1_000_000,
    ],
)
def test_a_megabyte_that_goes_nowhere_ends_soon(file: Path, data: bytes) -> None:
    """No time is taken: the test has a limit of its own."""
    problems(file, data, PASSWORD)


def test_a_file_over_the_limit_is_not_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract 4.15 [T]: a file of 1 GB, which takes no room on the disk."""
    with file.open("wb") as made:
        made.write(LEAF.pem.encode())
        made.truncate(1024**3)
    refused = pytest.raises(UnreadableError, match="more than 1,048,576 bytes")
    with listening(monkeypatch) as asked, refused, opened(str(file)):
        pytest.fail("it was opened")
    assert asked == []


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pem")
    with pytest.raises(UnreadableError, match="no regular file"), opened(str(tmp_path / "pipe.pem")):
        pytest.fail("it was opened")


# ── What is reported of a file ───────────────────────────────────────────────────────────────────────────────────────


def places(file: Path, data: bytes | str, *, with_authorities: bool = False) -> list[tuple[str, str]]:
    """Give the places that are reported of a file, and what is there."""
    found = contents(file, data, PASSWORD)
    assert found is not None
    return [
        (one.place, one.common_name) if isinstance(one, Found) else (one.path, one.problem)
        for one in reported("/etc/store", found, with_authorities=with_authorities)
    ]


def test_of_a_chain_only_the_servers_own_is_reported(file: Path) -> None:
    chain = ROOT.pem + LEAF.pem  # in whatever order
    assert places(file, chain) == [("/etc/store", "shop.example.com")]
    assert places(file, chain, with_authorities=True) == [
        ("/etc/store", "shop.example.com"),
        ("/etc/store#2", "Test CA"),
    ]


def test_a_self_signed_one_that_may_issue_is_a_servers_if_it_is_for_a_host(file: Path) -> None:
    """`openssl req -x509` makes such ones; an authority is for no host."""
    made = self_signed(common_name="nas.local", names=["nas.local"], is_authority=True)
    assert places(file, made.pem) == [("/etc/store", "nas.local")]
    assert places(file, ROOT.pem) == []


def test_what_lies_beside_its_key_is_a_servers_whatever_it_says(file: Path) -> None:
    assert places(file, jks(KeyEntry("a", [ROOT]), Trusted("b", ROOT))) == [("/etc/store#a", "Test CA")]
    assert places(file, p12(ROOT)) == [("/etc/store#tomcat", "Test CA")]


def test_entries_of_a_store_are_named_by_it(file: Path) -> None:
    store = jks(KeyEntry("web", [LEAF, ROOT]), KeyEntry("mail", [OTHER]))
    assert places(file, store) == [("/etc/store#web", "shop.example.com"), ("/etc/store#mail", "mail.example.com")]


def test_what_is_wrong_many_times_is_said_once(file: Path) -> None:
    assert places(file, "-----BEGIN CERTIFICATE-----" * 38_000) == [
        ("/etc/store", "a certificate in it is cut off (38,000 times)")
    ]


def test_the_same_one_twice_is_one(file: Path) -> None:
    assert places(file, LEAF.pem + OTHER.pem + LEAF.pem) == [
        ("/etc/store", "shop.example.com"),
        ("/etc/store#2", "mail.example.com"),
    ]


def test_a_key_by_the_name_of_a_certificate_is_not_sent(file: Path) -> None:
    """Contract 4.15 [T]: only what reads as a certificate is, and it is written anew."""
    disguised = LEAF.key_pem.replace("PRIVATE KEY", "CERTIFICATE")
    assert places(file, disguised + LEAF.pem) == [
        ("/etc/store", "a certificate in it can't be read"),
        ("/etc/store", "shop.example.com"),
    ]


def test_what_cryptography_warns_of_is_not_said(file: Path) -> None:
    """A serial below zero, as some old authorities have: warnings are errors here, and would be in cron's mail."""
    serial = LEAF.der.index(bytes.fromhex("02020abc"))
    odd = LEAF.der[:serial] + bytes.fromhex("02028abc") + LEAF.der[serial + 4 :]
    assert places(file, odd) == [("/etc/store", "shop.example.com")]


def test_a_path_is_one_line_that_can_be_shown() -> None:
    held = Contents(problems=["x"])
    (one,) = reported("/etc/a\nb\udcff\u202e", held, with_authorities=False)
    assert one == Problem("/etc/a\\nb\\xff\\u202e", "x")
    (one,) = reported("/" + "a" * 2_000, contents_of(LEAF), with_authorities=False)
    assert isinstance(one, Problem)
    assert one.problem == "its path has more than 880 characters"


def contents_of(made: Made) -> Contents:

    return Contents([Held(made.der)])


def test_opened_files_are_read_in_parts_only(file: Path) -> None:
    file.write_bytes(b"abc")
    with opened(str(file)) as found:
        assert isinstance(found, Opened)
        assert found.at(1, 2) == b"bc"
        for offset, count in ((1, 3), (0, -1), (4, 0)):
            with pytest.raises(UnreadableError):
                found.at(offset, count)
