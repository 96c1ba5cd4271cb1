"""Agents in the Inventory table: what each reported last.

| pk               | sk     | what                                                                          |
|------------------|--------|-------------------------------------------------------------------------------|
| `agent`          | name   | the agent: small, so that one query reads all to see who is silent            |
| `agent#problems` | name   | what its last report could not read                                           |
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tocsin.errors import ConflictError, NotFoundError
from tocsin.inventory.audit import Action, Kind, event
from tocsin.sources.agents import Agent, AgentProblem
from tocsin.storage.audit import AuditTrail
from tocsin.storage.codec import COUNT, EPOCH, INSTANT, TEXT, Codec, Column, Form, Item, json_form, required, timestamp
from tocsin.storage.paging import HIGHEST, LOWEST, Index, Page, Reader, every, page
from tocsin.storage.transaction import RefusedError, commit

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_AGENTS = str(Kind.AGENT)
_PROBLEMS = f"{_AGENTS}#problems"
_COLLECTION = Index(None, "pk", "sk")
_PAGE = 1000
"""Agents of one query: some 400 bytes each, and an answer holds 1 MB."""
_PERIOD = Form("N", lambda period: str(int(period.total_seconds())), lambda text: timedelta(seconds=int(text)))
_LIST = json_form(
    lambda problems: [[one.path, one.problem] for one in problems],
    lambda plain: tuple(AgentProblem(path, problem) for path, problem in plain),
)
_AGENT = Codec(
    Agent,
    (
        required("name", TEXT, ""),
        required("first_seen_at", INSTANT, EPOCH),
        required("last_report_at", INSTANT, EPOCH),
        required("period", _PERIOD, timedelta(days=1)),
        Column("report_id", TEXT, ""),
        Column("certificates", COUNT, 0),
        Column("problem_count", COUNT, 0),
        Column("reported_by", TEXT, ""),
        Column("version", TEXT, ""),
        Column("silent_since", INSTANT),
    ),
)


class AgentTable:
    """Reads and writes them. Methods block; they raise ClientError for what is not listed."""

    def __init__(self, client: "DynamoDBClient", table: str, audit: AuditTrail) -> None:
        """Use `client` (low-level) and the Inventory `table`; tell `audit` who comes and goes."""
        self._client = client
        self._table = table
        self._audit = audit

    def get(self, name: str) -> Agent:
        """Read one, as it is now, without its problems; raise NotFoundError."""
        item = self._item(_AGENTS, name)
        if item is None:
            raise NotFoundError(f"agent {name[:64]!r}")
        return _AGENT.salvage(item)

    def problems_of(self, name: str) -> tuple[AgentProblem, ...]:
        """Give what its last report could not read: the first of that."""
        item = self._item(_PROBLEMS, name)
        read: tuple[AgentProblem, ...] = _LIST.read(item["problems"]["S"]) if item else ()
        return read

    def put(self, before: Agent | None, after: Agent, actor: str) -> None:
        """Write one in the place of what was read; raise ConflictError where that has changed since."""
        agent = {"TableName": self._table, "Item": {**_key(_AGENTS, after.name), **_AGENT.encode(after)}}
        problems = {
            "TableName": self._table,
            "Item": {**_key(_PROBLEMS, after.name), "problems": {"S": _LIST.write(after.problems)}},
        }
        actions = [{"Put": agent | _as_read(before)}, {"Put": problems}]
        if before is None:
            created = event(Action.AGENT_CREATED, Kind.AGENT.resource(after.name), actor, after.first_seen_at)
            actions.append(self._audit.appending(created))
        self._commit(actions, after.name)

    def note_silent(self, agent: Agent) -> None:
        """Write that its silence was told; raise ConflictError where it has reported meanwhile, or is gone."""
        item = _AGENT.encode(agent)
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(_AGENTS, agent.name),
                UpdateExpression="SET silent_since = :since",
                ConditionExpression="last_report_at = :read",
                ExpressionAttributeValues={":since": item["silent_since"], ":read": item["last_report_at"]},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise ConflictError(f"agent {agent.name}") from None

    def delete(self, agent: Agent, actor: str, now: datetime) -> None:
        """Remove one; raise ConflictError where it has reported meanwhile."""
        gone = {"TableName": self._table, "Key": _key(_AGENTS, agent.name)} | _as_read(agent)
        problems = {"TableName": self._table, "Key": _key(_PROBLEMS, agent.name)}
        last = timestamp(agent.last_report_at)
        line = event(Action.AGENT_DELETED, Kind.AGENT.resource(agent.name), actor, now, last_report_at=last)
        self._commit([{"Delete": gone}, {"Delete": problems}, self._audit.appending(line)], agent.name)

    def page(self, limit: int, after: str | None) -> Page[Agent]:
        """Give up to `limit` agents behind the key `after`, by name, without their problems."""
        bounds = (LOWEST, HIGHEST)
        reader = Reader(self._client, self._table, _COLLECTION, (_AGENTS,), bounds=bounds, is_forward=True)
        return page(reader, _AGENT.salvage, lambda _agent: True, limit, after)

    def every(self) -> Iterator[Agent]:
        """Read all, without their problems."""
        return every(lambda place: self.page(_PAGE, place))

    def _item(self, partition: str, name: str) -> Item | None:
        found = self._client.get_item(TableName=self._table, Key=_key(partition, name), ConsistentRead=True)
        return found.get("Item")

    def _commit(self, actions: list[dict[str, Any]], name: str) -> None:
        try:
            commit(self._client, actions)
        except RefusedError:
            raise ConflictError(f"agent {name}") from None


def _as_read(before: Agent | None) -> dict[str, Any]:
    """Give the condition that an agent is still as it was read: not there, or with the same last report."""
    if before is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    values = {":read": {"S": timestamp(before.last_report_at)}, ":id": {"S": before.report_id}}
    return {"ConditionExpression": "last_report_at = :read AND report_id = :id", "ExpressionAttributeValues": values}


def _key(partition: str, name: str) -> Any:  # noqa: ANN401 - boto3's stubs want a type of their own for each call
    return {"pk": {"S": partition}, "sk": {"S": name}}
