"""TLS endpoints: connect, shake hands, read the leaf certificate, hang up; and what a failure of that means.

First a strict handshake; if the chain doesn't verify, a lenient one that only reads, and the reason is kept beside what
was read. Nothing is ever sent over these connections, so a handshake that trusts everybody risks nothing but a wrong
date. An endpoint is an address that a user gave: every address that its name resolves to is checked, and the
connection goes to the very one that was checked (docs/contributing/faults.md, "Addresses a webhook must never reach").
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import ip_address

from aiohappyeyeballs import AddrInfoType, start_connection

from tocsin.inventory.certificate import Source
from tocsin.network.address import AddressGuard
from tocsin.network.blocking import Blocking
from tocsin.sources.endpoint import Endpoint
from tocsin.sources.failure import FailureKind, SourceFailure
from tocsin.sources.observed import Observation, ObservedCertificate
from tocsin.sources.x509 import UnreadableCertificateError, read_der

CONCURRENCY = 32
"""Endpoints at once: handshakes cost 1-2 ms of processor time each, so the waiting is what is shared."""
DEADLINE = 10.0
"""Seconds for one endpoint: name, connection and both handshakes together."""
_HAPPY_EYEBALLS_DELAY = 0.25
"""Seconds before the next address is tried beside the first (RFC 8305, section 8)."""

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Gives the addresses of a name; raises socket.gaierror where it has none."""
_OUT_OF_TIME = SourceFailure(FailureKind.TIMEOUT, "there was no time left to look at it")

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


@dataclass(frozen=True, slots=True)
class Dialer:
    """What it takes to reach endpoints. Make one an invocation: reading the list of authorities takes a while."""

    guard: AddressGuard
    resolve: Resolve
    deadline: float = DEADLINE
    strict: ssl.SSLContext = field(default_factory=strict_context)
    lenient: ssl.SSLContext = field(default_factory=lenient_context)


def system_resolver(blocking: Blocking) -> Resolve:
    """Resolve by the system's resolver, on the threads of `blocking`."""

    async def resolve(host: str) -> Sequence[str]:
        found = await blocking.run(lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    return resolve


async def observe_all(
    dialer: Dialer,
    endpoints: Iterable[Endpoint],
    now: datetime,
    may_start: Callable[[], bool] = lambda: True,
    *,
    concurrency: int = CONCURRENCY,
) -> Mapping[Endpoint, Observation]:
    """Observe each endpoint. One that there was no time for has failed: if that goes on, somebody has to know."""
    gate = asyncio.Semaphore(concurrency)
    seen: dict[Endpoint, Observation] = {}

    async def observe(endpoint: Endpoint) -> None:
        async with gate:
            seen[endpoint] = await observe_endpoint(endpoint, dialer, now) if may_start() else _OUT_OF_TIME

    async with asyncio.TaskGroup() as tasks:
        for endpoint in dict.fromkeys(endpoints):
            tasks.create_task(observe(endpoint))
    return seen


async def observe_endpoint(endpoint: Endpoint, dialer: Dialer, now: datetime) -> Observation:
    """Read the certificate that `endpoint` shows, within the dialer's deadline, or say why there is none."""
    visit = _Visit(endpoint, dialer, now)
    try:
        async with asyncio.timeout(dialer.deadline):
            return await visit.observe()
    except OSError as error:  # TimeoutError and ssl.SSLError are OSErrors
        return failure_of(error, visit.step, dialer.deadline)
    except UnreadableCertificateError as error:
        return SourceFailure(FailureKind.UNREADABLE, str(error))
    except Exception as bug:  # one odd server must not silence the watch of all others
        logging.getLogger(__name__).exception("the certificate at %s can't be read", endpoint)
        return SourceFailure(FailureKind.UNREADABLE, f"internal error: {type(bug).__name__}")


class _Visit:
    """One look at one endpoint, which knows how far it came."""

    def __init__(self, endpoint: Endpoint, dialer: Dialer, now: datetime) -> None:
        self._endpoint = endpoint
        self._dialer = dialer
        self._now = now
        self.step = "resolving the name"

    async def observe(self) -> Observation:
        addresses = await self._addresses()
        if not addresses:
            return SourceFailure(FailureKind.FORBIDDEN_ADDRESS, "the host leads to no address that may be reached")
        try:
            return self._read(await self._leaf(addresses, self._dialer.strict), None)
        except ssl.SSLError as error:
            if not _is_worth_another_try(error):
                raise
            return await self._observe_unverified(addresses, error)

    async def _observe_unverified(self, addresses: Sequence[AddrInfoType], why: ssl.SSLError) -> Observation:
        leaf = self._read(await self._leaf(addresses, self._dialer.lenient), "not verified")
        return replace(leaf, chain_problem=_chain_problem(why, leaf, self._endpoint.server_name, self._now))

    async def _addresses(self) -> list[AddrInfoType]:
        """Give the addresses that may be reached."""
        host = self._endpoint.host
        found = [host] if _is_address(host) else await self._dialer.resolve(host)
        return [_info(address, self._endpoint.port) for address in found if self._dialer.guard.permits(address)]

    async def _leaf(self, addresses: Sequence[AddrInfoType], context: ssl.SSLContext) -> bytes:
        self.step = "connecting"
        connected = await start_connection(addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS_DELAY)
        self.step = "the TLS handshake"
        return await _leaf_of(connected, self._endpoint.server_name, context, self._dialer.deadline)

    def _read(self, der: bytes, problem: str | None) -> ObservedCertificate:
        return read_der(der, Source.TLS, str(self._endpoint), problem)


async def _leaf_of(connected: socket.socket, server_name: str, context: ssl.SSLContext, deadline: float) -> bytes:
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


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _info(address: str, port: int) -> AddrInfoType:
    """Write an address as getaddrinfo would, so that nothing resolves it again."""
    if ip_address(address).version == 4:  # noqa: PLR2004 - IP's version
        return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
    return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0))


def _chain_problem(error: ssl.SSLError, leaf: ObservedCertificate, server_name: str, now: datetime) -> str:
    """Say what kept the strict handshake from success, and that the leaf has expired, whatever else is wrong."""
    problem = _strict_problem(error, leaf, server_name, now)
    return f"{problem}; expired" if leaf.expires_at <= now and problem != "expired" else problem


def _strict_problem(error: ssl.SSLError, leaf: ObservedCertificate, server_name: str, now: datetime) -> str:
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


def _is_worth_another_try(error: ssl.SSLError) -> bool:
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
