"""How reading a source ended when it did not end with a certificate. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """What happened, each as what it is."""

    DNS = "dns"
    """The name has no address."""
    FORBIDDEN_ADDRESS = "forbidden_address"
    """The name leads only to addresses that the guard does not permit."""
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    RESET = "reset"
    """The connection was open, and broke before the handshake was complete."""
    NOT_TLS = "not_tls"
    """The server answered in another language: plain HTTP, SSH, SMTP."""
    TLS_ALERT = "tls_alert"
    """The server refused the handshake, and said why."""
    TLS_ERROR = "tls_error"
    UNREADABLE = "unreadable"
    """There was a certificate; its dates can't be read."""
    THROTTLED = "throttled"
    DENIED = "denied"
    AWS_ERROR = "aws_error"


@dataclass(frozen=True, slots=True)
class SourceFailure:
    """What was seen, in words that an operator understands. It is the source's failure, never a certificate's."""

    kind: FailureKind
    detail: str
    ref: str = ""
    """What could not be read, where that is a part of a source: an ARN. Empty: the whole source."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"
