"""Which addresses and URLs a webhook may go to (faults.md, "Addresses a webhook must never reach")."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from tocsin.network.address import URL_LIMIT, AddressGuard

GUARD = AddressGuard()
EVERYWHERE = AddressGuard.allowing(["0.0.0.0/0", "::/0"], reaches_itself=True)

FORBIDDEN = [
    # what faults.md lists as called global by ipaddress
    "224.0.0.1",  # multicast
    "239.255.255.250",  # multicast: SSDP
    "ff02::1",  # multicast: all nodes
    "192.88.99.1",  # 6to4 relay
    "::127.0.0.1",  # IPv4-compatible
    "::ffff:0:169.254.169.254",  # IPv4-translated
    "64:ff9b::a9fe:a9fe",  # NAT64 of the metadata service
    "fec0::1",  # site-local
    "2002:a9fe:a9fe::",  # 6to4 of the metadata service
    "64:ff9b:1::a9fe:a9fe",  # NAT64, local use
    "192.0.0.192",  # protocol assignments
    # loopback
    "127.0.0.1",
    "127.255.255.254",
    "::1",
    # this host
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "0.1.2.3",
    "::",
    # private
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "fd00:ec2::254",  # the metadata service of EC2, and every unique local address
    "fc00::1",
    # link-local
    "169.254.169.254",
    "169.254.100.1",
    "fe80::1",
    "fe80::1%eth0",
    # carrier-grade NAT
    "100.64.0.1",
    "100.127.255.255",
    # documentation, benchmarks, reserved, broadcast
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "198.18.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "2001:db8::1",
    "3fff::1",
    "4000::1",  # not given out
    "100::1",  # discard
    "5f00::1",  # segment routing
    # IPv4 in IPv6
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",  # even a public one: there is no reason to write it so
    "2001:0:a9fe:a9fe::1",  # Teredo
    "2002:7f00:1::",
]

PERMITTED = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",  # neighbours of the forbidden ranges, on either side
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:812::200e",
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_it_refuses(address: str) -> None:
    assert not GUARD.permits(address)


@pytest.mark.parametrize("address", PERMITTED)
def test_it_permits(address: str) -> None:
    assert GUARD.permits(address)


@given(st.ip_addresses())
def test_it_permits_nothing_that_the_standard_library_calls_special(address: IPv4Address | IPv6Address) -> None:
    """Stricter than `is_global` everywhere: what one of both refuses is refused."""
    special = address.is_private or address.is_multicast or address.is_reserved or address.is_link_local
    assert not (GUARD.permits(address) and (special or not address.is_global))


@given(st.ip_addresses(v=4))
def test_it_refuses_every_ipv4_address_inside_ipv6(inner: IPv4Address) -> None:
    """Faults: "in every form (mapped, compatible, translated, NAT64, 6to4, Teredo)"."""
    number = int(inner)
    forms = {
        "mapped": 0xFFFF << 32 | number,
        "compatible": number,
        "translated": 0xFFFF << 48 | number,
        "NAT64": 0x64FF9B << 96 | number,
        "NAT64, local use": 0x64FF9B0001 << 80 | number,
        "6to4": 0x2002 << 112 | number << 80,
        "Teredo, server": 0x20010000 << 96 | number << 64,
        "Teredo, client": 0x20010000 << 96 | number ^ 0xFFFFFFFF,
    }
    assert [form for form, value in forms.items() if GUARD.permits(IPv6Address(value))] == []


@pytest.mark.parametrize(
    "text", ["", "localhost", "example.com", "2130706433", "0x7f.1", "127.1", "1.1.1.1 ", "\uff11.1.1.1"]
)
def test_what_is_no_address_is_not_permitted(text: str) -> None:
    assert not GUARD.permits(text)


def test_a_stack_can_allow_private_networks() -> None:
    """Faults: "a stack parameter can allow listed private ranges"; those and no others."""
    guard = AddressGuard.allowing(["10.20.0.0/16", "fd12::/16"])
    assert [
        guard.permits(address) for address in ("10.20.3.4", "fd12::1", "10.21.0.1", "127.0.0.1", "::ffff:10.20.3.4")
    ] == [
        True,
        True,
        False,
        False,
        False,
    ]


OWN = [
    *("127.0.0.1", "127.255.255.255", "0.0.0.0", "169.254.169.254", "169.254.170.2"),  # noqa: S104 - only looked at
    *("::1", "::", "fe80::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "fd00:ec2::254"),
]


@pytest.mark.parametrize("own", OWN)
def test_no_range_lets_a_connection_back_to_its_own_machine(own: str) -> None:
    """Faults: however wide the ranges are; but on an embedded AWS everything is on one machine."""
    networks = ["0.0.0.0/0", "::/0"]
    assert not AddressGuard.allowing(networks).permits(own)
    assert AddressGuard.allowing(networks, reaches_itself=True).permits(own)


def test_networks_that_are_none_are_an_error() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        AddressGuard.allowing(["everything"])


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/T0/B0/secret",
        "http://example.com:8080/a?b=c&d=%20#f",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]:8443/",
        "https://xn--bcher-kva.example/",
        "https://under_score.example.com",
        "HTTPS://EXAMPLE.COM",
        "http://7.example.com",  # a number, but not in the last place
        "http://localhost:9000/",  # a name: its addresses are checked when it is resolved
    ],
)
def test_a_good_url(url: str) -> None:
    assert GUARD.url_problem(url) is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "http://"),
        ("example.com/hook", "http://"),
        ("ftp://example.com/", "http://"),
        ("file:///etc/passwd", "http://"),
        ("gopher://example.com/", "http://"),
        ("//example.com/", "http://"),
        ("http:///hook", "no host"),
        ("http://user@example.com/", "user name"),
        ("http://user:pass@example.com/", "user name"),
        ("http://example.com@127.0.0.1/", "user name"),
        ("http://127.0.0.1#@example.com/", "may reach"),
        ("http://127.0.0.1:9001/2018-06-01/runtime", "may reach"),
        ("http://169.254.169.254/latest/meta-data", "may reach"),
        ("http://[::1]/", "may reach"),
        ("http://[::ffff:169.254.169.254]/", "may reach"),
        ("http://[fe80::1%25eth0]/", "not a valid address"),
        ("http://2130706433/", "usual form"),  # decimal
        ("http://0x7f000001/", "usual form"),  # hex
        ("http://0x7f.0.0.1/", "usual form"),
        ("http://017700000001/", "usual form"),  # octal
        ("http://0177.0.0.1/", "usual form"),
        ("http://127.0.0.01/", "usual form"),
        ("http://127.1/", "usual form"),
        ("http://127.0.0.1.2/", "usual form"),
        ("http://256.256.256.256/", "usual form"),
        ("http://127.0.0.1./", "dot"),
        ("http://example.com./", "dot"),
        ("http://\uff11\uff12\uff17.0.0.1/", "ASCII"),  # full-width digits
        ("http://bücher.example/", "xn--"),
        ("http://exam ple.com/", "without spaces"),
        ("http://example.com/\r\nX-Header: 1", "without spaces"),
        ("http://example.com/\x00", "ASCII"),
        ("http://example.com\\@127.0.0.1/", "backslash"),
        ("http://%31%32%37.0.0.1/", "usual form"),
        ("http://%65xample.com/", "not a valid name"),
        ("http://example..com/", "not a valid name"),
        ("http://-example.com/", "not a valid name"),
        (f"http://{'a' * 64}.com/", "not a valid name"),
        (f"http://{'a.' * 127}com/", "not a valid name"),
        ("http://example.com:0/", "port"),
        ("http://example.com:70000/", "read"),
        ("http://example.com:http/", "read"),
        ("http://[::1/", "read"),
        ("http://[v1.x]/", "not a valid address"),
        (f"http://example.com/{'a' * URL_LIMIT}", "longer than"),
    ],
)
def test_a_bad_url(url: str, why: str) -> None:
    """Each is refused with a reason that an operator understands."""
    assert why in (GUARD.url_problem(url) or "")


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    """Nothing that anybody writes makes the check fail."""
    GUARD.url_problem(text)
    GUARD.url_problem(f"http://{text}")


@given(st.ip_addresses())
def test_a_literal_in_a_url_is_judged_as_the_address(address: IPv4Address | IPv6Address) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    assert (GUARD.url_problem(f"https://{host}/") is None) == GUARD.permits(ip_address(str(address)))


def test_the_reason_does_not_repeat_the_url() -> None:
    """A webhook's path may be its secret."""
    assert "s3cret" not in (GUARD.url_problem("http://10.0.0.1/s3cret") or "")
    assert AddressGuard.allowing(["10.0.0.0/8"]).url_problem("http://10.0.0.1/") is None


@given(st.from_regex(r"\Ahttps?://[a-z0-9.\[\]:@%_#?/&=-]{0,30}\Z"))
def test_what_is_checked_is_what_is_connected_to(url: str) -> None:
    """Two readings of one URL would be a way in: the client's parser must see the host that was checked."""
    if EVERYWHERE.url_problem(url) is None:
        assert (URL(url).raw_host or "").lower() == urlsplit(url).hostname
