"""Signing secrets: whsec_ and base64 (Standard Webhooks 1.0)."""

import base64

import pytest

from tests.support.channels import SECRET
from tocsin.channels.signature import MalformedSecretError, key_of


def test_a_secret_spells_its_key() -> None:
    assert key_of(SECRET) == b"a key of twenty-four byt"


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        base64.b64encode(b"x" * 24).decode(),  # the prefix is missing
        "whsec_" + base64.b64encode(b"x" * 23).decode(),  # under 192 bits
        "whsec_" + base64.b64encode(b"x" * 65).decode(),  # over 512 bits
        "whsec_" + base64.urlsafe_b64encode(b"\xff" * 24).decode(),  # the other alphabet
        "whsec_" + base64.b64encode(b"x" * 25).decode().rstrip("="),  # the padding is missing
        "whsec_naïve",
        "whsec_" + SECRET,
    ],
)
def test_a_malformed_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(MalformedSecretError) as caught:
        key_of(secret)
    assert not secret or secret.removeprefix("whsec_")[:8] not in str(caught.value) or len(secret) < 8
