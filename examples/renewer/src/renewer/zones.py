"""DNS-01 challenges, answered by TXT records in Route 53."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from renewer.errors import RefusedError

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_route53.type_defs import ChangeTypeDef

TTL = 60  # seconds
TRIES = 5
"""Writes tried of one record, when another execution changes it at the same time."""
LABEL = "_acme-challenge"


@dataclass(frozen=True, slots=True)
class Zones:
    """The hosted zones that this renewer may write to."""

    route53: "Route53Client"
    zone_ids: tuple[str, ...]

    def put(self, challenges: Iterable[tuple[str, str]]) -> list[str]:
        """Add each (name, value) to the name's TXT record; give the ids of the changes, or raise RefusedError."""
        return self._written(challenges, lambda there, values: there | values)

    def remove(self, challenges: Iterable[tuple[str, str]]) -> list[str]:
        """Take each (name, value) away again; what others put there stays."""
        return self._written(challenges, lambda there, values: there - values)

    def in_sync(self, changes: Iterable[str]) -> bool:
        """Tell whether all name servers of Route 53 have these changes."""
        return all(self.route53.get_change(Id=change)["ChangeInfo"]["Status"] == "INSYNC" for change in changes)

    def _written(
        self, challenges: Iterable[tuple[str, str]], merged: Callable[[set[str], set[str]], set[str]]
    ) -> list[str]:
        by_name: dict[str, set[str]] = {}
        for name, value in challenges:
            by_name.setdefault(name, set()).add(f'"{value}"')
        zones = self._names() if by_name else {}
        places = {name: _zone_of(name, zones) for name in by_name}  # all of them, before anything is written
        changed = (self._changed(places[name], name, values, merged) for name, values in by_name.items())
        return [change for change in changed if change]

    def _names(self) -> dict[str, str]:
        """Give the id of each zone, by its name."""
        return {self.route53.get_hosted_zone(Id=one)["HostedZone"]["Name"].rstrip("."): one for one in self.zone_ids}

    def _changed(self, zone: str, name: str, values: set[str], merged: Callable[[set[str], set[str]], set[str]]) -> str:
        """Bring one record to what is wanted, and give the change's id; empty: it is so already.

        Two certificates may be renewed for the same name at the same time. What was read is deleted and what is wanted
        created in one batch, which Route 53 refuses if the record is no longer what was read.
        """
        for left in reversed(range(TRIES)):
            there, ttl = self._there(zone, name)
            wanted = merged(there, values)
            if wanted == there:
                return ""
            batch = [*_change("DELETE", name, there, ttl), *_change("CREATE", name, wanted, TTL)]
            try:
                answer = self.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": batch})
            except ClientError as error:
                if error.response["Error"]["Code"] != "InvalidChangeBatch" or not left:
                    raise
            else:
                return answer["ChangeInfo"]["Id"].rpartition("/")[2]
        raise AssertionError("the last try returns or raises")

    def _there(self, zone: str, name: str) -> tuple[set[str], int]:
        """Read the values of a TXT record, and its time to live."""
        listed = self.route53.list_resource_record_sets(
            HostedZoneId=zone, StartRecordName=name, StartRecordType="TXT", MaxItems="1"
        )
        for record in listed["ResourceRecordSets"]:
            if record["Name"].rstrip(".") == name and record["Type"] == "TXT":
                return {one["Value"] for one in record["ResourceRecords"]}, record["TTL"]
        return set(), TTL


def _zone_of(name: str, zones: dict[str, str]) -> str:
    """Give the id of the zone with the longest name that ends this one."""
    labels = name.split(".")
    for first in range(len(labels)):
        if (found := zones.get(".".join(labels[first:]))) is not None:
            return found
    domain = name.removeprefix(f"{LABEL}.")
    raise RefusedError(f"none of this renewer's hosted zones ({', '.join(sorted(zones))}) holds {domain}")


def _change(action: str, name: str, values: set[str], ttl: int) -> "list[ChangeTypeDef]":
    records = [{"Value": value} for value in sorted(values)]
    record = {"Name": name, "Type": "TXT", "TTL": ttl, "ResourceRecords": records}
    return [{"Action": action, "ResourceRecordSet": record}] if values else []  # type: ignore[typeddict-item]  # literals
