"""Faults of what was drawn in a job, which its annotator can repair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_FAULTS = 20
"""The faults of a job that are kept one by one; of the others only the number."""
_PREFIX = "labelyard check: "
"""What every issue about a fault begins with, in CVAT."""


@dataclass(frozen=True, slots=True)
class JobFault:
    """What is wrong on a frame, and where: left, top, right and bottom in pixels."""

    frame: int
    message: str
    box: tuple[float, float, float, float]

    def __str__(self) -> str:
        return f"frame {self.frame}: {self.message}"

    @property
    def issue(self) -> str:
        """The words of the issue in CVAT."""
        return f"{_PREFIX}{self.message}"


def is_about_fault(issue: str) -> bool:
    """Return whether labelyard wrote an issue about a fault."""
    return issue.startswith(_PREFIX)


def as_reasons(faults: Sequence[JobFault]) -> dict[str, Any]:
    """Return faults as the ledger stores them: the first ones, and how many there are."""
    found = [{"frame": one.frame, "message": one.message, "box": list(one.box)} for one in faults[:MOST_FAULTS]]
    return {"faults": found, "count": len(faults)}


def listed(faults: Sequence[JobFault]) -> Sequence[JobFault]:
    """Return the faults that get an issue each: the first ones, and one that says how many more there are."""
    return of_reasons(as_reasons(faults))


def of_reasons(reasons: Mapping[str, Any]) -> Sequence[JobFault]:
    """Return the faults that the ledger stores; the last one says how many it does not."""
    found = [JobFault(one["frame"], one["message"], tuple(one["box"])) for one in reasons.get("faults", ())]
    left_out = reasons.get("count", 0) - len(found)
    if left_out > 0:
        found.append(JobFault(found[-1].frame, f"{left_out} more faults in this job", found[-1].box))
    return found
