"""Records of challenges, written while somebody else writes them too."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from renewer.zones import TRIES, Zones
from tests.integration.renewer.conftest import Zone

NAME = "_acme-challenge.www.example.com"


class Busy:
    """Route 53 with one record, to which another execution adds a value right behind each of so many reads.

    It refuses a batch as AWS does, and moto doesn't: what is deleted must be there just as it is said, what is created
    must not be there (API reference, Change). The embedded AWS does so too.
    """

    def __init__(self, times: int) -> None:
        self.values: list[str] = []
        self.left = times

    def get_hosted_zone(self, *, Id: str) -> Any:  # noqa: N803 - as AWS has it
        return {"HostedZone": {"Name": "example.com.", "Id": Id}}

    def list_resource_record_sets(self, **asked: Any) -> Any:
        read = [self.record(self.values)] if self.values else []
        if self.left:
            self.left -= 1
            self.values = sorted([*self.values, f'"theirs {self.left}"'])
        return {"ResourceRecordSets": read}

    def change_resource_record_sets(self, *, HostedZoneId: str, ChangeBatch: Any) -> Any:  # noqa: N803 - the same
        there = self.values
        for change in ChangeBatch["Changes"]:
            record, is_created = change["ResourceRecordSet"], change["Action"] == "CREATE"
            if (self.record(there) if there else None) != (None if is_created else record):
                said: Any = {"Code": "InvalidChangeBatch", "Message": "it is not as you say"}
                raise ClientError({"Error": said}, "ChangeResourceRecordSets")
            there = [one["Value"] for one in record["ResourceRecords"]] if is_created else []
        self.values = there
        return {"ChangeInfo": {"Id": "/change/C1"}}

    @staticmethod
    def record(values: list[str]) -> Any:
        return {"Name": NAME, "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": value} for value in values]}


def test_a_write_that_was_overtaken_is_made_anew() -> None:
    """Two certificates of one name may be renewed at once: neither loses the other's answer, nor its own."""
    busy = Busy(2)
    zones = Zones(busy, ("Z1",))  # type: ignore[arg-type]  # it is one, as far as it is used
    assert zones.put([(NAME, "ours")]) == ["C1"]
    assert busy.values == ['"ours"', '"theirs 0"', '"theirs 1"']
    assert zones.remove([(NAME, "ours")]) == ["C1"]
    assert busy.values == ['"theirs 0"', '"theirs 1"']


def test_a_write_that_is_overtaken_every_time_fails() -> None:
    with pytest.raises(ClientError, match="InvalidChangeBatch"):
        Zones(Busy(TRIES), ("Z1",)).put([(NAME, "ours")])  # type: ignore[arg-type]  # as above


def test_the_longest_zone_holds_a_name(zone: Zone) -> None:
    """A zone below a zone is asked by resolvers for all below it."""
    made = zone.route53.create_hosted_zone(Name="www.example.com", CallerReference="below")["HostedZone"]["Id"]
    below = Zone(made.rpartition("/")[2], zone.route53)
    Zones(zone.route53, (zone.id, below.id)).put([(NAME, "ours")])
    assert (zone.texts(NAME), below.texts(NAME)) == ([], ["ours"])
