"""Pre-annotation: where predictions come from, and whether they may be written to a task.

  begin          predictions are read and checked          CVAT has them
asking ───────────────────────▶ sending ───────────────────────▶ imported
   │                               │
   └───────────────────────────────┴──▶ skipped (with the reason): people label without them
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

BESIDE_IMAGES = "coco"
"""The value of `from` for COCO files beside the images."""
BESIDE_NAME = "predictions.coco.json"
"""The base name of such a file."""


def is_endpoint(source: str) -> bool:
    """Return whether predictions come from a model over HTTP."""
    return source.startswith(("http://", "https://"))


class PreannotationState(StrEnum):
    """How far the pre-annotation of a task is. The last two are final: it happens once."""

    ASKING = "asking"
    SENDING = "sending"
    IMPORTED = "imported"
    SKIPPED = "skipped"

    @property
    def is_final(self) -> bool:
        """Whether nothing is read or sent any more."""
        return self in (PreannotationState.IMPORTED, PreannotationState.SKIPPED)


@dataclass(frozen=True, slots=True)
class JobContent:
    """What CVAT shows of a job: how many annotations it holds that are not ours, and whether it is untouched.

    A job is untouched while its status is annotation.
    """

    others: int
    untouched: bool = True


def have_people_begun(jobs: Iterable[JobContent]) -> bool:
    """Return whether a job of the task has work that is not ours: then nothing is written to the task any more.

    A prediction that a person has moved is no longer ours. One that a person has deleted leaves no sign.
    """
    return any(job.others or not job.untouched for job in jobs)


def time_left(begun_at: datetime, now: datetime, timeout: timedelta) -> float:
    """Return for how many seconds predictions may still be waited for; 0 or less: no longer.

    It counts from the first attempt: a run that dies again and again waits no longer in all.
    """
    return (timeout - (now - begun_at)).total_seconds()
