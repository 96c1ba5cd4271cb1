"""What a failed handshake means: by OpenSSL's words, whichever version says them."""

import errno
import socket
import ssl

import pytest

from tocsin.sources.failure import FailureKind
from tocsin.sources.tls import failure_of


def tls_error(reason: str, kind: type[ssl.SSLError] = ssl.SSLError) -> ssl.SSLError:
    """Make what the ssl module raises."""
    error = kind(1, f"[SSL: {reason}] (_ssl.c:1006)")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (tls_error("WRONG_VERSION_NUMBER"), FailureKind.NOT_TLS),
        (tls_error("RECORD_LAYER_FAILURE"), FailureKind.NOT_TLS),  # the same, since OpenSSL 3.2
        (tls_error("SSLV3_ALERT_HANDSHAKE_FAILURE"), FailureKind.TLS_ALERT),
        (tls_error("TLSV1_ALERT_PROTOCOL_VERSION"), FailureKind.TLS_ALERT),
        (tls_error("TLSV1_UNRECOGNIZED_NAME"), FailureKind.TLS_ALERT),
        (tls_error("UNSUPPORTED_PROTOCOL"), FailureKind.TLS_ERROR),
        (tls_error("UNEXPECTED_EOF_WHILE_READING", ssl.SSLEOFError), FailureKind.RESET),
        (ConnectionResetError(errno.ECONNRESET, "reset"), FailureKind.RESET),
        (ConnectionAbortedError(errno.ECONNABORTED, "aborted"), FailureKind.RESET),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), FailureKind.REFUSED),
        (TimeoutError(), FailureKind.TIMEOUT),
        (TimeoutError(errno.ETIMEDOUT, "the network gave up"), FailureKind.TIMEOUT),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), FailureKind.DNS),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), FailureKind.UNREACHABLE),
        (OSError("Multiple exceptions: ..."), FailureKind.UNREACHABLE),
    ],
)
def test_each_is_recorded_as_what_it_is(error: OSError, kind: FailureKind) -> None:
    failure = failure_of(error, "the TLS handshake", 10)
    assert failure.kind is kind
    assert failure.detail
