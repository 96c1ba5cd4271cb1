"""What the command ends with. The numbers are documented in docs/cli.md, and do not change their meaning."""

from enum import IntEnum
from http import HTTPStatus

from tocsin_cli.api import UNANSWERED, ApiError


class Exit(IntEnum):
    """What a script can tell apart."""

    OK = 0
    REFUSED = 1
    """The API refused it, or a part of what was asked for failed."""
    USAGE = 2
    """The command line is wrong, or a question could not be asked."""
    NOT_FOUND = 3
    NO_ACCESS = 4
    """No credentials, no such stack, or not allowed."""
    UNREACHABLE = 5
    """The API does not answer, or can't just now: try again."""
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    """What read the output went away (128 and the number of SIGPIPE, as a shell has it)."""


_NO_ROUTE = "Missing Authentication Token"
"""What API Gateway says of a path that it does not have (API Gateway developer guide, "Gateway response types")."""
_CAN_NOT_JUST_NOW = (
    UNANSWERED,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


def exit_of(error: ApiError) -> Exit:
    """Judge what the API said."""
    if error.status in _CAN_NOT_JUST_NOW:
        return Exit.UNREACHABLE
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Exit.NO_ACCESS
    return Exit.NOT_FOUND if error.status == HTTPStatus.NOT_FOUND else Exit.REFUSED


def explained(error: ApiError) -> str:
    """Say what the API said, as one text: what is wrong, and by which id its log knows more."""
    said = error.detail
    if said == _NO_ROUTE:
        said = "this stack's API has no such path. Is the stack older than this command?"
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        said = f"Not allowed: {said}"
    logged = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and error.request_id
    return f"{said} (request {error.request_id})" if logged else said
