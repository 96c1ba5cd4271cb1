"""What is said to Tocsin: that a renewal began, that it failed, which certificate came of it."""

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from renewer.errors import JobIsOverError, RefusedError, TocsinUnreachableError

TIMEOUT = 20
"""Seconds. A cold start of the API is within it."""
OVER = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


def report(api_url: str, credentials: Credentials, region: str, job_id: str, body: dict[str, Any]) -> None:
    """Report to a job, signed by the step's own role."""
    url = f"{api_url}/api/v1/renewal-jobs/{quote(job_id, safe='')}/report"
    signed = AWSRequest("POST", url, data=json.dumps(body), headers={"Content-Type": "application/json"})
    SigV4Auth(credentials, "execute-api", region).add_auth(signed)
    try:
        answer = requests.post(url, data=signed.body, headers=dict(signed.headers.items()), timeout=TIMEOUT)
    except requests.RequestException as error:
        raise TocsinUnreachableError(f"Tocsin can't be reached: {error}") from error
    said = f"Tocsin answers {answer.status_code}: {answer.text[:300]}"
    if answer.status_code in OVER:
        raise JobIsOverError(said)
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        raise TocsinUnreachableError(said)
    if not answer.ok:
        raise RefusedError(said)
