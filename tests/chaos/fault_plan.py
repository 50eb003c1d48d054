"""What a seed means: which files come, and what is done to labelyard meanwhile. Pure, and the same for ever."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from labelyard.failpoints import FAILPOINTS

WATCHING = tuple(name for name in FAILPOINTS if name.split(".")[0] in {"watching", "landing", "closing", "announcing"})
LATE_EXPORT: Mapping[str, Any] = {"on": "worker export", "delay": 2.0, "times": 2}
"""An export between its reading of the annotations and its end, for long enough that somebody saves meanwhile."""
RUNNING = tuple(name for name in FAILPOINTS if name.split(".")[0] not in {"watching", "closing"})

CREATE, DATA, JOB = "POST /api/v1/tasks", "POST /api/v1/tasks/*/data", "PATCH /api/v1/jobs/*"
DELETE, EXPORT, READ = "DELETE /api/v1/tasks/*", "GET /api/v1/tasks/*/annotations", "GET /api/v1/*"

_HURT: tuple[Mapping[str, Any], ...] = (
    {"status": 429, "retry_after": 0},
    {"status": 500},
    {"status": 500, "when": "after"},
    {"status": 503},
    {"status": 504, "when": "after"},
    {"cut": True},
    {"cut": True, "when": "after"},
    {"delay": 1.3, "when": "after"},
    {"delay": 1.3},
)
_WORKERS: tuple[Mapping[str, Any], ...] = (
    {"on": "worker creation", "delay": 0.3},
    {"on": "worker creation", "fail": "OSError: the disk is full"},
    {"on": "worker export", "delay": 0.4},
    {"on": "worker null_message"},
    {"on": DATA, "short": 0.6},
    {"on": DATA, "short": 0.6, "cut": True, "when": "after"},
)
_STORE: tuple[Mapping[str, Any], ...] = (
    {"status": 503},
    {"status": 500, "when": "after"},
    {"cut": True},
    {"cut": True, "when": "after"},
    {"delay": 0.3, "when": "after"},
)
_STORE_CALLS = ("PUT /*", "GET /*", "HEAD /*", "POST /*", "* /*")


@dataclass(frozen=True)
class File:
    """A file that somebody puts: `after` so many seconds; its notification comes once, twice, late, or is lost.

    `content` numbers the picture; a negative one is no image, and None means that the file is deleted. `key` may come
    twice: the file is overwritten then. One that is `settled` comes only once what lay there before has landed.
    """

    key: str
    content: int | None
    after: float
    told: str
    settled: bool = False


@dataclass(frozen=True)
class Kill:
    """What befalls a worker or a watcher, at a crash point or after so many seconds: kill -9, or a stop of so many."""

    role: str
    failpoint: str | None = None
    after: float = 0.0
    stopped: float = 0.0


@dataclass(frozen=True)
class Blow:
    """What befalls a part of a whole labelyard at a time.

    `kill`; `stop`, or `full` (its disk) for so many seconds; `crash`: the next that starts or runs ends at a point.
    """

    at: float
    what: str
    part: str
    seconds: float = 0.0
    failpoint: str = ""


@dataclass(frozen=True)
class Plan:
    """All that happens in a run. Rules are those of `cvat_sandbox.faults`, times are seconds from its start."""

    seed: int
    files: tuple[File, ...]
    max_objects: int
    segment_size: int
    lease: float
    watchers: int
    kills: tuple[Kill, ...] = ()
    cvat: tuple[Mapping[str, Any], ...] = ()
    store: tuple[Mapping[str, Any], ...] = ()
    events: tuple[str, ...] = ()
    """What becomes of the announcements, in turn: taken, lost, twice, late, refused, refused_after."""
    locks: tuple[tuple[float, float], ...] = ()
    """When the ledger is locked, and how long."""
    double: bool = False
    """Every sweep and every run is begun twice at the same time."""
    stale: bool = False
    """Somebody else's export runs while the last box is drawn, so that CVAT keeps one without it."""
    reopened: bool = False
    """A job is opened again after the export."""
    twins: bool = False
    """Empty tasks of a batch's name are there before its own."""
    unreadable: bool = False
    """A message comes that nobody can read."""
    seconds: float = 4.0
    """How long it storms at most; it ends when all is done."""
    blows: tuple[Blow, ...] = ()
    """What befalls whole processes; only of a labelyard that runs as a whole."""


def plan(seed: int) -> Plan:
    """The run of a seed."""
    rng = random.Random(seed)
    stale = rng.random() < 0.1
    kinds = rng.sample(("kill", "kill", "kill", "cvat", "cvat", "store", "events", "lock", "double"), rng.randint(1, 4))
    files = _files(rng)
    return Plan(
        seed=seed,
        files=files,
        max_objects=rng.randint(2, 5),
        segment_size=rng.choice((0, 0, 2)),
        lease=rng.choice((8.0, 8.0, 20.0, 60.0)),
        watchers=rng.choice((1, 1, 2)),
        kills=tuple(_kill(rng) for _ in range(rng.randint(1, 3) * ("kill" in kinds))),
        cvat=(LATE_EXPORT,) * stale + tuple(_cvat(rng) for _ in range(rng.randint(1, 3) * ("cvat" in kinds))),
        store=tuple(_store(rng) for _ in range(rng.randint(1, 2) * ("store" in kinds))),
        events=tuple(
            rng.choice(("taken", "lost", "twice", "late", "refused", "refused_after"))
            for _ in range(6 * ("events" in kinds))
        ),
        locks=tuple((rng.uniform(0, 0.8), rng.uniform(0.1, 0.7)) for _ in range(2 * ("lock" in kinds))),
        double="double" in kinds,
        stale=stale,
        reopened=rng.random() < 0.1,
        twins=rng.random() < 0.05,
        unreadable=rng.random() < 0.05,
    )


_STRETCH = 5.0
"""How much longer everything takes with Prefect in between."""
_PARTS = ("worker", "worker", "worker", "watcher", "watcher", "sandbox", "prefect-server", "emulator", "up")
_STOPPABLE = ("worker", "watcher", "prefect-server", "sandbox", "emulator")
_TIME_OUT = 7.0


def whole_plan(seed: int) -> Plan:
    """The run of a seed for a labelyard that runs as a whole."""
    rng, made = random.Random(-seed - 1), plan(seed)
    return replace(
        made,
        files=tuple(replace(file, after=file.after * _STRETCH) for file in made.files),
        kills=(),
        cvat=tuple(_slower(rule) for rule in made.cvat),
        store=tuple(_slower(rule) for rule in made.store),
        events=(),
        locks=tuple((at * _STRETCH, seconds * _STRETCH) for at, seconds in made.locks),
        twins=False,
        seconds=60.0,
        blows=tuple(sorted((_blow(rng) for _ in range(rng.choice((1, 1, 2, 2, 3)))), key=lambda blow: blow.at)),
    )


def _slower(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    late = rule.get("delay", 0.0) > 1 and not rule["on"].startswith("worker")
    return {**rule, "delay": _TIME_OUT} if late else rule


def _blow(rng: random.Random) -> Blow:
    at, seconds = rng.uniform(0, 12), rng.uniform(1, 6)
    what = rng.choice(("kill", "kill", "kill", "crash", "crash", "crash", "stop", "full"))
    if what == "crash":
        part = rng.choice(("worker", "worker", "watcher"))
        return Blow(at / 2, what, part, failpoint=rng.choice(WATCHING if part == "watcher" else RUNNING))
    parts = {"kill": _PARTS, "stop": _STOPPABLE, "full": ("worker", "watcher")}[what]
    return Blow(at, what, rng.choice(parts), seconds)


def _files(rng: random.Random) -> tuple[File, ...]:
    files = []
    for i in range(rng.randint(1, 7)):
        content = -i - 1 if rng.random() < 0.06 else i
        told = rng.choices(("once", "twice", "late", "lost"), (6, 2, 2, 1))[0]
        after = rng.choice((0.0, 0.0, rng.uniform(0, 0.5)))
        files.append(File(f"{rng.choice('ab')}/{i}.jpg", content, after, told))
        if rng.random() < 0.1:
            new = rng.choice((20 + i, 20 + i, i, None))
            files.append(File(files[-1].key, new, after + rng.uniform(0, 0.8), rng.choice(("once", "lost"))))
            if rng.random() < 0.3:
                files.append(replace(files[-2], after=files[-1].after + rng.uniform(0, 0.5), told="once"))
    return tuple(sorted(files, key=lambda file: file.after))


def _kill(rng: random.Random) -> Kill:
    role = rng.choice(("watch", "run", "run", "run"))
    stopped = rng.choice((0.0, 0.0, rng.uniform(0.5, 2.5)))
    if rng.random() < 0.75:
        name = rng.choice(WATCHING if role == "watch" else RUNNING)
        return Kill(role, f"{name}:{rng.choice((1, 1, 1, 2))}", stopped=stopped)
    return Kill(role, after=rng.uniform(0, 0.4), stopped=stopped)


def _cvat(rng: random.Random) -> Mapping[str, Any]:
    again = {"times": rng.choice((1, 1, 2, 5)), "skip": rng.choice((0, 0, 1, 2))}
    if rng.random() < 0.25:
        return {**rng.choice(_WORKERS), "times": 1}
    return {"on": rng.choice((CREATE, DATA, JOB, DELETE, EXPORT, READ, "* /*")), **rng.choice(_HURT), **again}


def _store(rng: random.Random) -> Mapping[str, Any]:
    return {
        "on": rng.choice(_STORE_CALLS),
        **rng.choice(_STORE),
        "times": rng.choice((1, 3, 4)),
        "skip": rng.randint(0, 6),
    }
