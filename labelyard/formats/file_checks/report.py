"""What checks have found, counted by rule: the number of faults is exact, and a few of them are examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from labelyard.formats.checks.fault import Fault, Severity

MAX_EXAMPLES = 5


@dataclass(slots=True)
class Tally:
    """The faults of one rule. `fixable` says whether `--fix` repairs all of them."""

    severity: Severity
    count: int = 0
    examples: list[Fault] = field(default_factory=list)
    fixable: bool = False


@dataclass(slots=True)
class Report:
    """The faults of one or more files, by rule, and the number of their images and annotations.

    `unfixable` are rules of which a repair was tried and does not remove all faults.
    """

    images: int = 0
    annotations: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    unfixable: set[str] = field(default_factory=set)

    @property
    def fit(self) -> bool:
        """Whether no fault is an error."""
        return all(tally.severity is not Severity.ERROR for tally in self.tallies.values())

    def add(self, faults: Iterable[Fault]) -> None:
        """Count faults."""
        for fault in faults:
            tally = self.tallies.get(fault.rule)
            if tally is None:
                tally = self.tallies[fault.rule] = Tally(fault.severity)
            tally.count += 1
            if len(tally.examples) < MAX_EXAMPLES:
                tally.examples.append(fault)

    def in_order(self, rules: Iterable[str]) -> dict[str, Tally]:
        """Return the tallies in the order of rules."""
        return {name: self.tallies[name] for name in rules if name in self.tallies}


def merged(reports: Mapping[str, Report]) -> Report:
    """Return the totals of the reports of several files; the examples name the file.

    A fault that several files have is fixable if it is in all of them.
    """
    found = Report()
    for file, report in reports.items():
        found.images += report.images
        found.annotations += report.annotations
        for name, tally in report.tallies.items():
            into = found.tallies.setdefault(name, Tally(tally.severity, fixable=True))
            into.severity = min(into.severity, tally.severity)  # "error" comes before "warning"
            into.count += tally.count
            into.fixable &= tally.fixable
            into.examples += [_in_file(fault, file) for fault in tally.examples][: MAX_EXAMPLES - len(into.examples)]
    return found


def _in_file(fault: Fault, file: str) -> Fault:
    where = f"{file}, {fault.where}" if fault.where else file
    return Fault(fault.rule, fault.severity, where, fault.message)
