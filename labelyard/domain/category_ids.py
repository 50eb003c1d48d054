"""The COCO category id of each label of a dataset. An id is assigned once and never reused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping


def assign_ids(labels: Iterable[str], existing: Mapping[str, int]) -> dict[str, int]:
    """Return the `existing` ids, and the next free id for each label without one, in the order of `labels`."""
    ids = dict(existing)
    for label in labels:
        if label not in ids:
            ids[label] = 1 + max(ids.values(), default=0)
    return ids


def recover_ids(
    files: Iterable[Mapping[str, int]], labels: Collection[str], existing: Mapping[str, int]
) -> dict[str, int]:
    """Return the ids that the dataset's COCO files use; a label in none of them gets the next free id.

    Where files disagree, the majority wins. The dataset's `labels` come first, then labels whose id agrees with
    `existing`, then the rest: a name that only files know may be a foreign label that got an id for one file.
    """
    votes = Counter(pair for file in files for pair in file.items())

    def order(pair: tuple[str, int]) -> tuple[int, int, int, str]:
        label, number = pair
        rank = 0 if label in labels else 1 if existing.get(label) == number else 2
        return rank, -votes[pair], number, label

    ids: dict[str, int] = {}
    for label, number in sorted(votes, key=order):
        if label not in ids and number not in ids.values():
            ids[label] = number
    return assign_ids(sorted(existing, key=existing.__getitem__), ids)
