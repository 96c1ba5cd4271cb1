"""The page of the MCP server: its configuration starts one, and its tools and limits are the server's."""

import json
import re
import sys

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from build.toolchain import ROOT
from tests.docs.markdown import blocks, codes, page, tables
from tests.support.recorded_api import RecordedApi
from tocsin_cli.fence import CLOSES, OPENS, WHOLE, Fence
from tocsin_cli.mcp_server import LONG, SHORT, WRITTEN_BY, mcp_server

MCP = page("docs/mcp.md")


async def test_the_configuration_starts_a_server() -> None:
    """As a client starts it, with the command's own interpreter in place of `tocsin`."""
    (block,) = blocks(MCP, "json")
    shown = json.loads(block.text)["mcpServers"]["tocsin"]
    assert shown["command"] == "tocsin"
    entry = ["-c", "from tocsin_cli.main import main; main()"]
    command = StdioServerParameters(
        command=sys.executable, args=[*entry, *shown["args"]], env={"PYTHONPATH": str(ROOT / "cli")}
    )
    async with Client(stdio_client(command)) as client:
        offered = {tool.name for tool in (await client.list_tools()).tools}
        answer = await client.call_tool("stats", {})
    assert offered == {row["tool"].strip("`") for row in tables(MCP)[0] if row["changes something"] == "no"}
    assert answer.is_error
    assert "tocsin-reader" in str(answer.content), "the profile that the page names does not exist here, and it says so"


async def test_the_table_has_every_tool() -> None:
    described = {codes(row["tool"])[0]: row["changes something"] == "yes" for row in tables(MCP)[0]}
    async with Client(mcp_server(RecordedApi())) as client:
        tools = (await client.list_tools()).tools
    assert described == {tool.name: bool(tool.annotations and tool.annotations.destructive_hint) for tool in tools}


def test_the_fence_looks_like_that() -> None:
    (shown,) = blocks(MCP, "text")
    (mark,) = re.findall(f"{OPENS}data ([0-9a-f]+){CLOSES}", shown.text)
    fence = Fence(each=100)
    assert fence.text("The disk is full.") == shown.text.strip().replace(mark, fence.mark)
    assert len(mark) == len(fence.mark)


def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    text = re.sub(r"\s+", " ", MCP.read_text())
    assert f"{SHORT} characters for a text in a list, {LONG:,} where one notification is shown, {WHOLE:,} for" in text
    assert f"`{WRITTEN_BY.strip()}`" in text
