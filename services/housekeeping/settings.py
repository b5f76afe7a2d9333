"""How long what is old is kept; part of `services.settings.Settings`."""

from __future__ import annotations

from typing import Final, Self

from pydantic import BaseModel, Field, model_validator

NO_ARCHIVE: Final = (
    "audit_archive must be a folder that outlives the service (HYPERADAM_AUDIT_ARCHIVE): rows of "
    "the audit log go there as JSON lines before they are removed"
)


class RetentionSettings(BaseModel):
    """Everything that is named `keep_…`."""

    keep_jobs_days: float = Field(default=0.0, ge=0, le=36_500)
    """Ended jobs are deleted so long after their end, with all but their versions of Θ; 0: never.
    """
    keep_logs_days: float = Field(default=0.0, ge=0, le=36_500)
    """Logs of ended jobs; 0: for ever."""
    keep_events_days: float = Field(default=0.0, ge=0, le=36_500)
    """Events that tell how ended jobs went on (progress, checkpoints, cells); 0: for ever."""
    keep_checkpoints_days: float = Field(default=0.0, ge=0, le=36_500)
    """What ended jobs could go on from; 0: for ever."""
    keep_outcomes_days: float = Field(default=180.0, ge=0, le=36_500)
    """Tuned rates and outcomes of evaluations that nobody used since; 0: for ever."""
    keep_datasets_days: float = Field(default=0.0, ge=0, le=36_500)
    """Registered datasets that no job was submitted with since; 0: for ever."""
    keep_processes_days: float = Field(default=1.0, ge=0, le=36_500)
    """Folders of drivers' processes after their end; 0: for ever."""
    keep_idempotency_keys_days: float = Field(default=30.0, ge=1, le=36_500)
    """A request that is sent again later is a new one."""
    keep_audit_days: float = Field(default=0.0, ge=0, le=36_500)
    """Rows of the audit log, which are written to `audit_archive` before they go; 0: for ever."""
    keep_people_days: float = Field(default=180.0, ge=0, le=36_500)
    """People of the issuer for whom it did not vouch since, and whom no job, no row of the audit
    log and nothing that they own refers to; 0: for ever."""
    audit_archive: str = ""
    """Folder of old rows of the audit log, as JSON lines.

    Default: `home/audit` where the job store is in the home; elsewhere it has to be named.
    """

    @model_validator(mode="after")
    def _keeps_what_was_audited(self) -> Self:
        if self.keep_audit_days and not self.audit_archive:
            raise ValueError(NO_ARCHIVE)
        return self
