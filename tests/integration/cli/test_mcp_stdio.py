"""`tocsin mcp` as a client starts it: a process of its own, spoken to on its standard input and output."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import TextContent

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
            (said,) = answer.content
            assert isinstance(said, TextContent)
            assert "The API can't be reached" in said.text
            assert "Traceback" not in said.text


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
    environment = {"PATH": os.environ["PATH"], "TOCSIN_MCP_READ_ONLY": read_only} | NOWHERE
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*TOCSIN, "mcp"], env=environment, text=True, **pipes) as server:
        assert server.stdin
        assert server.stdout
        assert server.stderr
        server.stdin.write("".join(json.dumps({"jsonrpc": "2.0"} | line) + "\n" for line in lines))
        server.stdin.flush()
        answers = [json.loads(server.stdout.readline()) for _ in range(2)]  # what is unanswered at the end stays so
        server.stdin.close()
        assert (server.stdout.read(), server.stderr.read()) == ("", "")
    assert server.returncode == 0
    assert [answer["id"] for answer in answers] == [1, 2]
    names = {tool["name"] for tool in answers[1]["result"]["tools"]}
    assert ("requeue_notification" in names) is (read_only == "0")
