"""People who give work away: who lost which role, and what stays with somebody."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

HOW_TO_DECIDE = "in CVAT, complete the job to accept it, or give it to an annotator with the stage annotation"
"""What a person does about a job whose review has come to no end."""


class LostRole(StrEnum):
    """What somebody is no more, to whom labelyard gave a job for it; as "ben is … any more"."""

    ANNOTATOR = "no annotator"
    GROUND_TRUTH = "not the ground-truth annotator"


@dataclass(frozen=True, slots=True, order=True)
class Leaver:
    """Somebody who has a job for a role that the dataset file does not give them any more."""

    person: str
    role: LostRole

    def __str__(self) -> str:
        return f"{self.person} is {self.role} any more"


@dataclass(frozen=True, slots=True)
class Kept:
    """Work that stays with its person: why, and what to do about it."""

    what: str
    next_step: str
    is_decision: bool = False
    """Whether a person has to decide in CVAT, and no command can do it."""


def nobody_else(person: str, what: str) -> Kept:
    """Return that something stays with a person because nobody else can get it."""
    return Kept(what, f"name another person with labelyard reassign {person} --to, or add one to the dataset file")
