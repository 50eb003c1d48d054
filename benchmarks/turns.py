"""What the benchmarks share: the order of their turns, and the dataset of those that only register objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

BUCKET = "incoming"
IN_A_BATCH = 100
SPEC = {
    "name": "street",
    "sources": [{"bucket": BUCKET, "prefix": "in/"}],
    "annotators": ["ann"],
    "batch": {"max_objects": IN_A_BATCH},
    "task": {"labels": ["car"]},
    "export": {"prefix": "out"},
}


def turns(ways: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Yield the number of the round and the way of each turn; another way begins each round."""
    for number in range(rounds):
        first = number % len(ways)
        for way in (*ways[first:], *ways[:first]):
            yield number, way
