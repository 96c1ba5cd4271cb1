"""The API as the command line sees it, with answers given beforehand, and a record of what was asked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tocsin_cli.api import Api
from tocsin_cli.connection import Connection


@dataclass(frozen=True)
class RecordedApi(Api):
    """Answers by `GET /path`: JSON, an error to raise, or an iterator of answers that are given one after the other."""

    connection: Connection = field(default_factory=Connection)
    answers: Mapping[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    """Each request, as `GET /path`, with its query or its body."""

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        if_match: str | None = None,
    ) -> Any:
        sent = {name: value for name, value in (query or body or {}).items() if value is not None}
        self.asked.append((f"{method} {path}", sent))
        answer = self.answers[f"{method} {path}"]
        if isinstance(answer, Iterator):
            answer = next(answer)
        if isinstance(answer, Exception):
            raise answer
        return answer
