"""The result of a check, and what a check receives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from labelyard.config import DatasetSpec
from labelyard.settings import Settings


class Status(StrEnum):
    """How a part is: fine, working with a limit that a person should know, broken, or not visible from here."""

    OK = "ok"
    WARNING = "warning"
    FAIL = "fail"
    UNKNOWN = "unknown"

    @property
    def is_problem(self) -> bool:
        """Whether a person should act."""
        return self in (Status.WARNING, Status.FAIL)


@dataclass(frozen=True)
class CheckResult:
    """One line of the doctor: the name of the part, its status, what was found, and the next command."""

    name: str
    status: Status
    message: str
    next_step: str = ""


@dataclass(frozen=True)
class Installation:
    """What is checked: the settings, and the datasets, none if the ledger cannot be read."""

    settings: Settings
    datasets: tuple[DatasetSpec, ...] = ()


Check: TypeAlias = Callable[[Installation], Iterator[CheckResult]]
"""Checks one part; a LabelyardError that it raises becomes a result."""

Subject: TypeAlias = Callable[[Installation], Mapping[str, Check]]
"""Returns the checks of one subject by name: one for each bucket, for each CVAT and so on."""


def ok(name: str, message: str) -> CheckResult:
    """Return the result of a part that is fine."""
    return CheckResult(name, Status.OK, message)


def warning(name: str, message: str, next_step: str) -> CheckResult:
    """Return the result of a part that works with a limit."""
    return CheckResult(name, Status.WARNING, message, next_step)


def fail(name: str, message: str, next_step: str) -> CheckResult:
    """Return the result of a part that is broken."""
    return CheckResult(name, Status.FAIL, message, next_step)


def unknown(name: str, message: str, next_step: str = "") -> CheckResult:
    """Return the result of a part that cannot be seen from this machine."""
    return CheckResult(name, Status.UNKNOWN, message, next_step)
