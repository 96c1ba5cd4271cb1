"""A Parameter Store of a few lines on loopback: boto3 talks to it as to the real one."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3

from local.receiver import Exchange, Receiver, answers
from tocsin.channels.aws import client_config

PREFIX = "/tocsin/channels"
TEMPLATES = "/tocsin/templates"


def a_client(service: str, endpoint: str, deadline: float = 5.0) -> Any:
    """Make a client of AWS that talks to `endpoint`."""
    return boto3.client(
        service,  # type: ignore[call-overload] # any service
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        endpoint_url=endpoint,
        config=client_config(deadline),
    )


@dataclass
class FakeSsm:
    """Parameters by the channel's name, templates by their place; and the codes with which reading fails."""

    parameters: dict[str, str] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    hanging: bool = False
    reads: list[str] = field(default_factory=list)
    client: Any = field(init=False)

    async def __call__(self, exchange: Exchange) -> None:
        """Answer GetParameter and GetParametersByPath."""
        asked = json.loads(exchange.request.body)
        if self.hanging:
            await exchange.wait_for_the_end()
        elif asked.get("Path", "").endswith("/templates"):
            await self._templates(asked, exchange)
        elif "Path" in asked:
            await answers(200, self._several(asked))(exchange)
        else:
            await self._one(_named(asked["Name"]), exchange)

    async def _one(self, name: str, exchange: Exchange) -> None:
        self.reads.append(name)
        if code := self.failing.get(name) or (None if name in self.parameters else "ParameterNotFound"):
            return await answers(400, json.dumps({"__type": code, "message": "s3cret"}).encode())(exchange)
        value = {"Name": name, "Type": "SecureString", "Value": self.parameters[name]}
        return await answers(200, json.dumps({"Parameter": value}).encode())(exchange)

    async def _templates(self, asked: dict[str, Any], exchange: Exchange) -> None:
        self.reads.append("templates")
        if code := self.failing.get("templates"):
            return await answers(400, json.dumps({"__type": code, "message": "s3cret"}).encode())(exchange)
        assert asked["WithDecryption"] is True
        stored = {f"{asked['Path']}/{place}": text for place, text in self.templates.items()}
        return await answers(200, _page(stored, asked))(exchange)

    def _several(self, asked: dict[str, Any]) -> bytes:
        assert asked["WithDecryption"] is False
        assert (asked["Path"], asked["Recursive"]) == (PREFIX, True)
        stored = {f"{PREFIX}/{name.replace(':', '/')}": "AQICAH…" for name in self.parameters}
        return _page(stored, asked)


def _page(stored: dict[str, str], asked: dict[str, Any]) -> bytes:
    """Give ten of them, in order."""
    start = int(asked.get("NextToken", 0))
    names = sorted(stored)
    page = {"Parameters": [{"Name": name, "Value": stored[name]} for name in names[start : start + 10]]}
    more = {"NextToken": str(start + 10)} if names[start + 10 :] else {}
    return json.dumps(page | more).encode()


def _named(parameter: str) -> str:
    """Give the channel's name, or the parameter's where it is no channel's."""
    below = parameter.removeprefix(f"{PREFIX}/")
    return below if below == parameter else below.replace("/", ":")


@asynccontextmanager
async def a_parameter_store(**parameters: Any) -> AsyncIterator[FakeSsm]:
    """Serve these parameters, each given as text or as what JSON makes text of."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}
    ssm = FakeSsm(texts)
    async with Receiver(ssm) as receiver:
        ssm.client = a_client("ssm", receiver.url(""))
        yield ssm
