"""What build/restore.py says of the tables is what the template and the store say: it runs without the layer."""

from build.restore import OWED, PARAMETERS, SHARDS, TTL
from build.template import template
from tests.support.rows import in_status
from tocsin.delivery.notification import Status
from tocsin.storage.notifications import item


def test_it_asks_every_shard_for_what_is_owed() -> None:
    assert item.SHARDS == SHARDS
    assert {status.value for status in Status if in_status(status).is_owed} == set(OWED)


def test_a_restored_table_gets_the_ttl_of_the_template() -> None:
    """DynamoDB restores none (its developer guide, "Point-in-time recovery")."""
    table = template()["Resources"]["Notifications"]["Properties"]
    assert table["TimeToLiveSpecification"] == TTL
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}


def test_the_parameters_that_it_prints_exist() -> None:
    """In upper snake case, as make takes them."""
    known = {"".join(part.title() for part in name.split("_")) for name in PARAMETERS.values()}
    assert known | {"NotificationsStreamArn"} <= template()["Parameters"].keys()
    assert PARAMETERS.keys() <= template()["Outputs"].keys()
