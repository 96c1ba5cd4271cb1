"""The console's pages and what they ask: a shell without data for anybody, the rest behind the guard."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tocsin_cli.connection import Connection
from tocsin_cli.console import alarms, dashboard, graphs, problems
from tocsin_cli.console.context import Asked, BadRequestError
from tocsin_cli.console.guard import SESSION, Guard, Secrets, same
from tocsin_cli.console.problems import Problem
from tocsin_cli.console.widget import ForeignEndpointError, FunctionFailedError, Functions

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

STATIC = Path(__file__).with_name("static")
_READING = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})
_ONCE = Config(connect_timeout=5, read_timeout=65, retries={"total_max_attempts": 1})
"""A function that acts is called once: botocore would repeat a call whose answer got lost."""

JsonObject = Mapping[str, Any]


@dataclass
class Backend:
    """What the page asks of AWS. Not frozen: what does not change is looked up once."""

    connection: Connection

    @cached_property
    def account(self) -> str:
        """Give the account that the credentials are of."""
        return self.connection.session.client("sts", config=_READING).get_caller_identity()["Account"]

    @cached_property
    def cloudwatch(self) -> "CloudWatchClient":
        """Give the client; raise NotFoundStackError."""
        return self.connection.session.client("cloudwatch", config=_READING)

    @cached_property
    def functions(self) -> Functions:
        """Give the two functions; raise what boto3 raises, and NotFoundStackError."""
        session = self.connection.session
        client = session.client("lambda", config=_ONCE)
        return Functions(client, self.connection.stack, session.region_name, self.account)

    def body(self) -> JsonObject:
        """Give the dashboard's body."""
        found = self.cloudwatch.get_dashboard(DashboardName=self.connection.stack)
        body: JsonObject = json.loads(found["DashboardBody"])
        return body

    def state(self) -> JsonObject:
        """Say whose stack is shown, and which widgets there are; without a dashboard there is the one."""
        told: dict[str, Any] = {"stack": self.connection.stack, "region": "", "account": "", "widgets": []}
        told |= _tried("sts:GetCallerIdentity", self._whose)
        try:
            found = dashboard.widgets(self.body())
        except problems.FAILURES:
            found = []
        found = found or [dashboard.Widget("", {}, 12, refreshes=True)]
        told["widgets"] = [{"title": each.title, "params": each.params, "height": each.height} for each in found]
        return told

    def _whose(self) -> JsonObject:
        return {"region": self.connection.session.region_name, "account": self.account}

    def graphs(self, hours: int) -> JsonObject:
        """Give the graphs with their data."""

        def fetched() -> JsonObject:
            shown = dashboard.graphs(self.body())
            return {"graphs": graphs.drawn(self.cloudwatch, shown, hours, datetime.now(UTC))}

        return _tried("cloudwatch:GetMetricData", fetched)

    def alarms(self) -> JsonObject:
        """Give the alarms."""
        return _tried(
            "cloudwatch:DescribeAlarms",
            lambda: {"alarms": alarms.of_stack(self.cloudwatch, self.connection.stack)},
        )

    def invoke(self, asked: Asked) -> JsonObject:
        """Ask one of the two functions; raise ForeignEndpointError."""

        def answered() -> JsonObject:
            functions = self.functions
            name = functions.named(asked.endpoint)
            acts = name == functions.act
            event = asked.event(self.connection.stack, functions.account, datetime.now(UTC))
            return {**functions.ask(name, event), "acts": acts}

        try:
            return _tried("lambda:InvokeFunction", answered)
        except FunctionFailedError as error:
            return {"problem": Problem("The widget's function failed", str(error)).as_json()}


def _tried(action: str, call: Callable[[], JsonObject]) -> JsonObject:
    """Give what the call gives, or the problem: the page shows it where the answer would stand."""
    try:
        return call()
    except problems.FAILURES as error:
        return {"problem": problems.of(error, action).as_json()}


@dataclass(frozen=True)
class Pages:
    """The HTTP side."""

    backend: Backend
    secrets: Secrets
    cookie_name: Callable[[], str]

    def routes(self) -> list[Route | Mount]:
        """Give all of them. What acts is POST."""
        return [
            Route("/", _shell),
            Route(SESSION, self.session, methods=["POST"]),
            Route("/api/state", self.state),
            Route("/api/graphs", self.graphs),
            Route("/api/alarms", self.alarms),
            Route("/api/invoke", self.invoke, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]

    async def session(self, request: Request) -> Response:
        """Exchange the link's token for the session's two."""
        given = await _json(request)
        token = given.get("token") if isinstance(given, dict) else None
        if not isinstance(token, str) or not same(token, self.secrets.link):
            return _refused(HTTPStatus.UNAUTHORIZED, "The link is not this console's: open the one that it shows now.")
        answer = JSONResponse({"token": self.secrets.header})
        answer.set_cookie(self.cookie_name(), self.secrets.cookie, httponly=True, samesite="strict", path="/api")
        return answer

    def state(self, request: Request) -> Response:  # noqa: ARG002 - a route's signature
        """Answer whose stack is shown."""
        return JSONResponse(self.backend.state())

    def graphs(self, request: Request) -> Response:
        """Answer the graphs of the last `hours`."""
        hours = request.query_params.get("hours", "3")
        if hours not in map(str, graphs.HOURS):
            return _refused(HTTPStatus.BAD_REQUEST, f"hours is one of {graphs.HOURS}.")
        return JSONResponse(self.backend.graphs(int(hours)))

    def alarms(self, request: Request) -> Response:  # noqa: ARG002 - a route's signature
        """Answer the alarms."""
        return JSONResponse(self.backend.alarms())

    async def invoke(self, request: Request) -> Response:
        """Ask one of the widget's functions."""
        try:
            asked = Asked.of(await _json(request))
            return JSONResponse(await run_in_threadpool(self.backend.invoke, asked))
        except BadRequestError as error:
            return _refused(HTTPStatus.BAD_REQUEST, str(error))
        except ForeignEndpointError as error:
            return _refused(
                HTTPStatus.FORBIDDEN, f"{error} is none of this stack's widget functions: nothing was called."
            )


async def _json(request: Request) -> object:
    try:
        return json.loads(await request.body())
    except ValueError:
        return None


def _shell(request: Request) -> Response:  # noqa: ARG001 - a route's signature
    return FileResponse(STATIC / "index.html")


def _refused(status: HTTPStatus, detail: str) -> JSONResponse:
    return JSONResponse({"title": "Refused", "detail": detail}, status)


def application(connection: Connection, secrets: Secrets, port: int) -> Guard:
    """Give the ASGI application for the port that it is served on."""
    guard: Guard
    pages = Pages(Backend(connection), secrets, lambda: guard.cookie_name)
    guard = Guard(Starlette(routes=pages.routes()), secrets, port)
    return guard
