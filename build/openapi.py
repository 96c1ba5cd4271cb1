"""The API's description in docs/: `openapi.json` for machines, `openapi.md` for people. `make openapi` writes both."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from build.toolchain import ROOT

JSON_FILE = ROOT / "docs/openapi.json"
PAGE_FILE = ROOT / "docs/openapi.md"
PREFIX = "/api/v1"
_DEPTH = 3  # paths, path, operation; components, schemas, object
_WORDS = {r"^[^\x00-\x1f\x7f]*$": "one line", "^[0-7][0-9A-HJKMNP-TV-Z]{25}$": "a ULID"}
"""What is said instead of a pattern."""
_ALWAYS = ("403", "429", "500", "502", "503", "504")
_PRINT = "import app, description, json; app.load_all(); print(json.dumps(description.document(app.app)))"

Node = Mapping[str, Any]


def described() -> dict[str, Any]:
    """Give the document that the code makes, from a process of its own: a function's modules have common names."""
    paths = os.pathsep.join(str(ROOT / path) for path in ("functions/api", "layers/tocsin"))
    done = subprocess.run(
        [sys.executable, "-c", _PRINT],
        env=os.environ | {"PYTHONPATH": paths, "POWERTOOLS_TRACE_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def as_json(document: Node) -> str:
    """Write it, the same each time, with a line for each operation and each object: what a change changes."""
    return _lines(document, 0) + "\n"


def _lines(node: object, depth: int) -> str:
    if not isinstance(node, Mapping) or depth == _DEPTH or not node:
        return json.dumps(node, ensure_ascii=False, separators=(",", ":"))
    inside = (f"{json.dumps(name)}: {_lines(value, depth + 1)}" for name, value in node.items())
    return "{\n" + ",\n".join(inside) + "\n}"


def as_page(document: Node) -> str:
    """Render it as Markdown."""
    return "\n".join(_page(document)) + "\n"


def _page(document: Node) -> Iterator[str]:
    schemas = document["components"]["schemas"]
    yield "# Every operation of the API"
    yield ""
    yield "Made from the code by `make openapi`, as is [openapi.json](openapi.json), which a stack serves at"
    yield f"`GET /api/v1/openapi.json` (OpenAPI {document['openapi']}). What all of it means: [HTTP API](api.md)."
    yield "\n| operation | |\n|---|---|"
    for route, operation in _operations(document):
        yield f"| [`{route}`](#{_anchor(operation['summary'])}) | {operation['summary']} |"
    for tag in document["tags"]:
        yield f"\n## {tag['name']}\n\n{tag['description']}"
        for route, operation in _operations(document):
            if operation["tags"] == [tag["name"]]:
                yield from _operation(route, operation)
    yield "\n## Errors\n"
    yield f"Every operation may answer {', '.join(_ALWAYS)}.\n"
    yield "| status | when | |\n|---|---|---|"
    for status, response in document["components"]["responses"].items():
        yield f"| {status[1:]} | {response['description']} | {', '.join(f'`{kind}`' for kind in response['content'])} |"
    yield "\n## Objects"
    for name, schema in schemas.items():
        yield from _object(name, schema)


def _operations(document: Node) -> Iterator[tuple[str, Node]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path.removeprefix(PREFIX)}", operation


def _anchor(heading: str) -> str:
    """Give the fragment by which a heading is linked to (GitHub: lower case, hyphens, no punctuation)."""
    return "".join(one for one in heading.lower().replace(" ", "-") if one.isalnum() or one in "-_")


def _operation(route: str, operation: Node) -> Iterator[str]:
    yield f"\n### {operation['summary']}\n"
    yield f"`{route}` · `{operation['operationId']}`\n"
    yield _flat(operation["description"])
    if parameters := operation.get("parameters"):
        yield "\n| parameter | in | type | |\n|---|---|---|---|"
        for one in parameters:
            must = "" if one["required"] else "optional; "
            yield _row(f"`{one['name']}`", one["in"], must + _type(one["schema"]), one["description"])
    if body := operation.get("requestBody"):
        content = body["content"]["application/json"]
        yield f"\nBody{'' if body.get('required') else ', which may be left out'}: {_type(content['schema'])}"
        for example in content.get("examples", {}).values():
            yield f"\n```json\n{json.dumps(example['value'], indent=2, ensure_ascii=False)}\n```"
    yield "\n| status | answer |\n|---|---|"
    for status, response in operation["responses"].items():
        if "$ref" not in response:
            yield f"| {status} | {_answer(response)} |"
    others = [status for status, response in operation["responses"].items() if "$ref" in response]
    own = ", ".join(status for status in others if status not in _ALWAYS)
    yield f"\n[Errors](#errors): {f'{own}, and ' if own else ''}those of every operation."


def _answer(response: Node) -> str:
    kinds = [
        _type(one["schema"]) if kind == "application/json" else f"`{kind}`"
        for kind, one in response.get("content", {}).items()
    ]
    headers = ", ".join(f"`{name}`" for name in response.get("headers", {}))
    said = response["description"].removesuffix(".")
    return "; ".join([said, *kinds, *([f"with {headers}"] if headers else [])])


def _object(name: str, schema: Node) -> Iterator[str]:
    yield f"\n### {name}\n"
    if text := schema.get("description"):
        yield _flat(text)
    if "enum" in schema:
        yield f"\nOne of {_type(schema)}."
    elif properties := schema.get("properties"):
        required = schema.get("required", ())
        yield "\n| field | type | |\n|---|---|---|"
        for field, one in properties.items():
            must = "required" if field in required else _default(one)
            yield _row(f"`{field}`", _type(one), "; ".join(part for part in (must, one.get("description")) if part))


def _default(schema: Node) -> str:
    return f"default `{json.dumps(schema['default'])}`" if "default" in schema else "optional"


def _flat(text: str) -> str:
    return " ".join(text.split())


def _row(*cells: str) -> str:
    return f"| {' | '.join(_flat(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _type(schema: Node) -> str:
    """Say in a few words what a value is."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum") or [schema["const"]])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    kind = schema.get("type", "anything")
    named = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if named == "array" and "items" in schema:
        named = f"list of {_type(schema['items'])}"
    return ", ".join([schema.get("format") or named, *_limits(schema)])


def _limits(schema: Node) -> Iterator[str]:
    for least, most, what in (
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minimum", "maximum", ""),
        ("minProperties", "maxProperties", " entries"),
    ):
        if least in schema and most in schema:
            yield f"{schema[least]:,} to {schema[most]:,}{what}"
        elif most in schema:
            yield f"at most {schema[most]:,}{what}"
        elif least in schema:
            yield f"at least {schema[least]:,}{what}"
    if "pattern" in schema and "format" not in schema:
        pattern = schema["pattern"]
        yield "an e-mail address" if "@" in pattern else _WORDS.get(pattern, f"`{pattern}`")


def main(_arguments: Sequence[str] = ()) -> None:
    """Write both."""
    document = described()
    JSON_FILE.write_text(as_json(document))
    PAGE_FILE.write_text(as_page(document))


if __name__ == "__main__":
    main(sys.argv[1:])
