"""What a seed means for single steps: uploads, features and faults. Pure: a seed always gives the same plan."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.chaos.fault_plan import (
    CREATE,
    CVAT_REQUEST_FAULTS,
    DATA,
    DELAYED_EXPORT,
    DELETE,
    END_FAILPOINTS,
    EXPORT,
    JOB,
    READ,
    RUN_FAILPOINTS,
    WATCHER_FAILPOINTS,
    Decision,
    FaultPlan,
    FaultyUpload,
    WorkerFault,
)
from tests.chaos.feature_plan import with_features

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


def step_fault_plan(seed: int) -> FaultPlan:
    """Return the plan of a seed for single steps, without Prefect."""
    return with_features(with_batch_ends(_step_faults(seed)))


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
    creation = tuple({"on": CREATE, **rng.choice(CVAT_REQUEST_FAULTS), "times": 1, "skip": n} for n in range(2))
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
    return {"on": on, **rng.choice(CVAT_REQUEST_FAULTS), **which}


def _store_fault(rng: random.Random) -> Mapping[str, Any]:
    return {
        "on": rng.choice(_STORE_REQUESTS),
        **rng.choice(_STORE_FAULTS),
        "times": rng.choice((1, 3, 4)),
        "skip": rng.randint(0, 6),
    }
