"""The HTTP reference against the code: every route, field and parameter is described, and none is invented."""

import json
import os
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from ops.toolchain import ROOT
from tests.docs.markdown import codes, page, tables
from tests.docs.template import routes

API = page("docs/api.md")
PRINT = "import app; print(app.app.get_openapi_json_schema(title='Tocsin', version='1'))"


@cache
def openapi() -> dict[str, Any]:
    """Give the document that the code makes, from a process of its own: a function's modules have common names."""
    paths = os.pathsep.join(str(ROOT / path) for path in ("functions/api", "layers/tocsin"))
    done = subprocess.run(
        [sys.executable, "-c", PRINT],
        env=os.environ | {"PYTHONPATH": paths, "POWERTOOLS_TRACE_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def described(heading: str, column: str, table: int = 0) -> list[str]:
    return [name for row in tables(API, heading)[table] for name in codes(row[column])]


def properties(schema: str) -> dict[str, Any]:
    found: dict[str, Any] = openapi()["components"]["schemas"][schema]["properties"]
    return found


def test_routes() -> None:
    """The page, the OpenAPI document and the template name the same ones."""
    in_code = {
        f"{method.upper()} {path.removeprefix('/api/v1').replace('{id_}', '{id}')}"
        for path, methods in openapi()["paths"].items()
        for method in methods
    }
    in_page = {codes(row["route"])[0] for row in tables(API)[0]}
    assert in_page == routes()
    assert in_page - in_code == {"GET /openapi.json"}
    assert not in_code - in_page


def test_filters() -> None:
    parameters = openapi()["paths"]["/api/v1/notifications"]["get"]["parameters"]
    assert described("List", "parameter") == [parameter["name"] for parameter in parameters]


def test_fields_of_a_new_notification() -> None:
    rows = tables(API, "Create")[0]
    schema = openapi()["components"]["schemas"]["NewNotification"]
    assert {codes(row["field"])[0] for row in rows} == set(schema["properties"])
    assert [codes(row["field"])[0] for row in rows if row["required"] == "yes"] == schema["required"]


@pytest.mark.parametrize(
    ("heading", "table", "schema"),
    [("A notification", 0, "NotificationOut"), ("A notification", 1, "AttemptOut"), ("Counts", 0, "Summary")],
)
def test_fields_of_answers(heading: str, table: int, schema: str) -> None:
    assert set(described(heading, "field", table)) == set(properties(schema))


def test_values_of_fields() -> None:
    """Each value of each enumeration is on the page."""
    schemas = openapi()["components"]["schemas"]
    for name in ("Status", "Outcome", "Severity", "ChannelName", "AttemptClass"):
        for value in schemas[name]["enum"]:
            assert f"`{value}`" in API.read_text(), (name, value)
