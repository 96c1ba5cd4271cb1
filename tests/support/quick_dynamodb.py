"""DynamoDB in memory, as far as `storage` asks for it: for simulations of too many requests for DynamoDB Local.

test_ninety_days.py holds it to AWS's own engine: the same days leave the same items in both. What it does not know
raises, so that nothing passes by being skipped. An expression is compiled once.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

Item = dict[str, Any]
Scope = tuple[Mapping[str, Any], Mapping[str, str], Mapping[str, Any]]
"""An item, the expression's names, and its values."""
Operand = Callable[[Scope], Any]
Hook = Callable[[str], None]
_TOKEN = re.compile(r"\s*(<>|<=|>=|[(),=<>+-]|[#:]?[A-Za-z_][A-Za-z0-9_]*|[#:][0-9]+)")
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, other: one is not None and one == other,
    "<>": lambda one, other: one != other,
    "<": lambda one, other: _comparable(one, other) and _plain(one) < _plain(other),
    "<=": lambda one, other: _comparable(one, other) and _plain(one) <= _plain(other),
    ">": lambda one, other: _comparable(one, other) and _plain(one) > _plain(other),
    ">=": lambda one, other: _comparable(one, other) and _plain(one) >= _plain(other),
}


class ConditionalCheckFailedException(ClientError):  # noqa: N818 - AWS's name
    """See the DynamoDB API reference, PutItem."""

    def __init__(self) -> None:
        super().__init__({"Error": {"Code": "ConditionalCheckFailedException", "Message": "no"}}, "Write")


class TransactionCanceledException(ClientError):  # noqa: N818 - AWS's name
    """See the DynamoDB API reference, TransactWriteItems."""

    def __init__(self, held: list[bool]) -> None:
        reasons = [{"Code": "None" if one else "ConditionalCheckFailed"} for one in held]
        said: Any = {
            "Error": {"Code": "TransactionCanceledException", "Message": "no"},
            "CancellationReasons": reasons,
        }
        super().__init__(said, "TransactWriteItems")


def _comparable(one: Any, other: Any) -> bool:
    return one is not None and other is not None and one.keys() == other.keys()


def _plain(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    return float(content) if kind == "N" else content


@dataclass
class _Parser:
    """Reads a condition or an update, by recursive descent."""

    tokens: list[str]

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self, expected: str = "") -> str:
        token = self.tokens.pop(0)
        if expected and token.upper() != expected:
            raise NotImplementedError(f"{expected} expected, not {token}")
        return token

    def either(self) -> Operand:
        one = self.both()
        while self.peek().upper() == "OR":
            self.take()
            one = _or(one, self.both())
        return one

    def both(self) -> Operand:
        one = self.single()
        while self.peek().upper() == "AND":
            self.take()
            one = _and(one, self.single())
        return one

    def single(self) -> Operand:
        if self.peek() == "(":
            self.take()
            inner = self.either()
            self.take(")")
            return inner
        if self.peek() in _FUNCTIONS and self.peek() != "size":
            return self.operand()
        one = self.operand()
        word = self.take().upper()
        if word == "BETWEEN":
            low = self.operand()
            self.take("AND")
            high = self.operand()
            return lambda scope: _ORDER["<="](low(scope), one(scope)) and _ORDER["<="](one(scope), high(scope))
        if word == "IN":
            choices = self.arguments()
            return lambda scope: one(scope) is not None and one(scope) in [choice(scope) for choice in choices]
        other, compare = self.operand(), _ORDER[word]
        return lambda scope: compare(one(scope), other(scope))

    def arguments(self) -> list[Operand]:
        self.take("(")
        found = [self.operand()]
        while self.peek() == ",":
            self.take()
            found.append(self.operand())
        self.take(")")
        return found

    def operand(self) -> Operand:
        token = self.take()
        if token in _FUNCTIONS and self.peek() == "(":
            made: Operand = _FUNCTIONS[token](*self.arguments())
            return made
        if token.startswith(":"):
            return lambda scope: scope[2][token]
        if token.startswith("#"):
            return lambda scope: scope[0].get(scope[1][token])
        return lambda scope: scope[0].get(token)

    def value(self) -> Operand:
        """Read the right side of a SET: an operand, or a sum or difference of two."""
        one = self.operand()
        if self.peek() not in ("+", "-"):
            return one
        sign = 1 if self.take() == "+" else -1
        other = self.operand()
        return lambda scope: {"N": str(int(one(scope)["N"]) + sign * int(other(scope)["N"]))}


def _or(one: Operand, other: Operand) -> Operand:
    return lambda scope: one(scope) or other(scope)


def _and(one: Operand, other: Operand) -> Operand:
    return lambda scope: one(scope) and other(scope)


def _size(one: Operand) -> Operand:
    return lambda scope: {"N": str(len(next(iter((one(scope) or {"S": ""}).values()))))}


_FUNCTIONS: Mapping[str, Callable[..., Operand]] = {
    "attribute_exists": lambda one: lambda scope: one(scope) is not None,
    "attribute_not_exists": lambda one: lambda scope: one(scope) is None,
    "begins_with": lambda one, start: lambda scope: str((one(scope) or {}).get("S", "")).startswith(start(scope)["S"]),
    "contains": lambda one, part: lambda scope: part(scope)["S"] in next(iter((one(scope) or {"SS": []}).values())),
    "if_not_exists": lambda one, other: lambda scope: other(scope) if one(scope) is None else one(scope),
    "size": _size,
}


def _tokens(expression: str) -> list[str]:
    found, place = [], 0
    while place < len(expression.rstrip()):
        match = _TOKEN.match(expression, place)
        if match is None:
            raise NotImplementedError(expression[place:])
        found.append(match[1])
        place = match.end()
    return found


@cache
def _condition(expression: str) -> Operand:
    parser = _Parser(_tokens(expression))
    read = parser.either()
    if parser.tokens:
        raise NotImplementedError(expression)
    return read


_Step = tuple[str, str, Operand | None]


@cache
def _update(expression: str) -> list[_Step]:
    """Read an update: (SET, ADD or REMOVE, attribute, value)."""
    parser, steps = _Parser(_tokens(expression)), []
    word = ""
    while parser.tokens:
        word = parser.take().upper() if parser.peek() != "," else (parser.take(), word)[1]
        if word not in ("SET", "ADD", "REMOVE"):
            raise NotImplementedError(expression)
        name, value = parser.take(), None
        if word == "SET":
            parser.take("=")
            value = parser.value()
        elif word == "ADD":
            value = parser.operand()
        steps.append((word, name, value))
    return steps


def _updated(item: Item, request: Mapping[str, Any]) -> Item:
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    scope, after = (item, names, values), dict(item)
    for word, alias, value in _update(request["UpdateExpression"]):
        name = names[alias] if alias.startswith("#") else alias
        if word == "REMOVE" or value is None:
            after.pop(name, None)
        elif word == "SET":
            after[name] = value(scope)
        else:
            after[name] = _added(item.get(name), value(scope))
    return after


def _added(old: Any, step: Mapping[str, Any]) -> Mapping[str, Any]:
    if "SS" in step:
        return {"SS": sorted({*(old or {"SS": []})["SS"], *step["SS"]})}
    return {"N": str(int((old or {"N": "0"})["N"]) + int(step["N"]))}


@dataclass
class _Table:
    """Items by their keys."""

    hash: str
    range: str | None
    indexes: Mapping[str, tuple[str, str | None]]
    parts: dict[str, dict[str, Item]] = field(default_factory=dict)
    """By hash key, then by range key."""
    indexed: dict[str, dict[str, dict[tuple[str, str], Item]]] = field(default_factory=dict)
    """By index, then by its hash key."""

    def place(self, key: Mapping[str, Any]) -> tuple[str, str]:
        return key[self.hash]["S"], key[self.range]["S"] if self.range else ""

    def get(self, key: Mapping[str, Any]) -> Item | None:
        one, two = self.place(key)
        return self.parts.get(one, {}).get(two)

    def put(self, item: Item) -> None:
        place = self.place(item)
        self.drop(item)
        self.parts.setdefault(place[0], {})[place[1]] = item
        for name, (hash_, range_) in self.indexes.items():
            if hash_ in item and (range_ is None or range_ in item):
                self.indexed.setdefault(name, {}).setdefault(item[hash_]["S"], {})[place] = item

    def drop(self, key: Mapping[str, Any]) -> None:
        place = self.place(key)
        item = self.parts.get(place[0], {}).pop(place[1], None)
        if not self.parts.get(place[0]):
            self.parts.pop(place[0], None)
        for name, (hash_, _) in self.indexes.items() if item else ():
            if item and hash_ in item:
                self.indexed.get(name, {}).get(item[hash_]["S"], {}).pop(place, None)

    def items(self) -> list[Item]:
        return [item for part in self.parts.values() for item in part.values()]

    def keys_of(self, item: Item, index: str) -> Item:
        """Give what an index of keys has of an item."""
        names = (self.hash, self.range, *self.indexes[index])
        return {name: item[name] for name in names if name is not None and name in item}


@dataclass
class QuickDynamoDB:
    """A low-level client and all tables behind it. `before` and `after` are told of each request."""

    tables: dict[str, _Table] = field(default_factory=dict)
    before: Hook = lambda _operation: None
    after: Hook = lambda _operation: None
    exceptions: Any = field(
        default_factory=lambda: SimpleNamespace(
            ClientError=ClientError,
            ConditionalCheckFailedException=ConditionalCheckFailedException,
            TransactionCanceledException=TransactionCanceledException,
        )
    )

    def create_table(self, **request: Any) -> None:
        keys = {one["KeyType"]: one["AttributeName"] for one in request["KeySchema"]}
        indexes = {}
        for index in request.get("GlobalSecondaryIndexes", ()):
            of = {one["KeyType"]: one["AttributeName"] for one in index["KeySchema"]}
            indexes[index["IndexName"]] = (of["HASH"], of.get("RANGE"))
        self.tables[request["TableName"]] = _Table(keys["HASH"], keys.get("RANGE"), indexes)

    def get_item(self, **request: Any) -> dict[str, Any]:
        self.before("GetItem")
        found = self.tables[request["TableName"]].get(request["Key"])
        self.after("GetItem")
        return {} if found is None else {"Item": dict(found)}

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        self.before("BatchGetItem")
        found = {
            table: [dict(item) for key in wanted["Keys"] if (item := self.tables[table].get(key)) is not None]
            for table, wanted in request["RequestItems"].items()
        }
        self.after("BatchGetItem")
        return {"Responses": found}

    def query(self, **request: Any) -> dict[str, Any]:
        self.before("Query")
        table, index = self.tables[request["TableName"]], request.get("IndexName")
        names, values = request.get("ExpressionAttributeNames", {}), request["ExpressionAttributeValues"]
        hash_, range_ = table.indexes[index] if index else (table.hash, table.range)
        partition = _partition(request["KeyConditionExpression"], hash_, names, values)
        if index:
            there: list[Item] = list(table.indexed.get(index, {}).get(partition, {}).values())
        else:
            there = list(table.parts.get(partition, {}).values())
        holds = _condition(request["KeyConditionExpression"])
        found = [item for item in there if holds((item, names, values))]
        if range_ is not None:
            found.sort(key=lambda item: item[range_]["S"], reverse=not request.get("ScanIndexForward", True))
        found = found[: request.get("Limit")]
        self.after("Query")
        return {"Items": [table.keys_of(item, index) if index else dict(item) for item in found]}

    def put_item(self, **request: Any) -> None:
        self._write("PutItem", {"Put": request})

    def update_item(self, **request: Any) -> None:
        self._write("UpdateItem", {"Update": request})

    def delete_item(self, **request: Any) -> None:
        self._write("DeleteItem", {"Delete": request})

    def transact_write_items(self, *, TransactItems: list[Mapping[str, Any]]) -> None:  # noqa: N803 - boto3's name
        self.before("TransactWriteItems")
        places = [self._place(*next(iter(action.items()))) for action in TransactItems]
        if len({*places}) < len(places):
            raise ValueError("Transaction request cannot include multiple operations on one item")
        held = [self._holds(action) for action in TransactItems]
        if not all(held):
            raise TransactionCanceledException(held)
        for action in TransactItems:
            self._carry_out(action)
        self.after("TransactWriteItems")

    def get_paginator(self, operation: str) -> Any:
        """Give the one page of a scan, which only tests ask for."""
        if operation != "scan":
            raise NotImplementedError(operation)

        def pages(**request: Any) -> Iterator[dict[str, Any]]:
            yield {"Items": [dict(item) for item in self.tables[request["TableName"]].items()]}

        return SimpleNamespace(paginate=pages)

    def _write(self, operation: str, action: Mapping[str, Any]) -> None:
        self.before(operation)
        if not self._holds(action):
            raise ConditionalCheckFailedException
        self._carry_out(action)
        self.after(operation)

    def _place(self, word: str, request: Mapping[str, Any]) -> tuple[str, str, str]:
        table = self.tables[request["TableName"]]
        return request["TableName"], *table.place(request["Item"] if word == "Put" else request["Key"])

    def _holds(self, action: Mapping[str, Any]) -> bool:
        ((word, request),) = action.items()
        if (expression := request.get("ConditionExpression")) is None:
            return True
        found = self.tables[request["TableName"]].get(request["Item"] if word == "Put" else request["Key"]) or {}
        names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
        return bool(_condition(expression)((found, names, values)))

    def _carry_out(self, action: Mapping[str, Any]) -> None:
        ((word, request),) = action.items()
        table = self.tables[request["TableName"]]
        match word:
            case "Put":
                table.put(dict(request["Item"]))
            case "Delete":
                table.drop(request["Key"])
            case "Update":
                table.put(_updated(table.get(request["Key"]) or dict(request["Key"]), request))
            case "ConditionCheck":
                pass
            case _:
                raise NotImplementedError(word)


def _partition(expression: str, hash_: str, names: Mapping[str, str], values: Mapping[str, Any]) -> str:
    """Give the partition that a query names, which it must."""
    for name, value in re.findall(r"(#?\w+) = (:\w+)", expression):
        if names.get(name, name) == hash_:
            return str(values[value]["S"])
    raise NotImplementedError(expression)
