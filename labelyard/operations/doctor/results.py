"""What a check answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from labelyard.config import DatasetSpec
from labelyard.settings import Settings


class Verdict(StrEnum):
    """Right; wrong, with the next command; or not to be seen from here, which may be fine."""

    RIGHT = "right"
    WRONG = "wrong"
    UNSEEN = "unseen"


@dataclass(frozen=True)
class Finding:
    """One line: about what, how it is, and what to do next."""

    about: str
    verdict: Verdict
    what: str
    next_step: str = ""


@dataclass(frozen=True)
class Patient:
    """What is looked at: the settings, and the datasets as far as the ledger could be read."""

    settings: Settings
    datasets: tuple[DatasetSpec, ...] = ()


Check = Callable[[Patient], Iterator[Finding]]
"""Looks at one thing; a LabelyardError that it raises is a finding too."""


def right(about: str, what: str) -> Finding:
    """All is well."""
    return Finding(about, Verdict.RIGHT, what)


def wrong(about: str, what: str, next_step: str) -> Finding:
    """Something has to be done."""
    return Finding(about, Verdict.WRONG, what, next_step)


def unseen(about: str, what: str, next_step: str = "") -> Finding:
    """It cannot be told from here."""
    return Finding(about, Verdict.UNSEEN, what, next_step)
