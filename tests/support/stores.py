"""Files as servers have them: certificates beside their keys, in every format that `tocsin report` reads."""

import shutil
import struct
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from tests.support.certificates import Made

PASSWORD = "open, sesame"
KEYTOOL, OPENSSL = shutil.which("keytool"), shutil.which("openssl")


def key_der(made: Made) -> bytes:
    """Give a private key as JKS and PKCS#12 stores hold it before it is encrypted."""
    return made.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True)
class KeyEntry:
    """A key of a Java store, and its chain."""

    name: str
    chain: Sequence[Made]


@dataclass(frozen=True)
class Trusted:
    """A certificate of a Java store."""

    name: str
    certificate: Made


def jks(*entries: KeyEntry | Trusted, magic: int = 0xFEEDFEED, version: int = 2) -> bytes:
    """Write a Java store as OpenJDK does, but for the key, which is in the clear, and the digest, which is zeros.

    Whatever of the key is read is so found by its very bytes.
    """
    parts = [struct.pack(">III", magic, version, len(entries))]
    for entry in entries:
        is_key = isinstance(entry, KeyEntry)
        parts.append(struct.pack(">I", 1 if is_key else 2) + _text(entry.name) + struct.pack(">Q", 1_700_000_000_000))
        if isinstance(entry, KeyEntry):
            secret = key_der(entry.chain[0])
            parts.append(struct.pack(">I", len(secret)) + secret + struct.pack(">I", len(entry.chain)))
        chain = entry.chain if isinstance(entry, KeyEntry) else [entry.certificate]
        kind = _text("X.509") if version == 2 else b""
        parts += [kind + struct.pack(">I", len(made.der)) + made.der for made in chain]
    return b"".join(parts) + bytes(20)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">H", len(encoded)) + encoded


def p12(
    made: Made,
    chain: Iterable[Made] = (),
    *,
    name: str | None = "tomcat",
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    """Make a PKCS#12 store with the key; by default encrypted as openssl 3 does it."""
    return pkcs12.serialize_key_and_certificates(
        None if name is None else name.encode(),
        made.key,
        made.certificate,
        [one.certificate for one in chain],
        encryption or BestAvailableEncryption(PASSWORD.encode()),
    )


def older_encryption() -> KeySerializationEncryption:
    """Give how stores were encrypted before AES: triple DES."""
    return (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2_000)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA256())
        .build(PASSWORD.encode())
    )


def by_openssl(to: Path, made: Made, *options: str) -> bytes:
    """Let openssl make a PKCS#12 store."""
    assert OPENSSL
    pem = to.with_suffix(".both.pem")
    pem.write_text(made.key_pem + made.pem)
    command = [OPENSSL, "pkcs12", "-export", "-in", str(pem), "-out", str(to), "-passout", f"pass:{PASSWORD}", *options]
    subprocess.run(command, check=True, capture_output=True)
    pem.unlink()
    return to.read_bytes()


def by_keytool(to: Path, made: Made, kind: str, *options: str) -> bytes:
    """Let Java make a store of this kind, out of a PKCS#12 one."""
    assert KEYTOOL
    source = to.with_suffix(".source.p12")
    source.write_bytes(p12(made))
    command = [KEYTOOL, *options, "-importkeystore", "-noprompt"]
    command += ["-srckeystore", str(source), "-srcstoretype", "PKCS12", "-srcstorepass", PASSWORD]
    command += ["-destkeystore", str(to), "-deststoretype", kind, "-deststorepass", PASSWORD, "-destkeypass", PASSWORD]
    subprocess.run(command, check=True, capture_output=True)
    source.unlink()
    return to.read_bytes()
