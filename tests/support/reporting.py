"""Reports of agents as the API takes them."""

from datetime import timedelta
from typing import Any

from tests.support.functions import Answer, call
from tests.support.inventory_api import API, JSON

AGENTS = f"{API}/agents"
HOST = "web-1.example.com"


def a_report(*found: tuple[str, str], **fields: Any) -> dict[str, Any]:
    """Make the body of a report that is whole: of paths, each with a certificate."""
    certificates = [{"path": path, "pem": pem} for path, pem in found]
    boring = {"report_id": "report-0001", "period_seconds": 86_400, "last": True, "found": len(found)}
    return boring | {"certificates": certificates} | fields


def reported(*found: tuple[str, str], host: str = HOST, **fields: Any) -> Answer:
    """Send a report."""
    return call("POST", f"{AGENTS}/{host}/reports", a_report(*found, **fields), JSON)


DAILY = timedelta(days=1)
