"""Clients of botocore's for accounts that exist in this process only."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.stub import Stubber

from tests.support.inventory import T0
from tocsin.inventory.certificate import Certificate
from tocsin.sources.account import Visit
from tocsin.sources.intake import first_sight
from tocsin.sources.observed import ObservedCertificate

REGION = "us-east-1"
CONTACT = {
    "FirstName": "Ada",
    "LastName": "Lovelace",
    "ContactType": "PERSON",
    "AddressLine1": "1 Main St",
    "City": "Los Angeles",
    "State": "CA",
    "CountryCode": "US",
    "ZipCode": "90210",
    "PhoneNumber": "+1.5551234567",
    "Email": "ada@example.com",
}
"""Whoever registers a domain."""


def a_client(service: str) -> Any:
    """Make a client that does not retry."""
    return boto3.client(  # type: ignore[call-overload]  # any service
        service,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


@contextmanager
def stubbed(service: str) -> Iterator[tuple[Any, Stubber]]:
    """Give a client, and what answers it: every answer must be asked for, and fit the service's model."""
    client = a_client(service)
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()


def a_visit(*known: ObservedCertificate, **fields: Any) -> Visit:
    """Make a visit to an account of which this much is known."""
    rows: dict[str, Certificate] = {one.id: first_sight(one, T0) for one in known}
    return Visit(T0, known=lambda ids: {id_: rows[id_] for id_ in ids if id_ in rows}, **fields)
