"""The section `deadlines` of a dataset file."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from labelyard.config.fields import Duration, Section
from labelyard.domain.deadlines import Deadlines


class DeadlinesSection(Section):
    """After which time a batch counts as late; null: never."""

    upload: Duration | None = Field(default=timedelta(hours=1), json_schema_extra={"default": "1h"})
    """From the closing of a batch, or the turn of a backfilled one, until its task shows every file as a frame."""
    assign: Duration | None = Field(default=timedelta(hours=1), json_schema_extra={"default": "1h"})
    """From then until every job has an assignee, or waits until somebody may get it."""
    label: Duration | None = Field(default=timedelta(days=7), json_schema_extra={"default": "7d"})
    """From the assignment until every job is completed; it begins again when a job is reopened."""
    export: Duration | None = Field(default=timedelta(hours=1), json_schema_extra={"default": "1h"})
    """From the last completed job until the dataset files are in the bucket."""

    def deadlines(self) -> Deadlines:
        """Return them as the decisions need them."""
        return Deadlines(self.upload, self.assign, self.label, self.export)
