"""TLS servers started by the test: each recorded as what it is (issue 3, "What it must show")."""

import asyncio
import hashlib
import ssl
import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.certificates import NOT_AFTER, NOT_BEFORE, Authority, Made, a_key, self_signed
from tests.support.tls import (
    SHORT,
    Handler,
    a_dialer,
    answers,
    closed_port,
    drips,
    handshakes,
    hangs_up,
    polite,
    resets,
    serving,
    silent,
)
from tocsin.inventory.certificate import Source
from tocsin.network.blocking import Blocking
from tocsin.sources.endpoint import Endpoint
from tocsin.sources.failure import FailureKind, SourceFailure
from tocsin.sources.observed import Observation, ObservedCertificate
from tocsin.sources.tls import Dialer, observe_all, observe_endpoint, strict_context, system_resolver

CA = Authority()
NAME = "api.example.com"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PAST = {"not_before": datetime(2019, 1, 1, tzinfo=UTC), "not_after": datetime(2020, 1, 1, tzinfo=UTC)}


async def look(
    shown: Made | ssl.SSLContext, dialer: Dialer | None = None, host: str = NAME, asked: str = ""
) -> Observation:
    """Look at a server that shows this certificate."""
    context = shown.server_context() if isinstance(shown, Made) else shown
    async with serving(polite, context) as port:
        return await observe_endpoint(Endpoint(host, port, asked), dialer or a_dialer(CA), NOW)


async def look_at(handler: Handler, deadline: float = 5) -> SourceFailure:
    """Look at a server that is none of TLS."""
    async with serving(handler) as port:
        return failure(await observe_endpoint(Endpoint(NAME, port), a_dialer(deadline=deadline), NOW))


def certificate(seen: Observation) -> ObservedCertificate:
    assert isinstance(seen, ObservedCertificate), seen
    return seen


def failure(seen: Observation) -> SourceFailure:
    assert isinstance(seen, SourceFailure), seen
    return seen


async def test_a_valid_one() -> None:
    """Issue 3, item 4: "read the leaf certificate's dates, names, serial and fingerprint"."""
    made = CA.issued(names=(NAME, "www.example.com"))
    async with serving(polite, made.server_context()) as port:
        seen = certificate(await observe_endpoint(Endpoint(NAME, port), a_dialer(CA), NOW))
    assert (seen.chain_problem, seen.chain_verified) == (None, True)
    assert (seen.source, seen.source_ref) == (Source.TLS, f"{NAME}:{port}")
    assert (seen.common_name, seen.names) == (NAME, (NAME, "www.example.com"))
    assert (seen.not_before, seen.expires_at, seen.serial) == (NOT_BEFORE, NOT_AFTER, "abc")
    assert seen.fingerprint_sha256 == ssl_fingerprint(made)


def ssl_fingerprint(made: Made) -> str:
    return hashlib.sha256(made.der).hexdigest()


TOMORROW = datetime.now(UTC) + timedelta(days=1)

NOT_VERIFIED = {
    "self-signed": (self_signed(), "self-signed"),
    "expired": (CA.issued(**PAST), "expired"),
    "self-signed and expired": (self_signed(**PAST), "self-signed; expired"),
    "another authority": (Authority(a_key(97), "Another CA").issued(), "unknown issuer"),
    "wrong host": (CA.issued(names=("other.example.com",)), f"hostname mismatch: it is not for {NAME}"),
    "no names": (CA.issued(names=()), f"hostname mismatch: it is not for {NAME}"),
    "not valid yet": (CA.issued(not_before=TOMORROW), "not valid yet"),
}


@pytest.mark.parametrize("what", NOT_VERIFIED)
async def test_a_chain_that_does_not_verify_is_still_read(what: str) -> None:
    """Issue 3, item 4: "a chain that doesn't verify is still read, and recorded as such"."""
    made, problem = NOT_VERIFIED[what]
    seen = certificate(await look(made))
    assert (seen.chain_problem, seen.chain_verified) == (problem, False)
    assert seen.expires_at == made.certificate.not_valid_after_utc
    assert seen.fingerprint_sha256 == ssl_fingerprint(made)


async def test_an_expired_authority_is_not_called_an_expired_certificate() -> None:
    """ "Expired" is said of the certificate itself only."""
    old = self_signed(common_name="Old CA", names=(), key=a_key(96), is_authority=True, **PAST)
    dialer = a_dialer()
    made = Authority(a_key(96), "Old CA").issued()
    seen = certificate(await look(made, Dialer(dialer.guard, dialer.resolve, strict=strict_context(old.pem))))
    assert seen.chain_problem == "a certificate above it has expired"


def by_name(shown: dict[str, Made], otherwise: Made) -> ssl.SSLContext:
    """Make a server that shows what it is asked for."""
    contexts = {name: made.server_context() for name, made in shown.items()}
    server = otherwise.server_context()

    def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        if name in contexts:
            connection.context = contexts[name]

    server.sni_callback = choose
    return server


async def test_a_server_with_a_certificate_for_each_name() -> None:
    """SNI-dependent: each endpoint gets the certificate of the name that it asks for."""
    one, two = CA.issued(names=("one.example.com",), serial=1), CA.issued(names=("two.example.com",), serial=2)
    server = by_name({"one.example.com": one, "two.example.com": two}, CA.issued(names=("default.example.com",)))
    async with serving(polite, server) as port:
        endpoints = [
            Endpoint("one.example.com", port),
            Endpoint("two.example.com", port),
            Endpoint("127.0.0.1", port, "two.example.com"),
            Endpoint("127.0.0.1", port),
        ]
        seen = await observe_all(a_dialer(CA), endpoints, NOW)
    found = [certificate(seen[endpoint]) for endpoint in endpoints]
    assert [one.serial for one in found] == ["1", "2", "2", "abc"]
    assert [one.chain_problem for one in found] == [None, None, None, "hostname mismatch: it is not for 127.0.0.1"]
    assert len({one.id for one in found}) == 4


async def test_a_certificate_for_an_address() -> None:
    assert certificate(await look(CA.issued(names=("127.0.0.1",)), host="127.0.0.1")).chain_problem is None


async def test_over_ipv6() -> None:
    async with serving(polite, CA.issued(names=("::1",)).server_context(), host="::1") as port:
        seen = certificate(await observe_endpoint(Endpoint("::1", port), a_dialer(CA), NOW))
    assert (seen.chain_problem, seen.source_ref) == (None, f"[::1]:{port}")


async def test_a_silent_one() -> None:
    """It accepts the connection, and never says a word: the total deadline ends it."""
    seen = await look_at(silent, SHORT)
    assert (seen.kind, seen.detail) == (FailureKind.TIMEOUT, "the TLS handshake: not done within 0.3 s")


async def test_a_slow_one() -> None:
    """A byte at a time: each read is quick, all of them together are not."""
    async with serving(polite, CA.issued().server_context()) as port:
        seen = await look_at(drips(port, SHORT / 20), SHORT)
    assert seen.kind is FailureKind.TIMEOUT


async def test_a_slow_one_that_is_quick_enough() -> None:
    async with serving(polite, CA.issued().server_context()) as port, serving(drips(port, 0)) as slow:
        seen = await observe_endpoint(Endpoint(NAME, slow), a_dialer(CA), NOW)
    assert certificate(seen).chain_problem is None


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"220 mail.example.com ESMTP ready\r\n",
        b"\x00" * 100,
    ],
)
async def test_a_plain_http_one_and_other_languages(answer: bytes) -> None:
    seen = await look_at(answers(answer))
    assert (seen.kind, seen.detail) == (FailureKind.NOT_TLS, "the server does not speak TLS on this port")


async def test_one_that_refuses() -> None:
    async with closed_port() as port:
        seen = failure(await observe_endpoint(Endpoint(NAME, port), a_dialer(), NOW))
    assert (seen.kind, seen.detail) == (FailureKind.REFUSED, "the host refused the connection")


@pytest.mark.parametrize("handler", [resets, hangs_up])
async def test_one_that_breaks_off_after_the_client_hello(handler: Handler) -> None:
    assert (await look_at(handler)).kind is FailureKind.RESET


async def test_one_that_refuses_the_name() -> None:
    """A TLS alert is the server's own word."""
    server = CA.issued().server_context()
    server.sni_callback = lambda *_: ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    seen = await look_at(handshakes(server))
    assert seen.kind is FailureKind.TLS_ALERT
    assert "unrecognized name" in seen.detail


async def test_one_that_wants_a_certificate_of_the_client() -> None:
    """Up to TLS 1.2 it refuses before we are done; since 1.3 we have seen its certificate by then."""
    old, new = CA.issued().server_context(), CA.issued().server_context()
    for server in (old, new):
        server.verify_mode = ssl.CERT_REQUIRED
        server.load_verify_locations(cadata=CA.certificate().pem)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert (await look_at(handshakes(old))).kind is FailureKind.TLS_ALERT
    assert certificate(await look(new)).chain_problem is None


async def test_one_with_tls_of_long_ago() -> None:
    """Nobody should trust it, but its certificate expires like any other."""
    server = CA.issued().server_context()
    server.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, which is the point
        server.minimum_version = server.maximum_version = ssl.TLSVersion.TLSv1
    async with serving(handshakes(server)) as port:
        seen = certificate(await observe_endpoint(Endpoint(NAME, port), a_dialer(CA), NOW))
    assert seen.chain_problem is not None
    assert seen.chain_problem.startswith("not verified: no secure TLS with this server")
    assert seen.expires_at == NOT_AFTER


async def test_one_whose_certificate_is_too_large() -> None:
    """OpenSSL stops at a chain of 100 KB; a name of that size is read where it comes by another way."""
    seen = failure(await look(CA.issued(common_name="x" * 200_000)))
    assert seen.kind is FailureKind.TLS_ERROR
    assert certificate(await look(CA.issued(common_name="x" * 50_000))).common_name.endswith("x\u2026")


async def test_a_name_without_an_address() -> None:
    with closing(Blocking(1, "dns")) as dns:
        dialer = a_dialer()
        seen = await observe_endpoint(
            Endpoint("no-such-host.invalid"), Dialer(dialer.guard, system_resolver(dns), strict=dialer.strict), NOW
        )
    assert failure(seen).kind is FailureKind.DNS


async def test_a_resolver_that_hangs() -> None:
    async def hang(_host: str) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    seen = await observe_endpoint(Endpoint(NAME), Dialer(a_dialer().guard, hang, deadline=SHORT), NOW)
    assert (failure(seen).kind, failure(seen).detail[:18]) == (FailureKind.TIMEOUT, "resolving the name")


async def test_the_systems_resolver_is_used() -> None:
    with closing(Blocking(1, "dns")) as dns:
        assert set(await system_resolver(dns)("localhost")) <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize(
    ("host", "leads_to"),
    [
        ("127.0.0.1", ()),
        (NAME, ("127.0.0.1",)),
        (NAME, ("169.254.169.254", "10.0.0.1", "::1", "::ffff:127.0.0.1", "fe80::1%eth0")),
        (NAME, ()),
    ],
)
async def test_the_guard_holds_for_endpoints_too(host: str, leads_to: Sequence[str]) -> None:
    """Faults: addresses that must never be reached; nothing is connected to."""
    connected = asyncio.Event()

    async def notice(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        connected.set()

    async with serving(notice) as port:
        dialer = a_dialer(allowed=(), names={NAME: leads_to})
        seen = failure(await observe_endpoint(Endpoint(host, port), dialer, NOW))
    assert seen.kind is FailureKind.FORBIDDEN_ADDRESS
    assert not connected.is_set()


async def test_only_the_permitted_addresses_of_a_name_are_tried() -> None:
    dialer = a_dialer(CA, allowed=("127.0.0.1/32",), names={NAME: ("10.0.0.1", "127.0.0.2", "127.0.0.1")})
    assert certificate(await look(CA.issued(), dialer)).chain_problem is None


async def test_a_name_is_resolved_once() -> None:
    """Faults: "a name that answers differently the second time must not help", nor does a second handshake ask."""
    asked: list[str] = []

    async def resolve(host: str) -> Sequence[str]:
        asked.append(host)
        return ("127.0.0.1",)

    dialer = Dialer(a_dialer().guard, resolve, strict=CA.trusted_by())
    assert certificate(await look(self_signed(), dialer)).chain_problem == "self-signed"
    assert asked == [NAME]


async def test_a_second_address_helps_where_the_first_is_down() -> None:
    dialer = a_dialer(CA, names={NAME: ("127.0.0.9", "127.0.0.1")})
    assert certificate(await look(CA.issued(), dialer)).chain_problem is None


async def test_one_endpoints_failure_does_not_stop_the_others() -> None:
    async with serving(polite, CA.issued().server_context()) as good, serving(silent) as bad:
        endpoints = [Endpoint(f"{number}.example.com", bad if number % 5 == 0 else good) for number in range(20)]
        seen = await observe_all(a_dialer(CA, deadline=1), endpoints, NOW)
    assert {endpoint for endpoint, one in seen.items() if isinstance(one, SourceFailure)} == set(endpoints[::5])
    assert len(seen) == 20


async def test_no_more_than_the_bound_are_looked_at_at_once() -> None:
    inside: list[str] = []
    go_on = asyncio.Event()

    async def resolve(host: str) -> Sequence[str]:
        inside.append(host)
        await go_on.wait()
        return ()

    endpoints = [Endpoint(f"{number}.example.com") for number in range(20)]
    dialer = Dialer(a_dialer().guard, resolve)
    looking = asyncio.create_task(observe_all(dialer, endpoints, NOW, concurrency=4))
    for _ in range(100):  # turns of the event loop: more than all of them would take
        await asyncio.sleep(0)
    assert len(inside) == 4
    go_on.set()
    assert len(await looking) == 20


async def test_nothing_is_started_when_the_time_is_up() -> None:
    """What was not looked at has failed: an endpoint at the end of a long list must not be missed unseen."""
    left = iter([True, True])
    connections: list[int] = []

    async def counted(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        await reader.read()

    async with serving(counted, CA.issued(names=("*.example.com",)).server_context()) as port:
        endpoints = [Endpoint(f"{number}.example.com", port) for number in range(5)]
        seen = await observe_all(a_dialer(CA), endpoints, NOW, concurrency=1, may_start=lambda: next(left, False))
        looked_at = len(connections)
    assert looked_at <= 2
    assert [certificate(seen[endpoint]).chain_problem for endpoint in endpoints[:2]] == [None, None]
    assert {failure(seen[endpoint]).kind for endpoint in endpoints[2:]} == {FailureKind.TIMEOUT}


async def test_a_bug_met_by_one_endpoint_costs_no_other_its_look(caplog: pytest.LogCaptureFixture) -> None:
    """It fails, loudly; the watch goes on."""

    async def resolve(host: str) -> Sequence[str]:
        if host == "odd.example":
            raise KeyError("a bug")
        return ["127.0.0.1"]

    async with serving(polite, CA.issued().server_context()) as port:
        odd, good = Endpoint("odd.example", port), Endpoint(NAME, port)
        seen = await observe_all(replace(a_dialer(CA), resolve=resolve), [odd, good], NOW)
    assert (failure(seen[odd]).kind, failure(seen[odd]).detail) == (FailureKind.UNREADABLE, "internal error: KeyError")
    assert certificate(seen[good]).expires_at == NOT_AFTER
    assert [record.levelname for record in caplog.records] == ["ERROR"]
