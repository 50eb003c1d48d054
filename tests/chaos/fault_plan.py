"""What a seed means: the files that are uploaded, and the faults meanwhile. Pure: a seed always gives the same plan."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from labelyard.failpoints import FAILPOINTS


def _failpoints(*steps: str) -> tuple[str, ...]:
    return tuple(name for name in FAILPOINTS if name.partition(".")[0] in steps)


WATCHER_FAILPOINTS = _failpoints("watcher", "register_objects", "close_batches", "publish_events")
END_FAILPOINTS = _failpoints("leftover_tasks")
PROJECT_FAILPOINTS = _failpoints("create_project")
RELEASE_FAILPOINTS = _failpoints("release_dataset")
REVIEW_FAILPOINTS = _failpoints("review_jobs")
QUALITY_FAILPOINTS = _failpoints("assign_quality_jobs", "check_quality")
PREDICTION_FAILPOINTS = _failpoints("preannotate_task")
_NOT_IN_RUNS = (
    *_failpoints("watcher", "close_batches"), *END_FAILPOINTS, *PROJECT_FAILPOINTS, *RELEASE_FAILPOINTS,
    *REVIEW_FAILPOINTS, *QUALITY_FAILPOINTS, *PREDICTION_FAILPOINTS,
)  # fmt: skip
RUN_FAILPOINTS = tuple(name for name in FAILPOINTS if name not in _NOT_IN_RUNS)

DELAYED_EXPORT: Mapping[str, Any] = {"on": "worker export", "delay": 2.0, "times": 2}
"""CVAT's export waits after it has read the annotations, so that somebody can save others meanwhile."""

PROJECT = "POST /api/v1/projects"
CREATE, DATA, JOB = "POST /api/v1/tasks", "POST /api/v1/tasks/*/data", "PATCH /api/v1/jobs/*"
DELETE, EXPORT, READ = "DELETE /api/v1/tasks/*", "GET /api/v1/tasks/*/annotations", "GET /api/v1/*"

_CVAT_REQUEST_FAULTS: tuple[Mapping[str, Any], ...] = (
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
_CVAT_WORKER_FAULTS: tuple[Mapping[str, Any], ...] = (
    {"on": "worker creation", "delay": 0.3},
    {"on": "worker creation", "fail": "OSError: the disk is full"},
    {"on": "worker export", "delay": 0.4},
    {"on": "worker null_message"},
    {"on": DATA, "short": 0.6},
    {"on": DATA, "short": 0.6, "cut": True, "when": "after"},
)
_STORE_FAULTS: tuple[Mapping[str, Any], ...] = (
    {"status": 503},
    {"status": 500, "when": "after"},
    {"cut": True},
    {"cut": True, "when": "after"},
    {"delay": 0.3, "when": "after"},
)
_STORE_REQUESTS = ("PUT /*", "GET /*", "HEAD /*", "POST /*", "* /*")


@dataclass(frozen=True)
class FaultyUpload:
    """A file that is put into the bucket `after` so many seconds.

    `content` numbers the picture; a negative number is no image, None deletes the file. A `key` that comes twice
    overwrites its file. `notification` is sent "once", "twice" or "late", or is "lost".
    """

    key: str
    content: int | None
    after: float
    notification: str
    once_registered: bool = False
    """Wait until the ledger has registered an earlier upload of the same key."""


@dataclass(frozen=True)
class Decision:
    """What the labelling lead decides `at` so many seconds, or as soon as it is possible.

    `what`: "cancel" or "archive" a batch, "quarantine" an object, "retire" the dataset. `which` chooses among those
    that there are then.
    """

    at: float
    what: str
    which: int = 0


@dataclass(frozen=True)
class WorkerFault:
    """A fault of one worker process: kill -9, or a stop of `stop_seconds`, at a failpoint or `after` some seconds.

    `role` says which process it hits: a "watch" or a "run".
    """

    role: str
    failpoint: str | None = None
    after: float = 0.0
    stop_seconds: float = 0.0


@dataclass(frozen=True)
class ProcessFault:
    """A fault of a process of the full stack, `at` so many seconds after the start of the run.

    `kind`: "kill" (kill -9), "stop" or "full" (no space on its disk) for `seconds`, or "crash" (the next process that
    passes `failpoint` ends there).
    """

    at: float
    kind: str
    process: str
    seconds: float = 0.0
    failpoint: str = ""


@dataclass(frozen=True)
class FaultPlan:
    """All uploads and faults of a run. Rules are those of the sandbox's `faults`; times are seconds from the start."""

    seed: int
    uploads: tuple[FaultyUpload, ...]
    max_objects: int
    segment_size: int
    lease_seconds: float
    watchers: int
    worker_faults: tuple[WorkerFault, ...] = ()
    cvat_faults: tuple[Mapping[str, Any], ...] = ()
    store_faults: tuple[Mapping[str, Any], ...] = ()
    event_faults: tuple[str, ...] = ()
    """How Prefect takes each request with events, in turn: accepted, lost, twice, late, rejected, rejected_after."""
    ledger_locks: tuple[tuple[float, float], ...] = ()
    """When the ledger is locked, and for how long."""
    duplicate_runs: bool = False
    """Every sweep and every run starts twice at the same time."""
    stale_export: bool = False
    """Another export runs while the last box is drawn, so that CVAT caches an export without it."""
    reopen_job: bool = False
    """A job is reopened after the export."""
    duplicate_tasks: bool = False
    """Empty tasks with the name of a batch's task exist before its own, and empty projects with that of its project."""
    unreadable_message: bool = False
    """The queue delivers a message that cannot be parsed."""
    decisions: tuple[Decision, ...] = ()
    """What a person decides meanwhile; it may end a batch in the middle of its run."""
    fault_seconds: float = 4.0
    """How long faults are injected at most; less if everything is done earlier."""
    project: bool = False
    """The tasks are in a project, with a CVAT that has projects."""
    review: bool = False
    """Each job is rejected once, repaired, and accepted by another person than its annotator."""
    process_faults: tuple[ProcessFault, ...] = ()
    """Faults of whole processes; for the full stack only."""


def step_fault_plan(seed: int) -> FaultPlan:
    """Return the plan of a seed for single steps, without Prefect."""
    return with_review(with_project(with_batch_ends(_step_faults(seed))))


def _step_faults(seed: int) -> FaultPlan:
    rng = random.Random(seed)
    stale = rng.random() < 0.1
    kinds = rng.sample(("kill", "kill", "kill", "cvat", "cvat", "store", "events", "lock", "double"), rng.randint(1, 4))
    uploads = _uploads(rng)
    return FaultPlan(
        seed=seed,
        uploads=uploads,
        max_objects=rng.randint(2, 5),
        segment_size=rng.choice((0, 0, 2)),
        lease_seconds=rng.choice((8.0, 8.0, 20.0, 60.0)),
        watchers=rng.choice((1, 1, 2)),
        worker_faults=tuple(_worker_fault(rng) for _ in range(rng.randint(1, 3) * ("kill" in kinds))),
        cvat_faults=(DELAYED_EXPORT,) * stale
        + tuple(_cvat_fault(rng) for _ in range(rng.randint(1, 3) * ("cvat" in kinds))),
        store_faults=tuple(_store_fault(rng) for _ in range(rng.randint(1, 2) * ("store" in kinds))),
        event_faults=tuple(
            rng.choice(("accepted", "lost", "twice", "late", "rejected", "rejected_after"))
            for _ in range(6 * ("events" in kinds))
        ),
        ledger_locks=tuple((rng.uniform(0, 0.8), rng.uniform(0.1, 0.7)) for _ in range(2 * ("lock" in kinds))),
        duplicate_runs="double" in kinds,
        stale_export=stale,
        reopen_job=rng.random() < 0.1,
        duplicate_tasks=rng.random() < 0.05,
        unreadable_message=rng.random() < 0.05,
    )


def with_project(plan: FaultPlan) -> FaultPlan:
    """Return the plan with a project and faults of its creation, for every other seed; its own random numbers."""
    rng = random.Random(f"project of {plan.seed}")
    if rng.random() < 1 / 2:
        return plan
    faults = tuple({"on": PROJECT, **rng.choice(_CVAT_REQUEST_FAULTS), "times": 1, "skip": n} for n in range(2))
    killed = tuple(WorkerFault("run", rng.choice(PROJECT_FAILPOINTS)) for _ in range(rng.choice((0, 0, 1, 2))))
    return replace(
        plan, project=True, cvat_faults=plan.cvat_faults + faults[: rng.choice((0, 0, 1, 2))],
        worker_faults=plan.worker_faults + killed,
    )  # fmt: skip


def with_review(plan: FaultPlan) -> FaultPlan:
    """Return the plan with reviews and processes that end in them, for one of four seeds; its own random numbers."""
    rng = random.Random(f"review of {plan.seed}")
    if rng.random() < 3 / 4:
        return plan
    faults = tuple({"on": JOB, **rng.choice(_CVAT_REQUEST_FAULTS), "times": 1, "skip": n} for n in range(2, 4))
    killed = tuple(WorkerFault("run", rng.choice(REVIEW_FAILPOINTS)) for _ in range(rng.choice((0, 1, 1, 2))))
    return replace(
        plan, review=True, cvat_faults=plan.cvat_faults + faults[: rng.choice((0, 0, 1, 2))],
        worker_faults=plan.worker_faults + killed,
    )  # fmt: skip


def with_batch_ends(plan: FaultPlan) -> FaultPlan:
    """Return the plan with other ends of its batches, for two of three seeds; the other plans stay as they are.

    Its own random numbers: so each seed's other faults stay what they were.
    """
    rng = random.Random(f"ends of {plan.seed}")
    if rng.random() < 1 / 3:
        return plan
    forgotten = tuple(
        {"on": "worker creation", "forget": rng.choice(("queue", "worker")), "times": 1} for _ in range(2)
    )
    killed = tuple(WorkerFault("run", rng.choice(END_FAILPOINTS)) for _ in range(rng.choice((0, 0, 0, 1, 2))))
    creation = tuple({"on": CREATE, **rng.choice(_CVAT_REQUEST_FAULTS), "times": 1, "skip": n} for n in range(2))
    return replace(
        plan,
        uploads=_ending_uploads(rng, plan.uploads),
        cvat_faults=plan.cvat_faults + forgotten[: rng.choice((0, 0, 0, 1, 2))] + creation[: rng.choice((0, 0, 1, 2))],
        worker_faults=plan.worker_faults + killed,
        decisions=tuple(_decision(rng) for _ in range(rng.choice((0, 1, 1, 2, 3)))),
        duplicate_tasks=plan.duplicate_tasks or rng.random() < 0.1,
    )


def _ending_uploads(rng: random.Random, uploads: tuple[FaultyUpload, ...]) -> tuple[FaultyUpload, ...]:
    """Return the uploads; of some plans none is an image, or all are deleted or overwritten soon."""
    end = rng.choice(("as they are", "as they are", "no images", "no images", "deleted", "no images later"))
    if end == "as they are":
        return uploads
    if end == "no images":
        bad = {upload.key: -n - 1 for n, upload in enumerate(uploads)}
        return tuple(replace(upload, content=bad[upload.key]) for upload in uploads)
    contents = {upload.key: None if end == "deleted" else -n - 1 for n, upload in enumerate(uploads)}
    at = max(upload.after for upload in uploads) + rng.uniform(0, 1.5)
    wait = rng.random() < 0.5
    return (*uploads, *(FaultyUpload(key, content, at, "once", wait) for key, content in contents.items()))


def _decision(rng: random.Random) -> Decision:
    what = rng.choice(("cancel", "cancel", "cancel", "quarantine", "quarantine", "retire", "archive"))
    return Decision(rng.uniform(0, 2.5), what, rng.randrange(8))


def _uploads(rng: random.Random) -> tuple[FaultyUpload, ...]:
    uploads = []
    for i in range(rng.randint(1, 7)):
        content = -i - 1 if rng.random() < 0.06 else i
        notification = rng.choices(("once", "twice", "late", "lost"), (6, 2, 2, 1))[0]
        after = rng.choice((0.0, 0.0, rng.uniform(0, 0.5)))
        first = FaultyUpload(f"{rng.choice('ab')}/{i}.jpg", content, after, notification)
        uploads.append(first)
        if rng.random() < 0.1:
            new_content = rng.choice((20 + i, 20 + i, i, None))
            changed = FaultyUpload(first.key, new_content, after + rng.uniform(0, 0.8), rng.choice(("once", "lost")))
            uploads.append(changed)
            if rng.random() < 0.3:
                uploads.append(replace(first, after=changed.after + rng.uniform(0, 0.5), notification="once"))
    return tuple(sorted(uploads, key=lambda upload: upload.after))


def _worker_fault(rng: random.Random) -> WorkerFault:
    role = rng.choice(("watch", "run", "run", "run"))
    stop_seconds = rng.choice((0.0, 0.0, rng.uniform(0.5, 2.5)))
    if rng.random() < 0.75:
        name = rng.choice(WATCHER_FAILPOINTS if role == "watch" else RUN_FAILPOINTS)
        return WorkerFault(role, f"{name}:{rng.choice((1, 1, 1, 2))}", stop_seconds=stop_seconds)
    return WorkerFault(role, after=rng.uniform(0, 0.4), stop_seconds=stop_seconds)


def _cvat_fault(rng: random.Random) -> Mapping[str, Any]:
    which = {"times": rng.choice((1, 1, 2, 5)), "skip": rng.choice((0, 0, 1, 2))}
    if rng.random() < 0.25:
        return {**rng.choice(_CVAT_WORKER_FAULTS), "times": 1}
    on = rng.choice((CREATE, DATA, JOB, DELETE, EXPORT, READ, "* /*"))
    return {"on": on, **rng.choice(_CVAT_REQUEST_FAULTS), **which}


def _store_fault(rng: random.Random) -> Mapping[str, Any]:
    return {
        "on": rng.choice(_STORE_REQUESTS),
        **rng.choice(_STORE_FAULTS),
        "times": rng.choice((1, 3, 4)),
        "skip": rng.randint(0, 6),
    }
