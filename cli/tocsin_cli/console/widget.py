"""The stack's two widget functions, asked as CloudWatch asks a custom widget's function.

CloudWatch user guide, "Creating a custom widget for a CloudWatch dashboard" and "Interactivity in a custom widget": the
function gets the parameters as its event, with `widgetContext` beside them, and answers with a string of HTML, or with
`{"markdown": …}`; whatever else it answers is shown as JSON.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_ALIAS = "live"
_ARN = re.compile(r"arn:[a-z-]+:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):function:(?P<name>[\w-]+)(?::live)?")


class ForeignEndpointError(Exception):
    """An action names a function that is none of the stack's two: nothing was called."""


class FunctionFailedError(Exception):
    """The function was started, and crashed or ran out of time."""


@dataclass(frozen=True)
class Functions:
    """The two functions of one stack, in one account and region."""

    client: "LambdaClient"
    stack: str
    region: str
    account: str

    @property
    def look(self) -> str:
        """Name the function that only looks."""
        return f"customWidget-{self.stack}"

    @property
    def act(self) -> str:
        """Name the function that requeues and acknowledges."""
        return f"{self.look}-act"

    def named(self, endpoint: str | None) -> str:
        """Give the name of the function behind an action's endpoint; none is the one that looks.

        Raises ForeignEndpointError for every other function: what the page shows came from outside, and must not choose
        what is called with the operator's credentials.
        """
        if endpoint is None:
            return self.look
        found = _ARN.fullmatch(endpoint)
        if (
            found is None
            or (found["region"], found["account"]) != (self.region, self.account)
            or found["name"] not in {self.look, self.act}
        ):
            raise ForeignEndpointError(endpoint)
        return found["name"]

    def ask(self, name: str, event: Mapping[str, Any]) -> Mapping[str, str]:
        """Call it once, and give `{"html": …}` or `{"text": …}`. Raises FunctionFailedError, and what boto3 raises."""
        answer = self.client.invoke(FunctionName=f"{name}:{_ALIAS}", Payload=json.dumps(event).encode())
        said = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError"):
            request = answer["ResponseMetadata"].get("RequestId", "unknown")
            why = said.get("errorMessage", "") if isinstance(said, dict) else str(said)
            raise FunctionFailedError(f"{name}: {why} (request {request})")
        if isinstance(said, str):
            return {"html": said}
        if isinstance(said, dict) and isinstance(said.get("markdown"), str):
            return {"text": said["markdown"]}
        return {"text": json.dumps(said, indent=2, ensure_ascii=False)}
