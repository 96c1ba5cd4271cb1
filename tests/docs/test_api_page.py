"""The HTTP reference against the code: every route, field and parameter is described, and none is invented."""

from functools import cache
from typing import Any

import pytest

from build import openapi as pages_of
from tests.docs.markdown import codes, page, tables
from tests.docs.template import routes
from tocsin.delivery.channel_name import ChannelKind

API = page("docs/api.md")


@cache
def openapi() -> dict[str, Any]:
    """Give the document that the code makes."""
    return pages_of.described()


def test_what_is_made_from_the_code_is_fresh() -> None:
    """`make openapi` writes both anew."""
    assert pages_of.JSON_FILE.read_text() == pages_of.as_json(openapi())
    assert pages_of.PAGE_FILE.read_text() == pages_of.as_page(openapi())


def test_what_is_made_is_small() -> None:
    """A reader opens it, and a repository keeps each version of it."""
    assert pages_of.JSON_FILE.stat().st_size + pages_of.PAGE_FILE.stat().st_size < 300_000


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
    in_page = {codes(row["route"])[0] for table in tables(API) for row in table if "route" in row}
    assert in_page == routes()
    assert in_page - in_code == {"GET /openapi.json"}
    assert not in_code - in_page


@pytest.mark.parametrize(
    ("heading", "table", "column", "path"),
    [
        ("List", 0, "parameter", "notifications"),
        ("What they died of", 0, "filter of `GET /dead-letter-groups`", "dead-letter-groups"),
        ("Certificates", 1, "filter of `GET /certificates`", "certificates"),
        ("Audit events", 0, "filter of `GET /audit-events`", "audit-events"),
    ],
)
def test_filters(heading: str, table: int, column: str, path: str) -> None:
    parameters = openapi()["paths"][f"/api/v1/{path}"]["get"]["parameters"]
    assert described(heading, column, table) == [parameter["name"] for parameter in parameters]


@pytest.mark.parametrize(
    ("heading", "schema"),
    [
        ("Create", "NewNotification"),
        ("Certificates", "CertificateIn"),
        ("Renewal policies", "PolicyIn"),
        ("Owners and teams", "OwnerIn"),
        ("Agents", "AgentReportIn"),
    ],
)
def test_fields_of_bodies(heading: str, schema: str) -> None:
    """All of them, and which a body can't do without."""
    rows = tables(API, heading)[0]
    described_by_code = openapi()["components"]["schemas"][schema]
    assert {name for row in rows for name in codes(row["field"])} == set(described_by_code["properties"])
    required = {codes(row["field"])[0] for row in rows if row["required"] == "yes"}
    assert required == set(described_by_code["required"])


def test_what_a_certificate_has_besides() -> None:
    text = API.read_text()
    for name in properties("CertificateOut").keys() - properties("CertificateIn").keys():
        assert f"`{name}`" in text, name


@pytest.mark.parametrize(
    ("heading", "table", "schema"),
    [("A notification", 0, "NotificationOut"), ("A notification", 1, "AttemptOut"), ("Counts", 0, "Summary")],
)
def test_fields_of_answers(heading: str, table: int, schema: str) -> None:
    assert set(described(heading, "field", table)) == set(properties(schema))


def test_fields_of_groups() -> None:
    assert set(described("What they died of", "part of a group", 1)) == set(properties("GroupOut"))


@pytest.mark.parametrize(
    ("column", "table", "schema"),
    [
        ("part of a selection", 0, "SelectionIn"),
        ("part of a preview", 1, "RequeuePreviewOut"),
        ("part of a job", 2, "RequeueJobOut"),
    ],
)
def test_fields_of_requeue_jobs(column: str, table: int, schema: str) -> None:
    assert described("Requeue many", column, table) == list(properties(schema))


def test_filters_of_requeue_jobs() -> None:
    (row,) = [row for row in tables(API, "Requeue many")[0] if "filters" in codes(row["part of a selection"])]
    assert codes(row["what it is"]) == list(properties("FiltersIn"))


def test_fields_of_imports_and_sources() -> None:
    """Those of docs/sources.md."""
    sent = tables(page("docs/sources.md"), "PEM import")[0]
    shown = tables(page("docs/sources.md"), "When a source can't be read")[0]
    assert {name for row in sent for name in codes(row["field"])} == set(properties("ImportIn"))
    assert {name for row in shown for name in codes(row["field"])} == set(properties("SourceOut"))


@pytest.mark.parametrize(
    ("heading", "column", "schema"),
    [("Versions of a certificate", "part of a version", "VersionOut"), ("Issuers", "part of an issuer", "IssuerOut")],
)
def test_fields_of_versions_and_issuers(heading: str, column: str, schema: str) -> None:
    assert set(described(heading, column)) == set(properties(schema))


def test_fields_of_agents() -> None:
    assert described("Agents", "part of an agent", 1) == [*_in_order(properties("AgentDetailOut"))]
    text = API.read_text()
    assert all(f"`{name}`" in text for name in properties("ReportedOut"))


def _in_order(shown: dict[str, Any]) -> list[str]:
    """Give the fields of an agent as the page has them: its problems beside their number."""
    names = [name for name in shown if name != "problems"]
    names.insert(names.index("problem_count") + 1, "problems")
    return names


def test_values_of_fields() -> None:
    """Each value of each enumeration is on the page."""
    schemas = openapi()["components"]["schemas"]
    for name in ("Status", "Outcome", "Severity", "AttemptClass", "CertificateStatus", "Source"):
        for value in schemas[name]["enum"]:
            assert f"`{value}`" in API.read_text(), (name, value)
    assert all(f"`{kind}`" in API.read_text() for kind in ChannelKind)
