"""COCO's id of each label of a dataset: given once, in the order in which labels come, and never given again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping


def numbered(labels: Iterable[str], given: Mapping[str, int]) -> dict[str, int]:
    """What was `given`, and the next free number for each label without one, in their order."""
    numbers = dict(given)
    for label in labels:
        if label not in numbers:
            numbers[label] = 1 + max(numbers.values(), default=0)
    return numbers


def recovered(files: Iterable[Mapping[str, int]], labels: Collection[str], given: Mapping[str, int]) -> dict[str, int]:
    """The numbers that dataset files use already; a label in none of them gets the next free one.

    Where files differ, most of them are right; and the dataset's `labels` go before those that had been `given` their
    number, and these before the rest: names that only files know may have been strangers, numbered for one file alone.
    """
    votes = Counter(pair for file in files for pair in file.items())

    def order(pair: tuple[str, int]) -> tuple[int, int, int, str]:
        label, number = pair
        rank = 0 if label in labels else 1 if given.get(label) == number else 2
        return rank, -votes[pair], number, label

    numbers: dict[str, int] = {}
    for label, number in sorted(votes, key=order):
        if label not in numbers and number not in numbers.values():
            numbers[label] = number
    return numbered(sorted(given, key=given.__getitem__), numbers)
