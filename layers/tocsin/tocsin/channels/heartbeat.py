"""A sign of life to a watcher outside: what is read of its document, and the one GET that gives it.

Whoever watches from inside goes down with the account. A watcher outside (healthchecks.io, Uptime Kuma, another
account) expects a request each few minutes, and tells somebody when none comes.
"""

import asyncio
import ssl
from contextlib import closing

import aiohttp
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from tocsin.channels.connection import ForbiddenAddressError, guarded_session
from tocsin.delivery.recipient import Reach
from tocsin.network.blocking import Blocking

DEADLINE = 5.0
"""Seconds that a beat may take: the watcher must not hold up what it watches."""


class HeartbeatDocument(BaseModel):
    """A SecureString in SSM, a JSON object: the URL to ask after each finished run of a job. All may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    retry_sweep: SecretStr | None = None
    expiry_check: SecretStr | None = None
    source_sync: SecretStr | None = None


class HeartbeatFailedError(Exception):
    """No sign of life was given. The text says why, and repeats nothing of the URL."""


def url_for(job: str, text: str, reach: Reach) -> str | None:
    """Read the URL of `job` off the document, or None where there is none; raise HeartbeatFailedError."""
    try:
        found: SecretStr | None = getattr(HeartbeatDocument.model_validate_json(text), job)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise HeartbeatFailedError(f"the document can't be used: {first['msg']}") from None
    if found is None:
        return None
    url = found.get_secret_value()
    if problem := reach.endpoint_problem(url):
        raise HeartbeatFailedError(f"{job}: {problem}")
    return url


def beat(url: str, reach: Reach, *, deadline: float = DEADLINE, tls: ssl.SSLContext | None = None) -> None:
    """GET `url` once; raise HeartbeatFailedError unless the answer is a 2xx. Redirects are not followed."""
    asyncio.run(_get(url, reach, deadline, tls))


async def _get(url: str, reach: Reach, deadline: float, tls: ssl.SSLContext | None) -> None:
    with closing(Blocking(1, "dns")) as dns:
        async with guarded_session(reach.guard, dns, tls=tls) as session:
            try:
                async with asyncio.timeout(deadline), session.get(url, allow_redirects=False) as answer:
                    status = answer.status
            except (TimeoutError, aiohttp.ClientError, ForbiddenAddressError) as error:
                raise HeartbeatFailedError(type(error).__name__) from None  # its text may carry the URL
    if not 200 <= status < 300:  # noqa: PLR2004 - what RFC 9110, 15.3 calls successful
        raise HeartbeatFailedError(f"HTTP {status}")
