"""What release 0.4.0 left in the tables: recorded from its own code, by its own use cases, on DynamoDB Local.

Its clock: at T0 certificates of every source are seen, two owners' and policies' worth of them; at T0 + 1 h the check
raises what is due; at T0 + 2 h `old.example.com` is renewed by a worker that dies before it has ended the alerts of the
cycle before, and a policy is changed that no check has looked at yet.
"""

import json
from pathlib import Path
from typing import Any

from tests.support.inventory import HOUR, T0
from tests.support.inventory_store import Store

RECORDED: dict[str, list[dict[str, Any]]] = json.loads(Path(__file__).with_name("rows_of_0_4_0.json").read_text())
"""Items by table."""
UPGRADED_AT = T0 + 3 * HOUR
"""When the first check of this release may run."""


def plant_rows_of_0_4_0(store: Store) -> None:
    """Fill the tables of `store` as that release left them."""
    for table, items in RECORDED.items():
        for item in items:
            store.client.put_item(TableName=store.names[table], Item=item)
    store.now = UPGRADED_AT
