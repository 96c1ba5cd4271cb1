"""A TLS endpoint as an operator writes it: `host:port`, or `host:port#name` to ask for another name there. Pure."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

import idna

from tocsin.errors import FieldProblem, InvalidFieldsError
from tocsin.network.address import AddressGuard

DEFAULT_PORT = 443
TEXT_LIMIT = 600
"""Characters of one endpoint: two names of 253, a port, and some room for names that are not ASCII."""

_FORM = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<host>[^:\[\]#]*))(?::(?P<port>[0-9]{1,5}))?(?:#(?P<name>[^:\[\]#]*))?")
_ANYWHERE = AddressGuard.allowing(["0.0.0.0/0", "::/0"], reaches_itself=True)
"""Judges the form of a host only."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect to, and which name to ask for."""

    host: str
    """A name in ASCII (`xn--` where it is not), or an address without brackets."""
    port: int = DEFAULT_PORT
    asked_name: str = ""
    """The name in the handshake (SNI), where it is not the host's."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" + (f"#{self.asked_name}" if self.asked_name else "")

    @property
    def server_name(self) -> str:
        """Give the name that the certificate must be for."""
        return self.asked_name or self.host


def parse_endpoint(text: str, guard: AddressGuard) -> Endpoint:
    """Read one endpoint; raise InvalidFieldsError. A name is checked again when it is resolved."""
    endpoint = _parse(text, guard)
    if isinstance(endpoint, str):
        raise InvalidFieldsError([FieldProblem("endpoint", endpoint)])
    return endpoint


def _parse(text: str, guard: AddressGuard) -> Endpoint | str:
    if len(text) > TEXT_LIMIT:
        return f"is over {TEXT_LIMIT} characters"
    found = _FORM.fullmatch(text)
    if found is None:
        return "must be host:port, with an IPv6 address in brackets"
    host = _host(found["host"] or "") if found["v6"] is None else _address(found["v6"])
    if host is None:
        return "must name its host, or give its address in the usual form"
    port = int(found["port"] or DEFAULT_PORT)
    if not 1 <= port <= 65535:  # noqa: PLR2004 - ports are 16 bits
        return "must have a port between 1 and 65535"
    asked = "" if found["name"] is None else _host(found["name"])
    if asked is None:
        return "must ask for a name after the #, or leave it out"
    return _permitted(Endpoint(host, port, "" if asked == host else asked), guard)


def _permitted(endpoint: Endpoint, guard: AddressGuard) -> Endpoint | str:
    try:
        ip_address(endpoint.host)
    except ValueError:
        return endpoint  # a name
    return endpoint if guard.permits(endpoint.host) else "is an address that must not be reached"


def _host(text: str) -> str | None:
    """Give a name in ASCII and lower case, or an IPv4 address; null: it is neither."""
    labels = [_label(label) for label in text.split(".")]
    host = ".".join(label for label in labels if label is not None)
    return host if None not in labels and _ANYWHERE.url_problem(f"https://{host}/") is None else None


def _label(label: str) -> str | None:
    """Write one part of a name in ASCII. Full-width digits and other look-alikes of ASCII are not part of a name."""
    if label.isascii():
        return label.lower() if re.fullmatch(r"[A-Za-z0-9_-]+", label) else None
    try:
        return idna.alabel(label.lower()).decode()
    except (idna.IDNAError, UnicodeError):
        return None


def _address(text: str) -> str | None:
    """Give an IPv6 address in its one canonical form; null: it is none, or names a zone."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return str(address) if address.version == 6 and "%" not in text else None  # noqa: PLR2004 - IP's version
