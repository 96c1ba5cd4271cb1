"""The steps of the state machine, a handler for each. What one returns goes into the machine's data: never a key.

Each gets what it needs of the data as its event, and may be repeated: a step that was done already changes nothing.
"""

import json
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from cryptography import x509

from renewer import tocsin
from renewer.account import AccountSecret
from renewer.authority import Authority, Progress
from renewer.errors import RefusedError
from renewer.job import Job
from renewer.keys import key_pem, new_key
from renewer.settings import settings
from renewer.shelf import Imports, Issued, KeySecrets, refusal, region_of
from renewer.window import start_at
from renewer.zones import Zones

if TYPE_CHECKING:
    from mypy_boto3_acm import ACMClient

Event = dict[str, Any]
PATIENT = Config(retries={"mode": "standard", "max_attempts": 8})  # Route 53 takes five requests a second of an account
ORDERS = 3
"""Orders of one execution. Authorities limit how often the same certificate is issued in a week."""
LOOKS = 120
"""How often Route 53 and the authority are asked, before it is given up."""
REASON_LIMIT = 500
"""Bytes of a reason: Tocsin takes 512."""


def plan(event: Event, _context: object) -> Event:
    """Decide whether to begin, and when, and whether the authority knows what is to be replaced."""
    job = Job.parse(event["job"])
    _checked(job)
    if job.source == "acm" and (why := refusal(_acm(region_of(job.source_ref)), job.source_ref)):
        raise RefusedError(why)
    window = Authority(settings()).suggested(job.ari_id) if job.ari_id else None
    return {
        "start_at": _written(start_at(job, window, datetime.now(UTC))),
        "replaces": job.ari_id if window is not None else "",
        "poll_seconds": settings().poll_seconds,
        "order": {"round": 0, "url": "", "challenges": []},
    }


def order(event: Event, _context: object) -> Event:
    """Order the certificate, with the account that is made at the first use."""
    taken = event["order"]["round"] + 1
    if taken > ORDERS:
        raise RefusedError(f"{ORDERS} orders came to nothing: the authority takes too long, or steps die")
    job, authority = Job.parse(event["job"]), Authority(settings())
    account = _account().opened(settings().directory_url, authority.registered)
    ordered = authority.signed_in(account).order(job.names, event["plan"]["replaces"] or None)
    # Those of the order before stay in the list: they must be cleaned up as well.
    listed = dict.fromkeys([*_challenges(event), *ordered.challenges])
    return {"round": taken, "url": ordered.url, "challenges": [list(one) for one in listed]}


def answer(event: Event, _context: object) -> Event:
    """Put the records into Route 53."""
    changes = _zones().put(_challenges(event))
    return {"state": Progress.PROPAGATING, "looks": 0, "changes": changes}


def check(event: Event, _context: object) -> Event:
    """Look how far it is: when Route 53 has the records everywhere, tell the authority; then ask what it saw."""
    before: Event = event["progress"]
    url = event["order"]["url"]
    looks = before["looks"] + 1
    if looks > LOOKS:
        raise RefusedError(f"after {LOOKS} looks the order is still {before['state']}")
    authority = Authority(settings()).signed_in(_account().opened(settings().directory_url, _never))
    if before["state"] == Progress.PROPAGATING:
        if not _zones().in_sync(before["changes"]):
            return before | {"looks": looks}
        authority.answer(url)
    return before | {"state": authority.progress(url), "looks": looks}


def issue(event: Event, _context: object) -> Event:
    """Make the key, ask for the certificate, and put both where they belong: in one step, so that no key leaves it."""
    job = Job.parse(event["job"])
    authority = Authority(settings()).signed_in(_account().opened(settings().directory_url, _never))
    key = new_key(job)
    now = datetime.now()  # noqa: DTZ005 - the library compares with a time of no zone
    issued = Issued(authority.issue(event["order"]["url"], job.names, key, now), key_pem(key))
    leaf = x509.load_pem_x509_certificate(issued.leaf.encode())
    imports = Imports(_acm, boto3.client("ssm", config=PATIENT), settings().imported_prefix)
    secrets = KeySecrets(boto3.client("secretsmanager", config=PATIENT), settings().key_secrets_prefix)
    return {
        "pem": issued.pem,
        "serial": f"{leaf.serial_number:x}",
        "expires_at": _written(leaf.not_valid_after_utc),
        "acm_arn": imports.put(job, issued) if settings().import_into_acm or job.source == "acm" else "",
        "secret_arn": secrets.put(job, issued) if settings().key_secrets_prefix else "",
    }


def clean(event: Event, _context: object) -> Event:
    """Take the records away, whatever became of the order."""
    return {"changes": _zones().remove(_challenges(event))}


def report(event: Event, _context: object) -> Event:
    """Tell Tocsin how it stands."""
    body: Event = {name: event[name] for name in ("state", "pem") if event.get(name)}
    body["attempt"] = event["job"]["attempt"]
    if "problem" in event:
        body["detail"] = _reason(event["problem"])
    session = boto3.Session()
    credentials = session.get_credentials()
    if credentials is None:
        raise RuntimeError("the step has no credentials")
    tocsin.report(settings().tocsin_api_url, credentials, session.region_name, event["job"]["job_id"], body)
    return body


def _checked(job: Job) -> None:
    for name in job.names:
        try:
            x509.DNSName(name)
        except ValueError as error:
            raise RefusedError(f"{name!r} is no DNS name") from error
        if "." not in name or name.replace(".", "").isdigit() or ":" in name or " " in name:
            raise RefusedError(f"{name!r} is no name that an authority checks by DNS")


def _reason(problem: Event) -> str:
    """Give what a step died of, in the step's own words."""
    try:
        said = json.loads(problem["Cause"])["errorMessage"]
    except (ValueError, KeyError, TypeError):
        said = problem.get("Cause") or problem.get("Error") or "no reason was given"
    return " ".join(f"{problem.get('Error', 'Error')}: {said}".split()).encode()[:REASON_LIMIT].decode(errors="ignore")


def _challenges(event: Event) -> list[tuple[str, str]]:
    return [(name, value) for name, value in event["order"]["challenges"]]


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _never(_key: object) -> str:
    raise RefusedError("the account's secret was emptied, or the authority changed, after the order was made")


def _account() -> AccountSecret:
    return AccountSecret(boto3.client("secretsmanager", config=PATIENT), settings().account_secret)


def _zones() -> Zones:
    return Zones(boto3.client("route53", config=PATIENT), settings().hosted_zone_ids)


@cache
def _acm(region: str | None) -> "ACMClient":
    return boto3.client("acm", region_name=region, config=PATIENT)
