"""A report, sent in parts: the last one says how it ended, so that one that breaks off is no heartbeat.

A part that is sent again changes nothing, so that one without an answer is sent again.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from tocsin_cli.agent.contents import Found, Problem
from tocsin_cli.agent.finding import Look
from tocsin_cli.api import UNANSWERED, Api, ApiError

_MOST_CERTIFICATES = 50
"""Of one part: the API takes 100, and is to answer within 29 seconds."""
_MOST_CHARACTERS = 500_000
"""Of one part: the API takes 2 MB."""
_MOST_PROBLEMS = 100
_PAUSES = (1.0, 5.0, 15.0)
"""Seconds before a part is sent again."""
_AGAIN = (
    UNANSWERED,
    HTTPStatus.CONFLICT,  # somebody changed the same certificate
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_FIELD = re.compile(r"certificates\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports, and what is said of each part."""

    name: str
    period_seconds: int
    version: str
    assigned: Mapping[str, object]
    """For certificates that nobody knew of: the owner, the policy and so on."""

    def parts(self, look: Look) -> Iterator[dict[str, Any]]:
        """Give the bodies of a report, as many as it takes."""
        batches = list(_batches(look.found)) or [[]]
        report_id = uuid4().hex
        for number, batch in enumerate(batches, start=1):
            said = {"report_id": report_id, "period_seconds": self.period_seconds, "last": number == len(batches)}
            said |= {"certificates": [{"path": one.place, "pem": one.pem} for one in batch]}
            yield {**said, **self.assigned, **(self._whole(look) if said["last"] else {})}

    def _whole(self, look: Look) -> dict[str, Any]:
        """Say what only the last part does. Read when that part is sent: the API may have refused some before."""
        problems = [{"path": one.path, "problem": one.problem} for one in look.problems[:_MOST_PROBLEMS]]
        whole = {"found": len(look.found), "problems": problems, "problem_count": len(look.problems)}
        return whole | {"version": self.version}

    def send(self, api: Api, look: Look) -> Iterator[dict[str, Any]]:
        """Send a report; give what each certificate meant. What the API refuses of one is a problem of the report.

        Raises ApiError.
        """
        for part in self.parts(look):
            yield from self._taken(api, part, look)

    def _taken(self, api: Api, part: dict[str, Any], look: Look) -> Sequence[dict[str, Any]]:
        body = part
        while True:
            try:
                taken: list[dict[str, Any]] = _sent(api, f"/agents/{quote(self.name, safe='')}/reports", body)["items"]
            except ApiError as error:
                refused = _refused(error)
                if not refused or max(refused) >= len(body["certificates"]):
                    raise
                body = self._without(body, refused, look)
            else:
                return taken

    def _without(self, body: dict[str, Any], refused: Mapping[int, str], look: Look) -> dict[str, Any]:
        """Leave out what the API refuses, and say so."""
        kept = []
        for number, one in enumerate(body["certificates"]):
            if number in refused:
                look.problems.append(Problem(one["path"], f"refused: {refused[number]}"[:256]))
            else:
                kept.append(one)
        left = body | {"certificates": kept}
        return left | self._whole(look) if body["last"] else left


def _batches(found: Sequence[Found]) -> Iterator[list[Found]]:
    batch: list[Found] = []
    size = 0
    for one in found:
        if batch and (len(batch) == _MOST_CERTIFICATES or size + len(one.pem) > _MOST_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += len(one.pem)
    if batch:
        yield batch


def _sent(api: Api, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON is what it is
    for pause in _PAUSES:
        try:
            return api.post(path, body)
        except ApiError as error:
            if error.status not in _AGAIN:
                raise
        time.sleep(pause)
    return api.post(path, body)


def _refused(error: ApiError) -> dict[int, str]:
    """Say which certificates of a part the API refuses, by their numbers; none, where it refuses something else."""
    if error.status != HTTPStatus.UNPROCESSABLE_ENTITY or not error.errors:
        return {}
    found = [(_FIELD.match(one.get("field", "")), one.get("detail", "")) for one in error.errors]
    return {int(field[1]): detail for field, detail in found if field} if all(field for field, _ in found) else {}
