"""The ACME authority (RFC 8555), by certbot's library `acme`; with renewal information (RFC 9773)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus

import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from josepy.errors import DeserializationError
from josepy.interfaces import JSONDeSerializable
from josepy.json_util import field
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from renewer.account import Account
from renewer.errors import AuthorityBusyError, OrderSpentError, RefusedError
from renewer.keys import PrivateKey, belongs, request
from renewer.settings import Settings, root_file
from renewer.window import Window
from renewer.zones import LABEL

BUSY = ("rateLimited", "serverInternal", "badNonce")
"""What an authority says that will say something else later (RFC 8555, 6.7)."""
ISSUING_PATIENCE = timedelta(seconds=90)
"""How long a finalized order is asked for its certificate, by the one step that has the key."""
USER_AGENT = "tocsin-example-renewer"


class Progress(StrEnum):
    """How far an order is."""

    PROPAGATING = "propagating"
    """Route 53 brings the records to its name servers."""
    VALIDATING = "validating"
    """The authority looks at them."""
    READY = "ready"
    """It saw them all: the certificate may be asked for."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order, and what the authority wants to see for it."""

    url: str
    challenges: tuple[tuple[str, str], ...]
    """(name, value) of each TXT record that is wanted; none for names that the authority still knows from before."""


class NewOrder(messages.NewOrder):
    """An order that may say which certificate it replaces (RFC 9773, 5), which the library's own can't."""

    replaces: str | None = field("replaces", omitempty=True)


class Authority:
    """One authority; what needs an account needs `signed_in` first."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.directory_url
        self._verify = root_file(settings.authority_root)
        self._contact = settings.contact
        self._profile = settings.profile or None
        self._key: JWKEC | None = None
        self._client = self._connected(client.ClientNetwork(verify_ssl=self._verify, user_agent=USER_AGENT))  # type: ignore[arg-type]  # `requests` takes a path too

    def _connected(self, net: client.ClientNetwork) -> client.ClientV2:
        with _heard():
            return client.ClientV2(client.ClientV2.get_directory(self._url, net), net)

    def _with_key(self, key: JWKEC, uri: str | None) -> None:
        known = uri and messages.RegistrationResource(body=messages.Registration(), uri=uri)
        net = client.ClientNetwork(key, known or None, ES256, self._verify, USER_AGENT)  # type: ignore[arg-type]  # as above
        self._key, self._client = key, client.ClientV2(self._client.directory, net)

    def signed_in(self, account: Account) -> "Authority":
        """Sign what follows by this account."""
        self._with_key(account.key, account.uri)
        return self

    def registered(self, key: JWKEC) -> str:
        """Make an account with this key, agreeing to the authority's terms; give its URI."""
        self._with_key(key, None)
        contact = (f"mailto:{self._contact}",) if self._contact else ()
        with _heard():
            made = self._client.new_account(
                messages.NewRegistration(key=key.public_key(), contact=contact, terms_of_service_agreed=True)
            )
        return str(made.uri)

    def suggested(self, ari_id: str) -> Window | None:
        """Ask when it wants this certificate renewed; None where it doesn't know it, or has no such service."""
        try:
            base = self._client.directory["renewalInfo"]
        except KeyError:
            return None
        try:
            with _heard():
                answer = self._client.net.get(f"{base}/{ari_id}")
            window = messages.RenewalInfo.from_json(answer.json()).suggested_window
        except (RefusedError, DeserializationError):
            return None
        return Window(window.start, window.end)

    def order(self, names: tuple[str, ...], replaces: str | None) -> Ordered:
        """Order a certificate; where it won't have it as the replacement of another, then without saying so."""
        identifiers = [messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name) for name in names]
        wanted = NewOrder(identifiers=identifiers, profile=self._profile, replaces=replaces)
        try:
            answer = self._posted(self._client.directory["newOrder"], wanted)
        except (RefusedError, AuthorityBusyError):  # Pebble says "internal" of a certificate that it doesn't know
            if replaces is None:
                raise
            return self.order(names, None)
        order = messages.Order.from_json(answer.json())
        wanted_by = (self._wanted(url) for url in order.authorizations)
        return Ordered(answer.headers["Location"], tuple(one for one in wanted_by if one is not None))

    def _wanted(self, url: str) -> tuple[str, str] | None:
        authorization = self._authorization(url)
        if authorization.status == messages.STATUS_VALID:
            return None
        chosen = _dns_challenge(authorization)
        return f"{LABEL}.{authorization.identifier.value}", chosen.chall.validation(self._key)

    def answer(self, order_url: str) -> None:
        """Say that the records are there, for each challenge that waits for it."""
        for url in self._order(order_url).authorizations:
            authorization = self._authorization(url)
            if authorization.status == messages.STATUS_PENDING:
                chosen = _dns_challenge(authorization)
                if chosen.status == messages.STATUS_PENDING:
                    self._posted(chosen.uri, challenges.DNS01Response(key_authorization=""))

    def progress(self, order_url: str) -> Progress:
        """Tell whether it has seen all records; raise RefusedError with its words if it didn't."""
        order = self._order(order_url)
        if order.status == messages.STATUS_INVALID:
            raise RefusedError(self._why_invalid(order))
        return Progress.VALIDATING if order.status == messages.STATUS_PENDING else Progress.READY

    def issue(self, order_url: str, names: tuple[str, ...], key: PrivateKey, now: datetime) -> str:
        """Finalize, wait for the certificate and give it with its chain, as PEM; the leaf first.

        Raise OrderSpentError if another attempt finalized the order, whose key is gone.
        """
        order = self._order(order_url)
        if order.status != messages.STATUS_READY:
            raise OrderSpentError(f"the order is {order.status.name}, and was to be ready")
        csr = request(key, names)
        resource = messages.OrderResource(body=order, uri=order_url, csr_pem=csr, authorizations=[])
        with _heard():
            try:
                pem = self._client.finalize_order(resource, now + ISSUING_PATIENCE).fullchain_pem
            except errors.TimeoutError as late:
                raise OrderSpentError(f"no certificate within {ISSUING_PATIENCE.seconds} seconds") from late
        if not belongs(key, x509.load_pem_x509_certificate(pem.encode())):
            raise OrderSpentError("the certificate is of another key: another attempt finalized the order")
        return pem

    def _order(self, url: str) -> messages.Order:
        found: messages.Order = messages.Order.from_json(self._posted(url, None).json())
        return found

    def _authorization(self, url: str) -> messages.Authorization:
        found: messages.Authorization = messages.Authorization.from_json(self._posted(url, None).json())
        return found

    def _why_invalid(self, order: messages.Order) -> str:
        failed = [
            f"{authorization.identifier.value}: {challenge.error}"
            for authorization in map(self._authorization, order.authorizations)
            for challenge in authorization.challenges
            if challenge.error is not None
        ]
        return f"the authority refused the order: {'; '.join(failed) or order.error or 'it does not say why'}"

    def _posted(self, url: str, body: JSONDeSerializable | None) -> requests.Response:
        with _heard():
            return self._client.net.post(url, body, new_nonce_url=self._client.directory["newNonce"])


def _dns_challenge(authorization: messages.Authorization) -> messages.ChallengeBody:
    for challenge in authorization.challenges:
        if isinstance(challenge.chall, challenges.DNS01):
            return challenge
    raise RefusedError(f"the authority offers no dns-01 challenge for {authorization.identifier.value}")


@contextmanager
def _heard() -> Iterator[None]:
    """Turn what the library raises into what the state machine knows."""
    try:
        yield
    except requests.RequestException as unreachable:
        raise AuthorityBusyError(f"the authority can't be reached: {unreachable}") from unreachable
    except messages.Error as error:
        kind = AuthorityBusyError if error.code in BUSY else RefusedError
        raise kind(f"the authority said: {error}") from error
    except errors.ClientError as error:
        answer = error.args[0] if error.args else None
        broken = isinstance(answer, requests.Response) and answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        raise (AuthorityBusyError if broken else RefusedError)(f"the authority said: {error}") from error
    except errors.IssuanceError as error:
        raise RefusedError(f"the authority issued nothing: {error}") from error
