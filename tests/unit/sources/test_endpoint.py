"""Endpoints as operators write them (issue 3, item 4: "a list of host:port"), and the guard at the door."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import InvalidFieldsError
from tocsin.network.address import AddressGuard
from tocsin.sources.endpoint import TEXT_LIMIT, Endpoint, parse_endpoint

GUARD = AddressGuard()
ANYWHERE = AddressGuard.allowing(["0.0.0.0/0", "::/0"], reaches_itself=True)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("example.com", Endpoint("example.com", 443)),
        ("example.com:8443", Endpoint("example.com", 8443)),
        ("EXAMPLE.com:0443", Endpoint("example.com", 443)),
        ("localhost:1", Endpoint("localhost", 1)),  # a name: its addresses are checked when it is resolved
        ("under_score.example.com:65535", Endpoint("under_score.example.com", 65535)),
        ("1.1.1.1", Endpoint("1.1.1.1", 443)),
        ("[2606:4700:4700:0::1111]:853", Endpoint("2606:4700:4700::1111", 853)),
        ("[2606:4700:4700::1111]", Endpoint("2606:4700:4700::1111", 443)),
        ("bücher.example", Endpoint("xn--bcher-kva.example", 443)),
        ("STRAßE.example:8443", Endpoint("xn--strae-oqa.example", 8443)),  # IDNA 2008: not strasse
        ("xn--bcher-kva.example", Endpoint("xn--bcher-kva.example", 443)),
        ("1.1.1.1:443#example.com", Endpoint("1.1.1.1", 443, "example.com")),
        ("[2606:4700:4700::1111]#bücher.example", Endpoint("2606:4700:4700::1111", 443, "xn--bcher-kva.example")),
        ("example.com#example.com", Endpoint("example.com", 443)),
    ],
)
def test_it_reads(text: str, endpoint: Endpoint) -> None:
    """And what it writes, it reads again."""
    assert parse_endpoint(text, GUARD) == endpoint
    assert parse_endpoint(str(endpoint), GUARD) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":443",
        "example.com:",
        "example.com:0",
        "example.com:65536",
        "example.com:999999",
        "example.com:https",
        "example.com:-1",
        "example.com:\uff14\uff14\uff13",
        "https://example.com",
        "example.com/path",
        "user@example.com",
        "example.com:443:443",
        "example.com.",
        "example..com",
        "-example.com",
        f"{'a' * 64}.com",
        f"{'a.' * 127}com",
        "exa mple.com",
        "example.com\n",
        "example.com\x00",
        "2606:4700:4700::1111",  # without brackets the port can't be told
        "[2606:4700:4700::1111",
        "[1.1.1.1]:443",
        "[fe80::1%eth0]:443",
        "[]:443",
        "2130706433",  # 127.0.0.1 as one number
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "256.1.1.1",
        "\uff11\uff12\uff17.0.0.1",  # full-width digits
        "example\u3002com",  # another full stop
        "example.com#",
        "example.com#1.2.3",
        "example.com#a#b",
        "x" * (TEXT_LIMIT + 1),
    ],
)
def test_it_refuses_naming_the_field(text: str) -> None:
    with pytest.raises(InvalidFieldsError) as caught:
        parse_endpoint(text, ANYWHERE)
    assert [problem.field for problem in caught.value.problems] == ["endpoint"]


@pytest.mark.parametrize(
    "text", ["127.0.0.1:9001", "169.254.169.254", "10.0.0.1:443", "[::1]:443", "[::ffff:169.254.169.254]", "[fd00::1]"]
)
def test_an_address_that_must_not_be_reached_is_refused_at_the_door(text: str) -> None:
    """Faults: addresses that must never be reached; the stack's parameter can allow them."""
    with pytest.raises(InvalidFieldsError, match="must not be reached"):
        parse_endpoint(text, GUARD)
    parse_endpoint(text, ANYWHERE)


@given(st.text() | st.from_regex(r"\A[a-zä0-9.\[\]:#-]{0,40}\Z"))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    try:
        endpoint = parse_endpoint(text, ANYWHERE)
    except InvalidFieldsError:
        return
    assert parse_endpoint(str(endpoint), ANYWHERE) == endpoint
    assert str(endpoint).isascii()
