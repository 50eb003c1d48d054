"""The account of an export: drawn = in the file + left out, for each kind of shape and each label."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelyard.annotations.content import FrameObject, Kind, LeftOut

Counts = Mapping[tuple[Kind, str], int]
"""Objects by kind and label."""

_MAX_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Omission:
    """Objects of one kind and label that are left out for one reason; `examples` say where some of them are."""

    kind: Kind
    label: str
    reason: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        more = f" (and {self.count - 1} more)" if self.count > 1 else ""
        return f"{self.kind} {self.label!r} is left out, {self.reason}: {self.examples[0]}{more}"


@dataclass(frozen=True, slots=True)
class Account:
    """What became of everything that was drawn, for one file. Objects of a track count on each of their frames."""

    in_file: Counts
    left_out: tuple[Omission, ...]

    @property
    def drawn(self) -> Counts:
        """The objects that were drawn."""
        drawn = Counter(self.in_file)
        for one in self.left_out:
            drawn[one.kind, one.label] += one.count
        return drawn

    def balances(self, drawn: Counts, written: Counts) -> bool:
        """Return whether it accounts for what was `drawn`, and a writer counted as many as are in the file."""
        return Counter(drawn) == Counter(self.drawn) and Counter(written) == Counter(self.in_file)

    def document(self) -> dict[str, Any]:
        """Return the account as JSON values."""
        return {
            "drawn": _nested(self.drawn),
            "in_file": _nested(self.in_file),
            "left_out": [
                {"kind": one.kind, "label": one.label, "count": one.count, "reason": one.reason,
                 "examples": list(one.examples)}
                for one in self.left_out
            ],
        }  # fmt: skip


def count_objects(objects: Iterable[FrameObject]) -> Counts:
    """Return the number of objects by kind and label."""
    return Counter((one.kind, one.label) for one in objects)


def count_kinds(counts: Counts) -> dict[Kind, int]:
    """Return the number of objects by kind, of every kind."""
    kinds: dict[Kind, int] = dict.fromkeys(Kind, 0)
    for (kind, _), count in counts.items():
        kinds[kind] += count
    return kinds


def account_of(in_file: Iterable[FrameObject], left_out: Sequence[tuple[LeftOut, str]]) -> Account:
    """Return the account of a file. Each object that is left out comes with words that say where it is."""
    found_at: dict[tuple[Kind, str, str], list[str]] = defaultdict(list)
    for one, where in left_out:
        found_at[one.object.kind, one.object.label, one.reason].append(where)
    omissions = [
        Omission(kind, label, reason, len(found), tuple(found[:_MAX_EXAMPLES]))
        for (kind, label, reason), found in found_at.items()
    ]
    order = list(Kind)
    omissions.sort(key=lambda one: (order.index(one.kind), one.label, one.reason))
    return Account(count_objects(in_file), tuple(omissions))


def _nested(counts: Counts) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for kind in Kind:
        labels = {label: count for (one, label), count in sorted(counts.items()) if one is kind and count}
        if labels:
            nested[kind] = labels
    return nested
