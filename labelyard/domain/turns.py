"""Which of several workers starts a run first."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256


def first_worker(run: str, workers: Collection[str]) -> str:
    """Return the worker that starts a run first. All workers name the same one, without asking each other.

    When a worker comes or goes, only its own runs change to or from it.
    """
    return max(workers, key=lambda worker: sha256(f"{run} {worker}".encode()).digest())
