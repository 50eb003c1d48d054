"""The account of a release: those of its sources added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

_MAX_EXAMPLES = 5

Nested = dict[str, dict[str, int]]
"""Objects by kind and label."""


class _Omission(Struct):
    kind: str
    label: str
    count: int
    reason: str
    examples: list[str] = []


class _Account(Struct):
    drawn: Nested
    in_file: Nested
    left_out: list[_Omission]


def added_up(documents: Iterable[object]) -> dict[str, Any] | None:
    """Return the sum of accounts, as files have them in `info`; None if none of the documents is an account."""
    accounts = list(filter(None, map(_account, documents)))
    if not accounts:
        return None
    left_out: dict[tuple[str, str, str], _Omission] = {}
    for account in accounts:
        for one in account.left_out:
            total = left_out.setdefault(
                (one.kind, one.label, one.reason), _Omission(one.kind, one.label, 0, one.reason, [])
            )
            total.count += one.count
            total.examples = [*total.examples, *one.examples][:_MAX_EXAMPLES]
    return {
        "drawn": _sum(account.drawn for account in accounts),
        "in_file": _sum(account.in_file for account in accounts),
        "left_out": [msgspec.to_builtins(left_out[key]) for key in sorted(left_out)],
    }


def balances(document: object) -> bool:
    """Return whether an account accounts for every object: drawn = in the file + left out."""
    account = _account(document)
    if account is None:
        return False
    found = _flat(account.in_file)
    for one in account.left_out:
        found[one.kind, one.label] += one.count
    return found == _flat(account.drawn)


def _account(document: object) -> _Account | None:
    try:
        return msgspec.convert(document, _Account)
    except msgspec.ValidationError:
        return None


def _flat(counts: Nested) -> Counter[tuple[str, str]]:
    return Counter({(kind, label): number for kind, labels in counts.items() for label, number in labels.items()})


def _sum(many: Iterable[Nested]) -> Nested:
    total: Counter[tuple[str, str]] = Counter()
    for one in many:
        total.update(_flat(one))
    nested: Nested = {}
    for (kind, label), number in sorted(total.items()):
        nested.setdefault(kind, {})[label] = number
    return nested
