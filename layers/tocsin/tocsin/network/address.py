"""Where a connection may go: never to the machine that opens it, nor to its neighbours.

`ipaddress.is_global` is no guard: it calls multicast, `::127.0.0.1` and NAT64 forms of the metadata service global,
and its answers differ between versions of Python. So the ranges are listed, by the IANA special-purpose registries.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self
from urllib.parse import SplitResult, urlsplit

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

URL_LIMIT = 2048
"""Characters in a URL; the longest that receivers and proxies commonly take."""
NAME_LIMIT = 253
"""Characters in the name of a host (RFC 1035)."""

_FORBIDDEN_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback: the Lambda runtime API, and the credentials behind it
        "169.254.0.0/16",  # link-local: the metadata and credential services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT relays
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
"""The only part of IPv6 that is given out. Outside it are loopback, link-local, unique and site local, multicast,
and IPv4 as mapped, compatible, translated and NAT64 addresses."""
_FORBIDDEN_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments; Teredo (IPv4 inside) is 2001::/32
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 (IPv4 inside)
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)

_OWN_V4 = (IPv4Network("0.0.0.0/8"), IPv4Network("127.0.0.0/8"), IPv4Network("169.254.0.0/16"))
_PRIVATE_V6 = (_GLOBAL_V6, IPv6Network("fc00::/7"))
"""Where IPv6 has neighbours that are not the machine itself; all else is loopback, link-local, or hides IPv4."""
_METADATA_V6 = IPv6Network("fd00:ec2::/32")
"""Amazon's own: the instance metadata service is `fd00:ec2::254` (EC2 user guide, "Access instance metadata")."""

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
_V4 = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}")


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Decides about addresses. `allowed` are networks that the stack lets through although they are forbidden.

    The machine's own addresses are never among them, unless `reaches_itself`, as on an embedded AWS.
    """

    allowed: tuple[Network, ...] = ()
    reaches_itself: bool = False

    @classmethod
    def allowing(cls, networks: Iterable[str], *, reaches_itself: bool = False) -> Self:
        """Read networks in CIDR form; raise ValueError for one that is none."""
        return cls(tuple(ip_network(network.strip()) for network in networks), reaches_itself)

    def permits(self, address: str | Address) -> bool:
        """Tell whether a connection to `address` may be opened; text that is no address may not."""
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        if is_public(ip):
            return True
        return (self.reaches_itself or not is_own(ip)) and any(ip in network for network in self.allowed)

    def url_problem(self, url: str) -> str | None:
        """Say why no request may go to `url`, or None. A name is checked again when it is resolved."""
        split = _split(url)
        if isinstance(split, str):
            return split
        host = split.hostname or ""
        literal = _literal(host)
        if literal is not None:
            return None if self.permits(literal) else f"the address {literal} is not one that a webhook may reach"
        return "the URL's host is not a valid address" if "[" in split.netloc else _name_problem(host)


def is_public(ip: Address) -> bool:
    """Tell whether the Internet at large routes to `ip`, and no IPv4 address hides in it."""
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _FORBIDDEN_V4)
    return ip in _GLOBAL_V6 and not any(ip in network for network in _FORBIDDEN_V6)


def is_own(ip: Address) -> bool:
    """Tell whether `ip` is the machine itself, or a service that answers it alone with credentials."""
    if isinstance(ip, IPv4Address):
        return any(ip in network for network in _OWN_V4)
    return not any(ip in network for network in _PRIVATE_V6) or ip in _METADATA_V6


def _split(url: str) -> SplitResult | str:
    """Take `url` apart, or say what is wrong with its form."""
    if problem := _character_problem(url):
        return problem
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:  # an unbalanced bracket, a port that is no number
        return "the URL can't be read"
    if split.scheme not in ("http", "https"):
        return "the URL must begin with http:// or https://"
    if "@" in split.netloc:
        return "the URL must not carry a user name or password"
    if not split.hostname:
        return "the URL has no host"
    return "the URL's port must be between 1 and 65535" if port == 0 else split


def _character_problem(url: str) -> str | None:
    if len(url) > URL_LIMIT:
        return f"the URL is longer than {URL_LIMIT} characters"
    if not all("!" <= character <= "~" for character in url):
        return "the URL must be printable ASCII without spaces (an international host name in its xn-- form)"
    return "the URL must not contain a backslash" if "\\" in url else None


def _literal(host: str) -> Address | None:
    """Read `host` as an address in its one canonical form; a zone (`%eth0`) is never one."""
    if ":" in host:
        try:
            return None if "%" in host else IPv6Address(host)
        except ValueError:
            return None
    try:
        return IPv4Address(host) if _V4.fullmatch(host) else None
    except ValueError:
        return None


def _name_problem(host: str) -> str | None:
    if host.endswith("."):
        return "the URL's host must not end in a dot"
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):  # 2130706433, 0x7f000001, 0177.0.0.1, 127.1: resolvers read these as addresses
        return "the URL's host must be a name, or an address in the usual form"
    if len(host) > NAME_LIMIT or not all(_LABEL.fullmatch(label) for label in labels):
        return "the URL's host is not a valid name"
    return None
