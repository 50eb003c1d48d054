"""Many runs: lanes side by side, each a process of its own; seeds are handed to whichever is free."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeAlias

from tests.chaos.chaos_run import Outcome

_SPAWN = multiprocessing.get_context("spawn")

OpenLane: TypeAlias = Callable[[], AbstractContextManager[Callable[[int], Outcome]]]
"""Opens what the runs of a lane share, in the lane's process; what it yields runs a seed."""


def run_seeds(seeds: Sequence[int], lanes: int, open_lane: OpenLane) -> Iterator[Outcome]:
    """The outcome of each seed, as they end."""
    waiting, outcomes = _SPAWN.Queue(), _SPAWN.Queue()
    for seed in [*seeds, *[None] * lanes]:
        waiting.put(seed)
    processes = [_SPAWN.Process(target=_lane, args=(open_lane, waiting, outcomes), daemon=False) for _ in range(lanes)]
    for process in processes:
        process.start()
    try:
        for _ in seeds:
            yield outcomes.get()
    finally:
        for process in processes:
            process.join(60)
            process.kill()


def _lane(open_lane: OpenLane, waiting: Any, outcomes: Any) -> None:
    with open_lane() as run:
        while (seed := waiting.get()) is not None:
            outcomes.put(_outcome(partial(run, seed), seed))


def _outcome(run: Callable[[], Outcome], seed: int) -> Outcome:
    """How a run ended; what the bench itself stumbles over is a difference too."""
    began = time.time()
    try:
        return run()
    except Exception:  # noqa: BLE001 - a run must not end the others
        return Outcome(seed, (f"the bench failed: {traceback.format_exc(limit=-4)}",), Counter(), time.time() - began)
