"""The account with the authority: its key lives in a secret, and is made at the first use."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwk import JWKEC

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient


@dataclass(frozen=True, slots=True)
class Account:
    """An account with one authority."""

    directory_url: str
    key: JWKEC
    uri: str
    """What the authority calls it."""


@dataclass(frozen=True, slots=True)
class AccountSecret:
    """The secret that holds it."""

    secrets: "SecretsManagerClient"
    name: str

    def read(self, directory_url: str) -> Account | None:
        """Give the account with this authority; None where the secret has none, or one with another authority."""
        return self._read(directory_url)[0]

    def opened(self, directory_url: str, register: "Callable[[JWKEC], str]") -> Account:
        """Give the account, after `register` made it with a new key where there was none.

        Two steps that do so at once end with the same account: behind one value the secret takes one other under a
        token, and both read what it took.
        """
        account, version = self._read(directory_url)
        if account is not None:
            return account
        key = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        value = {"directory_url": directory_url, "key": key.to_json(), "uri": register(key)}
        token = str(uuid5(NAMESPACE_URL, f"{directory_url} {version}"))
        try:
            self.secrets.put_secret_value(SecretId=self.name, SecretString=json.dumps(value), ClientRequestToken=token)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceExistsException":
                raise
        account = self.read(directory_url)
        if account is None:
            raise RuntimeError("the secret of the account does not hold what was put into it")
        return account

    def _read(self, directory_url: str) -> tuple[Account | None, str]:
        """Give the account, and the version that the secret has."""
        try:
            answer = self.secrets.get_secret_value(SecretId=self.name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":  # it has no value yet
                raise
            return None, ""
        held = json.loads(answer["SecretString"] or "{}")
        if held.get("directory_url") != directory_url:
            return None, answer["VersionId"]
        key = JWKEC.from_json(held["key"])
        if not isinstance(key, JWKEC):
            raise TypeError(f"the key in {self.name} is no key of an elliptic curve")
        return Account(directory_url, key, held["uri"]), answer["VersionId"]
