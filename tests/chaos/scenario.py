"""A scenario: what all parts of one run share, namely its plan, dataset and servers, and what has happened so far."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.cvat import Cvat
from labelyard.ledger import Ledger
from tests.chaos.fault_plan import FaultPlan

ORGANIZATION = "chaos"
"""The short name of the organization of the runs that are in one."""


class FaultRules(Protocol):
    """The fault rules of a server, in this process or in another."""

    def set(self, rules: Any) -> None:
        """Replace the rules."""

    def described(self) -> list[dict[str, Any]]:
        """Return the rules, each with the number of requests that it met."""


@dataclass
class Scenario:
    """One dataset of a labelyard under faults. `cvat` is an annotators' client without labelyard's retries or leases.

    It is a client of the organization that the dataset is in.

    `cvat_folder` is the data folder of the sandbox.
    """

    plan: FaultPlan
    spec: DatasetSpec
    ledger: Ledger
    cvat: Cvat
    cvat_version: str
    cvat_rules: FaultRules
    cvat_folder: Path
    store_rules: FaultRules
    s3: Any
    sqs: Any
    queue_url: str
    folder: Path
    context: Context
    """For commands of a person: the store and CVAT without the store's faults."""
    fault_counts: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)
    faults_stopped: bool = False

    def __post_init__(self) -> None:
        self.rng = random.Random(self.plan.seed + 1)
        self.started_at = time.time()

    @property
    def bucket(self) -> str:
        """The bucket of the dataset's source."""
        return self.spec.sources[0].bucket

    def key(self, name: str) -> str:
        """Return the object key of a file below the dataset's source prefix."""
        return f"{self.spec.sources[0].prefix}{name}"


def dataset_spec(plan: FaultPlan, bucket: str, annotators: Sequence[str], quiet: str) -> DatasetSpec:
    """Return the dataset of a run, below its own prefix; the last of the annotators gets the ground-truth jobs."""
    name = f"s{plan.seed}"
    project = {"project": f"project of {name}"} if plan.project else {}
    cloud = {"upload": "cloud", "inspect": plan.inspect} if plan.cloud else {}
    # People are told nothing in a fault run: they may complete a job again before they have seen that it is back.
    review = {"review": {"reviewers": list(annotators), "rounds": 20}} if plan.review else {}
    pool = {"assignment": {"policy": "pool"}} if plan.pool else {}
    organization = {"cvat": {"organization": ORGANIZATION}} if plan.organization == "dataset" else {}
    predictions = {"preannotate": {"from": "coco", "timeout": plan.prediction_timeout}}
    return DatasetSpec.model_validate({
        "name": name,
        "sources": [{"bucket": bucket, "prefix": f"{name}/in/"}],
        "annotators": list(annotators),
        "batch": {"max_objects": plan.max_objects, "quiet": quiet},
        "task": {"labels": ["car"], "segment_size": plan.segment_size, **project, **cloud},
        "export": {"prefix": f"{name}/out"},
        **review,
        **pool,
        **organization,
        **({} if plan.predictions is None else predictions),
        **({} if plan.quality is None else {"quality": plan.quality.section(annotators[-1])}),
    })  # fmt: skip
