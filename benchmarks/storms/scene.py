"""What everything in a run shares: its dataset, ledger, queue and settings, and what has happened so far."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field

from pydantic import SecretStr

from labelyard.ledger import Ledger, datasets
from labelyard.settings import CvatSettings, Settings
from labelyard.spec import DatasetSpec
from storms.lane import Lane
from storms.plan import Plan
from storms.worker import clock

CALM_LEASE = 60.0


@dataclass
class Scene:
    """A dataset of its own in a lane, below a prefix of the lane's bucket."""

    lane: Lane
    plan: Plan
    faults: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)
    calm: bool = False

    def __post_init__(self) -> None:
        self.name = f"s{self.plan.seed}"
        self.rng = random.Random(self.plan.seed + 1)
        self.epoch = self.began = time.time()
        self.spec = DatasetSpec.model_validate({
            "name": self.name,
            "sources": [{"bucket": self.lane.bucket, "prefix": f"{self.name}/in/"}],
            "annotators": ["ann", "bob"],
            "batch": {"max_objects": self.plan.max_objects, "quiet": "6s"},
            "task": {"labels": ["car"], "segment_size": self.plan.segment_size},
            "export": {"prefix": f"{self.name}/out"},
        })  # fmt: skip
        url = self.lane.ledgers.make(self.name)
        self.settings = self._settings(url)
        self.ledger = Ledger(url, clock=clock(self.epoch))
        with self.ledger.write() as session:
            datasets.apply(self.ledger, session, self.spec)
        created = self.lane.sqs.create_queue(QueueName=self.name, Attributes={"VisibilityTimeout": "1"})
        self.queue_url: str = created["QueueUrl"]

    def address(self, key: str) -> str:
        """The key of a file in the bucket."""
        return f"{self.name}/in/{key}"

    def calm_down(self) -> None:
        """From now on nothing goes wrong any more."""
        self.calm = True
        self.settings = self.settings.model_copy(update={"lease_seconds": CALM_LEASE})

    def close(self) -> None:
        """Forget the ledger."""
        self.ledger.close()
        self.lane.ledgers.remove(self.name)

    def _settings(self, ledger: str) -> Settings:
        token = SecretStr(self.lane.config.cvat_token)
        return Settings(
            ledger=ledger, store=self.lane.config.store, spool=self.lane.folder / "spool",
            lease_seconds=self.plan.lease, poll_seconds=0.02, unclear_upload_seconds=0.3, announce_again_seconds=8,
            export_deadline_seconds=10, upload_deadline_seconds=10, prefect_api_url=self.lane.prefect_url,
            cvat={"default": CvatSettings(url=self.lane.config.cvat_url, token=token)},
        )  # fmt: skip
