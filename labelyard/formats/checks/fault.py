"""What a check finds: faults, each with its rule and severity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelyard.config import DatasetSpec  # slow to import, and large


class Severity(StrEnum):
    """ERROR: the file must not be used. WARNING: the file is valid, but a training run can suffer from it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Fault:
    """A violation of `rule`; `where` names the file and the annotation, shape or image in it."""

    rule: str
    severity: Severity
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What is known of the dataset that a file belongs to: its spec, and the id of each label it ever had.

    `keys` are the names of the images that must be in the file; empty if they are not known.
    """

    spec: DatasetSpec
    category_ids: Mapping[str, int]
    keys: frozenset[str] = frozenset()


_MOST_LINES = 10


def in_lines(faults: Sequence[Fault]) -> Iterator[str]:
    """Yield a line for each fault, and of a rule with many faults only the first ones and the number of the others."""
    counts: Counter[str] = Counter()
    for fault in faults:
        counts[fault.rule] += 1
        if counts[fault.rule] <= _MOST_LINES:
            yield str(fault)
    for name, count in counts.items():
        if count > _MOST_LINES:
            yield f"{name}: {count - _MOST_LINES} more"


def summary(faults: Sequence[Fault]) -> str:
    """Return the first fault and the number of the others, in one line."""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{faults[0]}{more}"
