"""One TLS handshake, made only to see the server's certificate; and what its failure means.

Nothing is ever sent over these connections, so a handshake that trusts everybody risks nothing but a wrong date.
"""

import asyncio
import socket
import ssl
from datetime import datetime

from tocsin.sources.failure import FailureKind, SourceFailure
from tocsin.sources.observed import ObservedCertificate

# OpenSSL's codes for what is wrong with a chain (x509_vfy.h, X509_V_ERR_*).
_NOT_YET_VALID = 9
_EXPIRED = 10
_SELF_SIGNED = 18
_UNKNOWN_ISSUER = frozenset({2, 19, 20, 21})
_WRONG_NAME = frozenset({62, 64})

_NOT_TLS = frozenset(
    {
        "WRONG_VERSION_NUMBER",  # what OpenSSL reads in the first bytes of `HTTP/1.1`, `SSH-2.0`, `220 ready`
        "PACKET_LENGTH_TOO_LONG",
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "UNKNOWN_PROTOCOL",
        "BAD_RECORD_TYPE",
        "RECORD_LAYER_FAILURE",  # what OpenSSL 3.2 and later say of some of these
    }
)
_ALERTS_BY_ANOTHER_NAME = frozenset(
    {"TLSV1_UNRECOGNIZED_NAME", "TLSV1_UNSUPPORTED_EXTENSION", "TLSV1_CERTIFICATE_UNOBTAINABLE"}
)


def strict_context(authorities: str | None = None) -> ssl.SSLContext:
    """Make what decides whether a chain verifies, by these authorities (PEM), or by the machine's own list."""
    context = ssl.create_default_context(cadata=authorities)
    context.hostname_checks_common_name = False  # browsers do not, and what they would say is what is told
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # on since Python 3.13: it refuses what browsers accept
    return context


def lenient_context() -> ssl.SSLContext:
    """Make what reads the certificate of any server: whoever issued it, and however old the server's TLS is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


async def leaf_of(connected: socket.socket, server_name: str, context: ssl.SSLContext, deadline: float) -> bytes:
    """Shake hands over `connected`, close it, and return the leaf certificate's DER."""
    transport, _ = await asyncio.get_running_loop().create_connection(
        asyncio.Protocol,
        sock=connected,
        ssl=context,
        server_hostname=server_name,
        ssl_handshake_timeout=deadline,
    )
    try:
        der = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        transport.abort()  # no farewell: a server that does not answer one would hold us
    if der is None:
        raise ssl.SSLError("the server showed no certificate")
    return bytes(der)


def chain_problem(error: ssl.SSLError, leaf: ObservedCertificate, server_name: str, now: datetime) -> str:
    """Say what kept the strict handshake from success, and that the leaf has expired, whatever else is wrong."""
    problem = _chain_problem(error, leaf, server_name, now)
    return f"{problem}; expired" if leaf.expires_at <= now and problem != "expired" else problem


def _chain_problem(error: ssl.SSLError, leaf: ObservedCertificate, server_name: str, now: datetime) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"not verified: no secure TLS with this server ({_reason(error)})"
    code = error.verify_code
    if code in _UNKNOWN_ISSUER:
        return "unknown issuer"
    if code in _WRONG_NAME:
        return f"hostname mismatch: it is not for {server_name}"
    if code == _EXPIRED:
        return "expired" if leaf.expires_at <= now else "a certificate above it has expired"
    if code == _NOT_YET_VALID:
        return "not valid yet"
    return "self-signed" if code == _SELF_SIGNED else error.verify_message


def failure_of(error: OSError, step: str, deadline: float) -> SourceFailure:
    """Say what `error`, which came while `step` was under way, is. The texts are our own."""
    match error:
        case ssl.SSLError():
            return _tls_failure(error)
        case TimeoutError():
            return SourceFailure(FailureKind.TIMEOUT, f"{step}: not done within {deadline:g} s")
        case socket.gaierror():
            return SourceFailure(FailureKind.DNS, "the host's name can't be resolved")
        case ConnectionRefusedError():
            return SourceFailure(FailureKind.REFUSED, "the host refused the connection")
        case ConnectionError():
            return SourceFailure(FailureKind.RESET, "the server broke the connection off before it was secured")
    return SourceFailure(FailureKind.UNREACHABLE, f"can't connect: {error.strerror or 'several reasons'}")


def is_worth_another_try(error: ssl.SSLError) -> bool:
    """Tell whether a lenient handshake can succeed where the strict one ended with `error`."""
    return _tls_failure(error).kind in (FailureKind.TLS_ERROR, FailureKind.TLS_ALERT)


def _tls_failure(error: ssl.SSLError) -> SourceFailure:
    reason = error.reason or ""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return SourceFailure(FailureKind.RESET, "the server closed the connection before it was secured")
    if reason in _NOT_TLS:
        return SourceFailure(FailureKind.NOT_TLS, "the server does not speak TLS on this port")
    if "ALERT" in reason or reason in _ALERTS_BY_ANOTHER_NAME:
        return SourceFailure(FailureKind.TLS_ALERT, f"the server refused the handshake: {_reason(error)}")
    return SourceFailure(FailureKind.TLS_ERROR, f"no agreement on TLS: {_reason(error)}")


def _reason(error: ssl.SSLError) -> str:
    """Give OpenSSL's word for it, e.g. `sslv3 alert handshake failure`."""
    return (error.reason or str(error)).lower().replace("_", " ")
