"""A labelyard that runs, with all that `labelyard up` starts, and the demo's emulator and sandbox beside it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelyard.config import DatasetSpec
from labelyard.cvat import Cvat, connect
from labelyard.demo import environment
from labelyard.demo.environment import Surroundings
from labelyard.demo.run import set_up
from labelyard.ledger import Ledger
from labelyard.settings import Settings, load_settings
from labelyard.storage.boto import boto_client
from labelyard.supervisor import Supervisor
from labelyard.supervisor.stack import FOLDER, Links, prefect_environment, prefect_worker, start_everything

BUCKET = "benchmark"
_USUAL = {
    "LABELYARD_DEPLOY__COLLECT_SECONDS": "60",
    "LABELYARD_DEPLOY__SWEEP_SECONDS": "300",
    "LABELYARD_PUBLISH_AGAIN_SECONDS": "60",
    "LABELYARD_POLL_SECONDS": "1.0",
}
"""The product's own, where a demo is in a hurry."""


@dataclass(frozen=True)
class Running:
    """A labelyard that runs, with one dataset over one bucket."""

    yard: Supervisor
    made: Surroundings
    settings: Settings
    links: Links
    spec: DatasetSpec
    ledger: Ledger
    s3: Any

    def cvat(self) -> Cvat:
        """The CVAT, as its admin."""
        at = self.made
        return connect(at.cvat_url, username=environment.ACCOUNT, password=at.password, dialect="v1")

    def take_stock_worker(self) -> None:
        """From now on Prefect's own process worker takes the runs of the same pool, as it comes."""
        self.yard.end("worker")
        environment = prefect_environment(self.settings, self.links.prefect_api)
        self.yard.start(prefect_worker(self.settings, environment, "process"))


@contextmanager
def labelyard_up(batch: Mapping[str, Any], **others: str) -> Iterator[Running]:
    """Start everything; at the end, whatever ended it, no process and no file is left.

    `batch` is the dataset's way of closing batches, `others` are variables of the environment for all parts.
    """
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="labelyard-benchmark-", ignore_cleanup_errors=True) as folder:
        made = environment.surround(Path(folder).resolve(), **_USUAL)
        environment.step_inside(made)
        # The stock worker runs flows in the project's folder, where `.env` is not.
        os.environ.update({**made.settings, **others})
        try:
            with Supervisor(FOLDER.resolve() / "logs", lambda line: print(f"  {line}", file=sys.stderr)) as yard:
                yield from _started(yard, made, batch)
        finally:
            os.chdir(before)


def _started(yard: Supervisor, made: Surroundings, batch: Mapping[str, Any]) -> Iterator[Running]:
    yard.start(environment.emulator(made), environment.sandbox(made))
    settings, s3 = load_settings(), boto_client("s3", load_settings().store, made.store_url)
    spec = DatasetSpec.model_validate({
        "name": "benchmark",
        "sources": [{"bucket": BUCKET, "prefix": "in/"}],
        "batch": dict(batch),
        "task": {"labels": ["car"]},
        "annotators": list(environment.CREW),
        "export": {"prefix": "out"},
    })  # fmt: skip
    set_up(settings, spec, s3)
    ledger = Ledger(settings.ledger)
    try:
        links = start_everything(yard, settings, lambda line: print(f"  {line}", file=sys.stderr))
        yield Running(yard, made, settings, links, spec, ledger, s3)
    finally:
        ledger.close()
