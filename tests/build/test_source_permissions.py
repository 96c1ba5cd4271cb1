"""What the sources of the account may read is what they ask for, action by action."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.docs.template import always, resources, under_a_condition
from tests.support.account import REGION, a_visit
from tests.support.certificates import Authority
from tocsin.bootstrap.sources import SERVICES
from tocsin.inventory.certificate import Source

ROLE = resources("AWS::IAM::Role")["SourceSyncRole"]
MADE = Authority().issued()
CONDITIONS = {
    Source.IAM: "ReadsIamCertificates",
    Source.ACM_PCA: "ReadsPrivateCas",
    Source.SECRETS_MANAGER: "ReadsSecretRotations",
    Source.DOMAIN: "ReadsDomains",
}


@pytest.fixture
def asked() -> Iterator[Callable[[str], tuple[Any, set[str]]]]:
    """Give clients of accounts in this process, each with the actions that it was asked for."""

    def client_of(service: str) -> tuple[Any, set[str]]:
        client: Any = boto3.client(  # type: ignore[call-overload]  # any service
            service, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
        )
        actions: set[str] = set()
        return client, actions

    with mock_aws():
        yield client_of


def with_a_certificate(source: Source, client: Any) -> None:
    """Have something there that is looked at on its own."""
    if source is Source.IAM:
        client.upload_server_certificate(ServerCertificateName="web", CertificateBody=MADE.pem, PrivateKey=MADE.key_pem)
    if source is Source.ACM:
        client.import_certificate(Certificate=MADE.pem.encode(), PrivateKey=MADE.key_pem.encode())


@pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.source)
def test_each_source_may_do_what_it_does_and_nothing_else(
    service: Any, asked: Callable[[str], tuple[Any, set[str]]]
) -> None:
    """Contract 4.13: every action is single, and used."""
    client, actions = asked(service.service)
    with_a_certificate(service.source, client)
    client.meta.events.register("provide-client-params", lambda model, **_: actions.add(model.name))
    if service.source is Source.ACM:  # moto can't search
        client.meta.events.register("before-call.acm.SearchCertificates", lambda **_: refusal())
    service.read(client, a_visit())
    if service.source is Source.ACM:
        allowed = {action for action in allowed_always() if action.startswith("acm:")}
    else:
        allowed = under_a_condition(ROLE)[CONDITIONS[service.source]]
    assert {f"{service.service}:{action}" for action in actions} == allowed


def refusal() -> tuple[Any, dict[str, Any]]:
    """Answer as AWS does who may not."""
    from types import SimpleNamespace

    return SimpleNamespace(status_code=400), {"Error": {"Code": "AccessDeniedException"}}


def allowed_always() -> set[str]:
    """Give the actions that the role has whatever the parameters say."""
    found: set[str] = set()
    for policy in always(ROLE):
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = statement["Action"]
            found |= {actions} if isinstance(actions, str) else set(actions)
    return found
