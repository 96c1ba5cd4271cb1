"""Routes of agents: what they report, which there are, and no longer waiting for one."""

from collections.abc import Iterator

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from bodies.agents import AgentDetailOut, AgentList, AgentOut, AgentReportIn, AgentReportOut, ReportedOut
from identity import actor_of
from paging import Cursor, Limit, turn
from versioned import nothing

from tocsin.bootstrap import inventory, resources
from tocsin.errors import FieldProblem, InvalidFieldsError
from tocsin.inventory.certificate import Source
from tocsin.inventory.tags import tag_problems
from tocsin.sources.agents import checked_name
from tocsin.sources.intake import ingest
from tocsin.sources.observed import ObservedCertificate

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its constructor untyped


@router.post("/agents/<name>/reports")
def report(name: str, body: AgentReportIn) -> AgentReportOut:
    """Take a part of what an agent found; its last part is the agent's heartbeat.

    Nothing of a part is taken in which a certificate can't be read. The same part twice changes nothing.
    """
    agent, actor = checked_name(name), actor_of(router.current_event)
    seen = _read(agent, body)
    now = resources.now()
    taken = [ingest(inventory.lifecycle(), one, actor, now, body.assignment) for one in seen]
    if body.last:
        inventory.agent_watch().heard(agent, body.whole(actor), now)
    paths = (one.path for one in body.certificates)
    return AgentReportOut(items=[ReportedOut.of(path, *one) for path, one in zip(paths, taken, strict=True)])


@router.get("/agents")
def list_agents(limit: Limit = 50, cursor: Cursor = None) -> AgentList:
    """List the agents that have reported, by name."""
    found, after = turn(lambda place: inventory.agents().page(limit, place), "agents", cursor)
    return AgentList(items=[AgentOut.of(agent) for agent in found], next_cursor=after)


@router.get("/agents/<name>")
def get(name: str) -> AgentDetailOut:
    """Read one agent, and what its last report could not read."""
    return AgentDetailOut.with_problems(inventory.agents().get(name), inventory.agents().problems_of(name))


@router.delete("/agents/<name>")
def delete(name: str) -> Response[str]:
    """Wait for an agent no longer. The certificates that it reported stay; its next report brings it back."""
    inventory.agent_watch().forget(name, actor_of(router.current_event), resources.now())
    return nothing()


def _read(agent: str, body: AgentReportIn) -> list[ObservedCertificate]:
    """Read all certificates of a part; raise InvalidFieldsError naming each that can't be, or is in another's place."""
    read: list[ObservedCertificate] = []
    at: dict[str, str] = {}
    problems = [*tag_problems(body.tags)]
    for number, (path, found) in enumerate(_each(agent, body)):
        if isinstance(found, str):
            problems.append(FieldProblem(f"certificates.{number}.pem", found))
        elif at.setdefault(path, found.fingerprint_sha256) != found.fingerprint_sha256:
            problems.append(FieldProblem(f"certificates.{number}.path", "has another certificate in this very part"))
        else:
            read.append(found)
    if problems:
        raise InvalidFieldsError(problems)
    return read


def _each(agent: str, body: AgentReportIn) -> Iterator[tuple[str, ObservedCertificate | str]]:
    from tocsin.sources.pem import read_one  # noqa: PLC0415 - cryptography would cost every cold start of the API

    for one in body.certificates:
        try:
            yield one.path, read_one(one.pem, Source.AGENT, f"{agent}:{one.path}")
        except ValueError as error:
            yield one.path, str(error)
