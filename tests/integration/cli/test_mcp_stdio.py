"""`tocsin mcp` as a client starts it: a process of its own, spoken to on its standard input and output."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from build.toolchain import ROOT

TOCSIN = [sys.executable, "-c", "from tocsin_cli.main import main; main()"]
NOWHERE = {
    "PYTHONPATH": str(ROOT / "cli"),
    "AWS_ACCESS_KEY_ID": "AKID",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "TOCSIN_URL": "http://127.0.0.1:9",  # the port "discard": nobody listens
}


async def test_the_sdks_client_is_served() -> None:
    """And a stack that can't be reached is an answer, not the end of the server."""
    command = StdioServerParameters(command=TOCSIN[0], args=[*TOCSIN[1:], "mcp", "--read-only"], env=NOWHERE)
    async with Client(stdio_client(command)) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"stats", "show_notification"} <= names
        assert "requeue_notification" not in names
        for _ in range(2):
            answer = await client.call_tool("stats", {})
            assert answer.is_error
            assert "The API can't be reached" in str(answer.content)
            assert "Traceback" not in str(answer.content)


@pytest.mark.parametrize("read_only", ["0", "1"])
def test_it_ends_with_its_input_and_says_nothing_but_the_protocol(read_only: str) -> None:
    lines: list[dict[str, Any]] = [
        {
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "a test", "version": "1"},
            },
        },
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list"},
    ]
    text = "".join(json.dumps({"jsonrpc": "2.0"} | line) + "\n" for line in lines)
    environment = {"PATH": os.environ["PATH"], "TOCSIN_MCP_READ_ONLY": read_only} | NOWHERE
    done = subprocess.run(
        [*TOCSIN, "mcp"], input=text, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [1, 2]
    names = {tool["name"] for tool in answers[1]["result"]["tools"]}
    assert ("requeue_notification" in names) is (read_only == "0")
    assert done.stderr == ""
