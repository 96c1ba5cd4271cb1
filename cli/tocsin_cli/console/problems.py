"""What AWS refused or could not do, in words that say what to do about it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import ConnectionError as NoConnectionError

from tocsin_cli.connection import NotFoundStackError

FAILURES = (BotoCoreError, ClientError, NotFoundStackError)
"""What `of` can explain."""

_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
_STALE = {
    *("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"),
    *("RequestExpired", "SignatureDoesNotMatch", "InvalidSignatureException"),
}
_ACTION = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z*]+)(?: on resource:? (\S+))?")


@dataclass(frozen=True)
class Problem:
    """Why something is not there, and what an operator can do about it."""

    title: str
    detail: str
    permission: str | None = None
    """The IAM action that is missing, if that is why."""

    def as_json(self) -> Mapping[str, str | None]:
        """Give it as the page reads it."""
        return {"title": self.title, "detail": self.detail, "permission": self.permission}


def of(error: Exception, action: str) -> Problem:
    """Explain one of FAILURES, met while doing the IAM action, for instance `lambda:InvokeFunction`."""
    if isinstance(error, ClientError):
        return _refused(error, action)
    if isinstance(error, NoCredentialsError):
        detail = "Set AWS_PROFILE, give --profile, or sign in with `aws sso login`; then start the console again."
        return Problem("No AWS credentials were found", detail)
    if isinstance(error, (TokenRetrievalError, UnauthorizedSSOTokenError)):
        return Problem("The sign-in has run out", f"{error} Sign in again with `aws sso login`; then reload the page.")
    if isinstance(error, (NoConnectionError, HTTPClientError)):
        return Problem("AWS does not answer", f"{error} The page asks again every 30 seconds.")
    return Problem("The stack can't be reached", str(error))


def _refused(error: ClientError, action: str) -> Problem:
    said = error.response.get("Error", {})
    code, message = said.get("Code", ""), said.get("Message", "") or str(error)
    if code in _DENIED:
        found = _ACTION.search(message)
        missing = found[1] if found else action
        where = f" on {found[2].rstrip('.')}" if found and found[2] else ""
        detail = f"Your credentials may not do {missing}{where}. Whoever manages them can add it: see docs/console.md."
        return Problem("A permission is missing", detail, missing)
    if code in _STALE:
        detail = f"{message} Sign in again (`aws sso login`, or new keys); then reload the page."
        return Problem("AWS does not accept the credentials", detail)
    return Problem("AWS refused", f"{action}: {message} ({code})")
