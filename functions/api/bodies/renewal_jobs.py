"""Renewal jobs as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, Self

from fields import Instant, Line, Says, Shown, Strict, whole
from pydantic import BaseModel, BeforeValidator, Field, field_validator

from tocsin.expiry.renewal import RenewalJob, RenewalState, Report

_REASON = Field(max_length=512)


class RenewIn(Strict):
    """Why a certificate shall be renewed, and until when. Without a deadline its policy says how long that may take."""

    reason: Annotated[Line, _REASON] = ""
    deadline: Instant | None = None


class CancelIn(Strict):
    """Why nobody shall wait for it any more."""

    reason: Annotated[Line, _REASON] = ""


class ReportIn(Strict):
    """How it goes, as whoever renews says. That it succeeded nobody can say: it is what a source has seen."""

    state: Annotated[str, Says({"enum": [*Report]})]
    detail: Annotated[Line, _REASON] = ""
    attempt: Annotated[int, Field(ge=1, strict=True), BeforeValidator(whole)] | None = None
    """Which hand-off it is about, as its event says; null: the latest."""
    pem: Annotated[str, Field(min_length=1), Says({"format": "pem"})] | None = None
    """The certificate that was issued, the leaf first. A private key in it is neither read nor kept."""

    @field_validator("state")
    @classmethod
    def _is_reportable(cls, state: str) -> str:
        if state == RenewalState.SUCCEEDED:
            raise ValueError("can't be reported: a renewal has succeeded when a source has seen the new certificate")
        if state not in set(Report):
            raise ValueError(f"must be one of {', '.join(Report)}")
        return state


class RenewalJobOut(Shown):
    """A renewal job. `deadline`: when it is overdue. `attempts`: how often it was handed off."""

    id: str
    certificate_id: str
    common_name: str
    expires_at: datetime
    state: RenewalState
    requested_at: datetime
    requested_by: str
    reason: str
    deadline: datetime
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    finished_by: str
    next_hand_off_at: datetime | None
    last_report: str
    reported_identity: str
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, job: RenewalJob) -> Self:
        """Show `job`."""
        return cls.model_validate(job)


class RenewalJobList(BaseModel):
    """A page, the newest first; of one certificate, the latest cycle first."""

    items: list[RenewalJobOut]
    next_cursor: str | None
