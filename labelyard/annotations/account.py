"""The account of an export: drawn = in the file + left out, for each kind of shape and each label."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass
class AccountCounter:
    """Counts the objects of a file one by one. Its memory grows with kinds, labels and reasons only."""

    in_file: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    _left_out: Counter[tuple[Kind, str, str]] = field(default_factory=Counter)
    _examples: dict[tuple[Kind, str, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def hold(self, one: FrameObject) -> None:
        """Count an object that is in the file."""
        self.in_file[one.kind, one.label] += 1

    def leave_out(self, one: FrameObject, reason: str, where: str) -> None:
        """Count an object that is not; `where` says where it is."""
        key = (one.kind, one.label, reason)
        self._left_out[key] += 1
        if len(self._examples[key]) < _MAX_EXAMPLES:
            self._examples[key].append(where)

    def account(self) -> Account:
        """Return the account of what was counted."""
        order = list(Kind)
        keys = sorted(self._left_out, key=lambda key: (order.index(key[0]), *key[1:]))
        return Account(
            self.in_file, tuple(Omission(*key, self._left_out[key], tuple(self._examples[key])) for key in keys)
        )


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
    counted = AccountCounter(Counter(count_objects(in_file)))
    for one, where in left_out:
        counted.leave_out(one.object, one.reason, where)
    return counted.account()


def _nested(counts: Counts) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for kind in Kind:
        labels = {label: count for (one, label), count in sorted(counts.items()) if one is kind and count}
        if labels:
            nested[kind] = labels
    return nested
