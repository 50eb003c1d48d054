"""What everything in a run shares: its plan, its dataset, where its things are, and what has happened so far."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from labelyard.config import DatasetSpec
from labelyard.cvat import Cvat
from labelyard.ledger import Ledger
from tests.chaos.fault_plan import Plan


class Misbehaviour(Protocol):
    """The faults of a server, in this process or in another."""

    def set(self, rules: Any) -> None:
        """Replace its rules."""

    def described(self) -> list[dict[str, Any]]:
        """Its rules, and how often each was met."""


@dataclass
class Scene:
    """A dataset in a labelyard, whoever serves its parts: a lane or a site.

    `cvat` is somebody's client, `cvat_folder` is where the sandbox keeps its files.
    """

    plan: Plan
    spec: DatasetSpec
    ledger: Ledger
    cvat: Cvat
    cvat_faults: Misbehaviour
    cvat_folder: Path
    store_faults: Misbehaviour
    s3: Any
    sqs: Any
    queue_url: str
    folder: Path
    faults: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)
    calm: bool = False

    def __post_init__(self) -> None:
        self.rng = random.Random(self.plan.seed + 1)
        self.began = time.time()

    @property
    def bucket(self) -> str:
        """Where the files lie."""
        return self.spec.sources[0].bucket

    def address(self, key: str) -> str:
        """The key of a file in the bucket."""
        return f"{self.spec.sources[0].prefix}{key}"


def dataset(plan: Plan, bucket: str, annotators: Sequence[str], quiet: str) -> DatasetSpec:
    """The dataset of a run, below a prefix of its own."""
    name = f"s{plan.seed}"
    return DatasetSpec.model_validate({
        "name": name,
        "sources": [{"bucket": bucket, "prefix": f"{name}/in/"}],
        "annotators": list(annotators),
        "batch": {"max_objects": plan.max_objects, "quiet": quiet},
        "task": {"labels": ["car"], "segment_size": plan.segment_size},
        "export": {"prefix": f"{name}/out"},
    })  # fmt: skip
