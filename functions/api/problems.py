"""Errors as `application/problem+json` (RFC 9457). The only place where an error becomes a status."""

import json
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from botocore.exceptions import BotoCoreError, ClientError

from tocsin.bootstrap import resources
from tocsin.errors import (
    ConflictError,
    CursorError,
    IdempotencyMismatchError,
    InUseError,
    InvalidFieldsError,
    JobStateError,
    NoAnswerError,
    NotFoundError,
    NotRenewableError,
    PausedError,
    PreconditionFailedError,
    SenderUnavailableError,
    TocsinError,
    TooManyError,
    TransitionRefusedError,
)

BODY_LIMIT = 2 * 1024 * 1024
"""Characters in a request's body: a large file of certificates. What is too long within that is named by its field."""
_ERRORS_LIMIT = 100
"""Wrong fields that one answer names: a body may have 100,000, and Lambda answers with 6 MB at most."""
_PATH_LIMIT = 1024
"""Bytes in a path: no id is near that, and DynamoDB refuses to look for a key of more than 2048."""

_STATUS: dict[type[TocsinError], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    TransitionRefusedError: HTTPStatus.CONFLICT,
    JobStateError: HTTPStatus.CONFLICT,
    NotRenewableError: HTTPStatus.CONFLICT,
    IdempotencyMismatchError: HTTPStatus.UNPROCESSABLE_ENTITY,
    PreconditionFailedError: HTTPStatus.PRECONDITION_FAILED,
    TooManyError: HTTPStatus.CONFLICT,
    InUseError: HTTPStatus.CONFLICT,
    CursorError: HTTPStatus.BAD_REQUEST,
    PausedError: HTTPStatus.CONFLICT,
    SenderUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    NoAnswerError: HTTPStatus.GATEWAY_TIMEOUT,
}
_FIELD = {CursorError: "cursor", IdempotencyMismatchError: "Idempotency-Key"}


def handle_in(app: APIGatewayRestResolver) -> None:
    """Make `app` answer every error with a problem."""
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(InvalidFieldsError)(_invalid_fields)
    app.exception_handler(list(_STATUS))(_named)
    app.exception_handler(ServiceError)(_refused)
    app.exception_handler([ClientError, BotoCoreError])(_unavailable)
    app.exception_handler(Exception)(_crashed)
    app.not_found(lambda _error: _no_such_path())


def at_the_door(event: dict[str, Any]) -> dict[str, Any] | None:
    """Refuse what is not worth reading: an endless path, a body that is too large, or is no JSON object.

    Returns a response, or None.
    """
    if len(event["path"].encode(errors="surrogatepass")) > _PATH_LIMIT:
        return _plain(_no_such_path())
    body = event.get("body") or ""
    if len(body) > BODY_LIMIT:
        return _plain(problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has at most {BODY_LIMIT} characters."))
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/json":
        return _plain(one_field("Content-Type", "must be application/json", HTTPStatus.BAD_REQUEST))
    return _check_json(body) if body else None


def _check_json(body: str) -> dict[str, Any] | None:
    """Refuse what Powertools would crash on (a number of 5,000 digits), or take the last element of (a list)."""
    try:
        if isinstance(json.loads(body), dict):
            return None
    except (ValueError, RecursionError) as error:
        return _plain(one_field("body", f"is no JSON: {error}", HTTPStatus.BAD_REQUEST))
    return _plain(one_field("body", "must be a JSON object"))


def problem(status: HTTPStatus, detail: str, errors: list[dict[str, str]] | None = None) -> Response[str]:
    """Make a problem. `errors` names each field that is wrong."""
    body: dict[str, Any] = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return Response(status.value, "application/problem+json", json.dumps(body | ({"errors": errors} if errors else {})))


def one_field(field: str, detail: str, status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY) -> Response[str]:
    """Make a problem with one field."""
    return problem(status, f"{field} {detail}", [{"field": field, "detail": detail}])


def _no_such_path() -> Response[str]:
    return problem(HTTPStatus.NOT_FOUND, "There is no such path.")


def _invalid(error: RequestValidationError) -> Response[str]:
    found = error.errors()
    shown = [{"field": _place(one["loc"]), "detail": one["msg"]} for one in found[:_ERRORS_LIMIT]]
    return _wrong(shown, "; ".join(f"{one['field']}: {one['detail']}" for one in shown), len(found))


def _place(location: tuple[int | str, ...]) -> str:
    """Name a field as the caller wrote it: without the part of the request that it is in."""
    match location:
        case ("header", name):
            return str(name).title()
        case ("body" | "query" | "path", *inside) if inside:
            return ".".join(map(str, inside))
    return ".".join(map(str, location)) or "body"


def _invalid_fields(error: InvalidFieldsError) -> Response[str]:
    shown = [{"field": one.field, "detail": one.detail} for one in error.problems[:_ERRORS_LIMIT]]
    return _wrong(shown, "; ".join(f"{one['field']} {one['detail']}" for one in shown), len(error.problems))


def _wrong(shown: list[dict[str, str]], summary: str, count: int) -> Response[str]:
    more = f"; and {count - len(shown)} more" if count > len(shown) else ""
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, summary + more, shown)


def _named(error: TocsinError) -> Response[str]:
    status = _STATUS[type(error)]
    if type(error) in _FIELD:
        return problem(status, str(error), [{"field": _FIELD[type(error)], "detail": str(error)}])
    return problem(status, str(error))


def _refused(error: ServiceError) -> Response[str]:
    return problem(HTTPStatus(error.status_code), str(error.msg))


def _unavailable(_error: ClientError | BotoCoreError) -> Response[str]:
    resources.logger().exception("storage failed")
    answer = problem(HTTPStatus.SERVICE_UNAVAILABLE, "The storage did not answer. Try again.")
    answer.headers["Retry-After"] = "5"
    return answer


def _crashed(_error: Exception) -> Response[str]:
    resources.logger().exception("crashed")
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a defect of Tocsin; its log says more.")


def _plain(response: Response[str]) -> dict[str, Any]:
    """Write a response as API Gateway takes it."""
    headers = {"Content-Type": response.content_type}
    return {"statusCode": response.status_code, "headers": headers, "body": response.body}
