"""The certificate's private key, which only one step ever has, in memory."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from renewer.job import Job

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
CURVES: dict[int, type[ec.EllipticCurve]] = {256: ec.SECP256R1, 384: ec.SECP384R1}
"""By bits: those that public authorities sign."""
RSA_SIZES = (2048, 3072, 4096)
COMMON_NAME_LIMIT = 64  # RFC 5280, ub-common-name


def new_key(job: Job) -> PrivateKey:
    """Make a key of the kind and size that the certificate has now; what no authority signs any more gets larger."""
    if job.key_kind == "RSA":
        wanted = job.key_size or RSA_SIZES[0]
        return rsa.generate_private_key(65537, next((size for size in RSA_SIZES if size >= wanted), RSA_SIZES[-1]))
    return ec.generate_private_key(CURVES.get(job.key_size or 0, ec.SECP256R1)())


def request(key: PrivateKey, names: tuple[str, ...]) -> bytes:
    """Write the signing request for these names, as PEM."""
    common = [x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])] if len(names[0]) <= COMMON_NAME_LIMIT else []
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name(common))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def key_pem(key: PrivateKey) -> bytes:
    """Write the key as PKCS#8, not encrypted: ACM and servers take no other."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def belongs(key: PrivateKey, certificate: x509.Certificate) -> bool:
    """Tell whether a certificate was issued for this key."""
    return bool(certificate.public_key() == key.public_key())
