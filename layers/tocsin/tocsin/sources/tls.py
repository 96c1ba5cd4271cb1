"""TLS endpoints: connect, shake hands, read the leaf certificate, hang up.

First a strict handshake; if the chain doesn't verify, a lenient one that only reads, and the reason is kept beside what
was read. An endpoint is an address that a user gave: every address that its name resolves to is checked, and the
connection goes to the very one that was checked (docs/faults.md, "Addresses a webhook must never reach").
"""

import asyncio
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
from tocsin.sources.handshake import (
    chain_problem,
    failure_of,
    is_worth_another_try,
    leaf_of,
    lenient_context,
    strict_context,
)
from tocsin.sources.observed import ObservedCertificate
from tocsin.sources.x509 import UnreadableCertificateError, read_der

CONCURRENCY = 32
"""Endpoints at once: handshakes cost 1-2 ms of processor time each, so the waiting is what is shared."""
DEADLINE = 10.0
"""Seconds for one endpoint: name, connection and both handshakes together."""
_HAPPY_EYEBALLS_DELAY = 0.25
"""Seconds before the next address is tried beside the first (RFC 8305, section 8)."""

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Gives the addresses of a name; raises socket.gaierror where it has none."""
Observation = ObservedCertificate | SourceFailure
_OUT_OF_TIME = SourceFailure(FailureKind.TIMEOUT, "there was no time left to look at it")


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
    endpoints: Iterable[Endpoint],
    dialer: Dialer,
    now: datetime,
    *,
    concurrency: int = CONCURRENCY,
    may_start: Callable[[], bool] = lambda: True,
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
            if not is_worth_another_try(error):
                raise
            return await self._observe_unverified(addresses, error)

    async def _observe_unverified(self, addresses: Sequence[AddrInfoType], why: ssl.SSLError) -> Observation:
        leaf = self._read(await self._leaf(addresses, self._dialer.lenient), "not verified")
        return replace(leaf, chain_problem=chain_problem(why, leaf, self._endpoint.server_name, self._now))

    async def _addresses(self) -> list[AddrInfoType]:
        """Give the addresses that may be reached."""
        host = self._endpoint.host
        found = [host] if _is_address(host) else await self._dialer.resolve(host)
        return [_info(address, self._endpoint.port) for address in found if self._dialer.guard.permits(address)]

    async def _leaf(self, addresses: Sequence[AddrInfoType], context: ssl.SSLContext) -> bytes:
        self.step = "connecting"
        connected = await start_connection(addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS_DELAY)
        self.step = "the TLS handshake"
        return await leaf_of(connected, self._endpoint.server_name, context, self._dialer.deadline)

    def _read(self, der: bytes, problem: str | None) -> ObservedCertificate:
        return read_der(der, Source.TLS, str(self._endpoint), problem)


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
