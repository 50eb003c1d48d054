"""Many runs: lanes side by side, seeds handed to whichever is free."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence

from storms.lane import open_lane
from storms.plan import plan
from storms.storm import Outcome, Storm

_SPAWN = multiprocessing.get_context("spawn")


def run_seeds(seeds: Sequence[int], emulator_url: str, lanes: int, postgres: str | None = None) -> Iterator[Outcome]:
    """The outcome of each seed, as they end."""
    waiting, outcomes = _SPAWN.Queue(), _SPAWN.Queue()
    for seed in [*seeds, *[None] * lanes]:
        waiting.put(seed)
    processes = [
        _SPAWN.Process(target=_lane, args=(emulator_url, postgres, waiting, outcomes), daemon=False)
        for _ in range(lanes)
    ]
    for process in processes:
        process.start()
    try:
        for _ in seeds:
            yield outcomes.get()
    finally:
        for process in processes:
            process.join(30)
            process.kill()


def run_one(seed: int, lane: object) -> Outcome:
    """One run; what the bench itself stumbles over is a difference too."""
    began = time.time()
    try:
        return Storm(lane, plan(seed)).run()  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - a run must not end the others
        return Outcome(seed, (f"the bench failed: {traceback.format_exc(limit=-4)}",), Counter(), time.time() - began)


def _lane(emulator_url: str, postgres: str | None, waiting: object, outcomes: object) -> None:
    with open_lane(emulator_url, postgres) as lane:
        while (seed := waiting.get()) is not None:  # type: ignore[attr-defined]
            outcomes.put(run_one(seed, lane))  # type: ignore[attr-defined]
