"""The account with the authority, and the secret that holds it."""

import boto3
import pytest
from josepy.jwk import JWKEC

from renewer.account import AccountSecret

URL, OTHER = "https://acme.example.com/directory", "https://acme-staging.example.com/directory"


@pytest.fixture
def secret(aws: None) -> AccountSecret:
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="account")
    return AccountSecret(secrets, "account")


def test_two_that_make_it_at_once_end_with_one(secret: AccountSecret) -> None:
    """The secret takes one value under its token, and both go on with that."""
    first = []

    def overtaken(_key: JWKEC) -> str:
        first.append(secret.opened(URL, lambda _key: "https://acme.example.com/account/1"))
        return "https://acme.example.com/account/2"

    second = secret.opened(URL, overtaken)
    assert second == first[0]
    assert second.uri == "https://acme.example.com/account/1"


def test_another_authority_has_an_account_of_its_own(secret: AccountSecret) -> None:
    """From staging to production, and back: each is the right one."""
    staging = secret.opened(OTHER, lambda _key: f"{OTHER}/1")
    production = secret.opened(URL, lambda _key: f"{URL}/1")
    assert staging.key != production.key
    assert secret.read(OTHER) is None
    assert secret.opened(OTHER, lambda _key: f"{OTHER}/2").uri == f"{OTHER}/2"
