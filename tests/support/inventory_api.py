"""The inventory over HTTP: what the tests of its routes say again and again."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, ParamSpec

from tests.support.functions import Answer, Context, call, handler
from tests.support.inventory import DAY, T0
from tests.support.inventory_store import Store

P = ParamSpec("P")
API = "/api/v1"
JSON = {"Content-Type": "application/json"}
CERTIFICATES, POLICIES, RULES, OWNERS, TEAMS = (
    f"{API}/certificates",
    f"{API}/renewal-policies",
    f"{API}/policies",
    f"{API}/owners",
    f"{API}/teams",
)
COLLECTIONS = (CERTIFICATES, POLICIES, RULES, OWNERS, TEAMS)
IMPORT = f"{CERTIFICATES}/import"


def text_of(at: datetime) -> str:
    """Write a time as the API does."""
    return at.isoformat().replace("+00:00", "Z")


def body_of(collection: str, **fields: Any) -> dict[str, Any]:
    """Make a body that is accepted there."""
    boring: dict[str, dict[str, Any]] = {
        CERTIFICATES: {"common_name": "api.example.com", "expires_at": text_of(T0 + 45 * DAY)},
        POLICIES: {"name": "a policy"},
        RULES: {"name": "a rule", "type": "RequiredMetadata", "config": {"tags": ["cost-centre"]}},
        OWNERS: {"name": "Ada", "email": "ada@example.com"},
        TEAMS: {"name": "Platform", "email": "platform@example.com"},
    }
    return boring[collection] | fields


def created(collection: str, **fields: Any) -> Answer:
    """Create a thing."""
    answer = call("POST", collection, body_of(collection, **fields))
    assert answer.status == 201, answer.body
    return answer


def an_id_in(collection: str, **fields: Any) -> str:
    """Create a thing, and give its id."""
    return str(created(collection, **fields).json["id"])


def put(url: str, body: object, if_match: str | None = "*") -> Answer:
    """Replace a thing; null: without saying which version."""
    return call("PUT", url, body, JSON | _condition(if_match))


def delete(url: str, if_match: str | None = "*") -> Answer:
    """Delete a thing; null: without saying which version."""
    return call("DELETE", url, None, _condition(if_match))


def _condition(if_match: str | None) -> dict[str, str]:
    return {} if if_match is None else {"If-Match": if_match}


def read(url: str) -> Any:
    """Read what is there."""
    answer = call("GET", url)
    assert answer.status == 200, answer.body
    return answer.json


def walked(url: str, limit: int = 2) -> list[dict[str, Any]]:
    """Read a list to its end, a page at a time."""
    items: list[dict[str, Any]] = []
    parameters = f"{'&' if '?' in url else '?'}limit={limit}"
    cursor = ""
    while True:
        page = read(f"{url}{parameters}{cursor}")
        assert len(page["items"]) <= limit
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = f"&cursor={page['next_cursor']}"


def check() -> dict[str, Any]:
    """Run the expiry check, as its schedule does."""
    counts: dict[str, Any] = handler("expiry_check")({}, Context())
    return counts


def written(store: Store) -> dict[str, list[Any]]:
    """Give everything stored, the cursors' signing key and leases aside, for comparing."""
    passing = ("secret#", "lease#")
    return {
        table: sorted(
            (item for item in store.items(table) if not item.get("id", {"S": ""})["S"].startswith(passing)),
            key=repr,
        )
        for table in store.names
    }


def unchanged_by(store: Store, act: Callable[P, Answer], *args: P.args, **kwargs: P.kwargs) -> Answer:
    """Give the answer of `act`, which must write nothing."""
    before = written(store)
    answer = act(*args, **kwargs)
    assert written(store) == before
    return answer


def measured(out: str) -> dict[str, float]:
    """Read the metrics of the stack, and the sums of those by channel, off what a function has printed."""
    found: dict[str, float] = {}
    for line in out.splitlines():
        blob = json.loads(line) if line.startswith("{") else {}
        for metrics in blob.get("_aws", {}).get("CloudWatchMetrics", ()):
            for metric in metrics["Metrics"]:
                value = blob[metric["Name"]]
                found[metric["Name"]] = found.get(metric["Name"], 0) + (
                    sum(value) if isinstance(value, list) else value
                )
    return found
