"""The features of CVAT that a plan uses, and faults of each; all by the seed.

Each feature has random numbers of its own: so the rest of a seed's plan stays what it was.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.chaos.fault_plan import (
    CVAT_REQUEST_FAULTS,
    JOB,
    MERGE,
    PREDICTION_FAILPOINTS,
    PROJECT,
    PROJECT_FAILPOINTS,
    QUALITY_FAILPOINTS,
    REPORT,
    REPORTED_FAILPOINTS,
    REVIEW_FAILPOINTS,
    SHAPES,
    STORAGE,
    WAITING_FAILPOINTS,
    FaultPlan,
    Quality,
    WorkerFault,
)

_QUALITY_WORKER_FAULTS: tuple[Mapping[str, Any], ...] = (
    {"on": "worker consensus", "delay": 0.4},
    {"on": "worker consensus", "fail": "OSError: the disk is full"},
    {"on": "worker quality", "delay": 0.4},
    {"on": "worker quality", "fail": "OSError: the disk is full"},
)


def _cvat_faults(rng: random.Random, on: str, *, skip: int = 0) -> tuple[Mapping[str, Any], ...]:
    """Return two faults of requests to CVAT, for the next two of these requests after the `skip` first ones."""
    return tuple({"on": on, **rng.choice(CVAT_REQUEST_FAULTS), "times": 1, "skip": n} for n in (skip, skip + 1))


def _killed(
    rng: random.Random, role: str, failpoints: Sequence[str], numbers: Sequence[int]
) -> tuple[WorkerFault, ...]:
    """Return processes of a role that end at one of the failpoints: one of the `numbers` of them."""
    return tuple(WorkerFault(role, rng.choice(failpoints)) for _ in range(rng.choice(numbers)))


def with_features(plan: FaultPlan) -> FaultPlan:
    """Return the plan with the features of its seed."""
    for add in (
        with_project, with_review, with_pool, with_organization, with_cloud_storage, with_predictions, with_quality,
        with_webhook,
    ):  # fmt: skip
        plan = add(plan)
    return plan


def with_project(plan: FaultPlan) -> FaultPlan:
    """Return the plan with a project and faults of its creation, for every other seed; its own random numbers."""
    rng = random.Random(f"project of {plan.seed}")
    if rng.random() < 1 / 2:
        return plan
    faults = _cvat_faults(rng, PROJECT)
    killed = _killed(rng, "run", PROJECT_FAILPOINTS, (0, 0, 1, 2))
    return replace(
        plan, project=True, cvat_faults=plan.cvat_faults + faults[: rng.choice((0, 0, 1, 2))],
        worker_faults=plan.worker_faults + killed,
    )  # fmt: skip


def with_review(plan: FaultPlan) -> FaultPlan:
    """Return the plan with reviews and processes that end in them, for one of four seeds; its own random numbers."""
    rng = random.Random(f"review of {plan.seed}")
    if rng.random() < 3 / 4:
        return plan
    faults = _cvat_faults(rng, JOB, skip=2)
    killed = _killed(rng, "run", REVIEW_FAILPOINTS, (0, 1, 1, 2))
    return replace(
        plan, review=True, cvat_faults=plan.cvat_faults + faults[: rng.choice((0, 0, 1, 2))],
        worker_faults=plan.worker_faults + killed,
    )  # fmt: skip


def with_pool(plan: FaultPlan) -> FaultPlan:
    """Return the plan with a pool of jobs and processes that end while they assign them, for one of four seeds."""
    rng = random.Random(f"pool of {plan.seed}")
    if rng.random() < 3 / 4:
        return plan
    killed = _killed(rng, "run", (*WAITING_FAILPOINTS, "assign_jobs.chosen", "assign_jobs.sent"), (0, 1, 1, 2))
    return replace(plan, pool=True, worker_faults=plan.worker_faults + killed)


def with_organization(plan: FaultPlan) -> FaultPlan:
    """Return the plan with an organization, for every other seed."""
    rng = random.Random(f"organization of {plan.seed}")
    return replace(plan, organization=rng.choice(("", "", "dataset", "setting")))


def with_cloud_storage(plan: FaultPlan) -> FaultPlan:
    """Return the plan with a bucket that CVAT reads itself, and faults of its registration, for one of three seeds."""
    rng = random.Random(f"cloud storage of {plan.seed}")
    if rng.random() < 2 / 3:
        return plan
    faults = _cvat_faults(rng, STORAGE)
    return replace(
        plan, cloud=rng.choice(("directly", "faulty store")), inspect=rng.random() < 1 / 2,
        cvat_faults=plan.cvat_faults + faults[: rng.choice((0, 1, 1, 2))],
    )  # fmt: skip


def with_predictions(plan: FaultPlan) -> FaultPlan:
    """Return the plan with predictions beside the images, and faults of their import, for one of three seeds."""
    rng = random.Random(f"predictions of {plan.seed}")
    if rng.random() < 2 / 3:
        return plan
    states = ("good", "good", "good", "good", "broken", "missing")
    faults = _cvat_faults(rng, SHAPES)
    killed = _killed(rng, "run", PREDICTION_FAILPOINTS, (0, 1, 1, 2))
    return replace(
        plan, predictions={folder: rng.choice(states) for folder in "ab"},
        prediction_timeout=rng.choice(("1h", "1h", "1h", "2m", "1s")),
        cvat_faults=plan.cvat_faults + faults[: rng.choice((0, 1, 1, 2))], worker_faults=plan.worker_faults + killed,
    )  # fmt: skip


def with_quality(plan: FaultPlan) -> FaultPlan:
    """Return the plan with ground truth, honeypots or replicas and faults of theirs, for one of three seeds.

    There are no replicas where the plan has reviews, a pool or predictions: the dataset file refuses both together.
    """
    rng = random.Random(f"quality of {plan.seed}")
    if rng.random() < 2 / 3:
        return plan
    truth = rng.choice((1, 1, 2))
    kinds = [Quality(truth), Quality(truth, honeypots=rng.choice((1, 2)))]
    if not plan.review and not plan.pool and plan.predictions is None:
        kinds += [Quality(replicas=2), Quality(truth, replicas=2)]
    quality = rng.choice(kinds)
    on = MERGE if quality.replicas else REPORT
    faults = [*_cvat_faults(rng, on)]
    faults.append({**rng.choice(_QUALITY_WORKER_FAULTS), "times": 1})
    killed = _killed(rng, "run", QUALITY_FAILPOINTS, (0, 1, 1, 2))
    return replace(
        plan, quality=quality, cvat_faults=plan.cvat_faults + tuple(rng.sample(faults, rng.choice((0, 1, 1, 2)))),
        worker_faults=plan.worker_faults + killed, fault_seconds=plan.fault_seconds + 2,
    )  # fmt: skip


def with_webhook(plan: FaultPlan) -> FaultPlan:
    """Return the plan with the webhook of its organization and faults of the deliveries, for every other such seed."""
    rng = random.Random(f"webhook of {plan.seed}")
    if not plan.organization or rng.random() < 1 / 2:
        return plan
    killed = _killed(rng, "watch", REPORTED_FAILPOINTS, (0, 0, 1, 2))
    ways = ("accepted", "accepted", "lost", "twice", "late", "refused")
    return replace(
        plan, webhook=True, delivery_faults=tuple(rng.choice(ways) for _ in range(rng.choice((0, 10, 20)))),
        worker_faults=plan.worker_faults + killed,
    )  # fmt: skip
