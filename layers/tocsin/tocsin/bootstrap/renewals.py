"""The wiring of renewal jobs: what the API and the check do with them, and what delivery asks before a hand-off."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TypeVar

from tocsin.bootstrap import inventory, resources
from tocsin.delivery.notification import Notification
from tocsin.delivery.send import NoLongerTrue, Verdict
from tocsin.errors import ConflictError, FieldProblem, InvalidFieldsError, NotFoundError, PreconditionFailedError
from tocsin.expiry.lifecycle import Lifecycle
from tocsin.expiry.renewal import RenewalJob, RenewalState, job_id, why_not_handed_off
from tocsin.expiry.renewals import Deed, News, Renewals
from tocsin.inventory.certificate import Certificate
from tocsin.storage.inventory.renewal_jobs import RenewalJobs
from tocsin.storage.inventory.suggestions import SuggestionList
from tocsin.storage.paging import Page

T = TypeVar("T")
_TRIES = 5
"""How often a step is decided anew because somebody else was first."""


@cache
def jobs() -> RenewalJobs:
    """Open the jobs."""
    settings = resources.settings()
    return RenewalJobs(
        resources.dynamodb(),
        settings.inventory_table,
        inventory.records().certificates,
        resources.table(),
        resources.audit_trail(),
    )


def renewals(created: Callable[[Notification], None], changes: Lifecycle) -> Renewals:
    """Make what moves jobs by `changes` of their certificates; `created` hears of each hand-off."""
    settings = resources.settings()
    enlist = SuggestionList(resources.dynamodb(), settings.inventory_table).enlist
    return Renewals(jobs(), changes, settings.delivery, created, enlist)


def request(certificate_id: str, by: str, reason: str, until: datetime | None) -> tuple[RenewalJob, bool]:
    """Ask for a renewal; give the job, and whether it was handed off by this.

    Raises NotFoundError, NotRenewableError; InvalidFieldsError for a deadline that is over.
    """
    now = resources.now()
    if until is not None and until <= now:
        raise InvalidFieldsError([FieldProblem("deadline", "must be in the future")])
    resolver = inventory.resolver()

    def ask() -> tuple[RenewalJob, bool]:
        certificate = inventory.records().certificates.get(certificate_id)
        policy = resolver.resolve(certificate).policy
        return _renewals().request(certificate, policy, Deed(by, now, reason), until)

    return _decided(ask)


def report(id_: str, news: News, by: str) -> RenewalJob:
    """Take a report. Raises NotFoundError, JobStateError."""
    policy_of = inventory.resolver().resolve
    return _decided(lambda: _renewals().report(id_, news, Deed(by, resources.now()), lambda one: policy_of(one).policy))


def cancel(id_: str, by: str, reason: str) -> RenewalJob:
    """Expect a renewal no more. Raises NotFoundError, JobStateError."""
    return _decided(lambda: _renewals().cancel(id_, Deed(by, resources.now(), reason)))


def issued_by(job_id: str, pem: str) -> str:
    """Read which certificate was issued, as its PEM text begins; give its identity.

    Raises InvalidFieldsError, also where it does not outlive the one that is to be renewed; NotFoundError.
    """
    from tocsin.sources.intake import first_sight  # noqa: PLC0415 - it comes with the other
    from tocsin.sources.pem import read_pem  # noqa: PLC0415 - cryptography would cost every cold start of the API

    leaf = first_sight(read_pem(pem)[0], resources.now())
    if leaf.expires_at <= jobs().read(job_id).expires_at:
        raise InvalidFieldsError([FieldProblem("pem", "expires no later than the certificate that is to be renewed")])
    return leaf.identity


def listed(state: RenewalState | None, certificate_id: str | None, limit: int, after: str | None) -> Page[RenewalJob]:
    """Give a page of jobs, the newest first; of one certificate, the latest cycle first."""
    if certificate_id is not None:
        return jobs().of_certificate(certificate_id, state, limit, after)
    return jobs().page(state, limit, after)


def job_of(certificate: Certificate) -> RenewalJob | None:
    """Give the job of the cycle that a certificate is in, if there is one."""
    try:
        return jobs().get(job_id(certificate.id, certificate.expires_at))
    except NotFoundError:
        return None


def review_hand_offs(rows: Sequence[Notification]) -> Mapping[str, Verdict]:
    """Say which hand-offs are for nothing by now. Where that can't be read they go: who renews knows a job again."""
    try:
        found = jobs().of_hand_offs(rows)
    except Exception:  # a renewal that may be needed must not wait for the inventory to answer
        logging.getLogger(__name__).exception("%d hand-offs could not be reviewed, and go as they are", len(rows))
        return {}
    whys = {row.id: why_not_handed_off(row, found.get(row.id)) for row in rows}
    return {id_: NoLongerTrue(why) for id_, why in whys.items() if why is not None}


def _renewals() -> Renewals:
    return renewals(resources.recorder().created, inventory.lifecycle())


def _decided(step: Callable[[], T]) -> T:
    """Decide on what is there; anew where somebody else was first. Raises ConflictError where that goes on."""
    for _ in range(_TRIES):
        try:
            return step()
        except PreconditionFailedError:
            continue
    raise ConflictError("the renewal job moves on all the time")
