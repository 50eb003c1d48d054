"""Many runs in parallel processes; each takes the next seed when it has finished one."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from queue import Empty
from typing import Any, TypeAlias

from tests.chaos.chaos_run import Outcome

_SPAWN = multiprocessing.get_context("spawn")

OpenRuns: TypeAlias = Callable[[], AbstractContextManager[Callable[[int], Outcome]]]
"""Opens, in a process of its own, what that process's runs share; yields a function that runs a seed."""


def run_seeds(seeds: Sequence[int], processes: int, open_runs: OpenRuns) -> Iterator[Outcome]:
    """Run seeds in parallel processes; yield each outcome when its run ends."""
    queue, outcomes = _SPAWN.Queue(), _SPAWN.Queue()
    for seed in [*seeds, *[None] * processes]:
        queue.put(seed)
    arguments = (open_runs, queue, outcomes)
    started = [_SPAWN.Process(target=_run_seeds, args=arguments, daemon=False) for _ in range(processes)]
    for process in started:
        process.start()
    try:
        for _ in seeds:
            yield _next_outcome(outcomes, started)
    finally:
        for process in started:
            process.join(60)
            process.kill()


def _next_outcome(outcomes: Any, processes: Sequence[Any]) -> Outcome:
    """Return the next outcome. Raises RuntimeError if a process has died, whose outcome would never come."""
    while True:
        with suppress(Empty):
            outcome: Outcome = outcomes.get(timeout=1)
            return outcome
        if any(process.exitcode for process in processes):
            raise RuntimeError("a process of the chaos runs died: its error output is above")


def _run_seeds(open_runs: OpenRuns, queue: Any, outcomes: Any) -> None:
    with open_runs() as run:
        while (seed := queue.get()) is not None:
            outcomes.put(_outcome(partial(run, seed), seed))


def _outcome(run: Callable[[], Outcome], seed: int) -> Outcome:
    """Return the outcome of a run; a failure of the test code itself counts as a violation."""
    started = time.time()
    try:
        return run()
    except Exception:  # noqa: BLE001 - a run must not end the others
        failure = f"the chaos test itself failed: {traceback.format_exc(limit=-4)}"
        return Outcome(seed, (failure,), Counter(), time.time() - started)
