"""A running labelyard: all that `labelyard up` starts, and the demo's emulator and CVAT sandbox."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelyard.config import DatasetSpec
from labelyard.cvat import Cvat, connect
from labelyard.cvat_names import cvat_name
from labelyard.demo import environment
from labelyard.demo.environment import DemoEnvironment
from labelyard.demo.run import set_up
from labelyard.ledger import Ledger
from labelyard.settings import Settings, load_settings
from labelyard.storage.boto import boto_client
from labelyard.supervisor import Supervisor
from labelyard.supervisor.stack import FOLDER, Links, prefect_environment, prefect_worker, start_stack

BUCKET = "benchmark"
_PRODUCTION_TIMES = {
    "LABELYARD_DEPLOY__COLLECT_SECONDS": "60",
    "LABELYARD_DEPLOY__SWEEP_SECONDS": "300",
    "LABELYARD_DEPLOY__HOUSEKEEPING_SECONDS": "60",
    "LABELYARD_PUBLISH_AGAIN_SECONDS": "60",
    "LABELYARD_POLL_SECONDS": "1.0",
}
"""labelyard's defaults; the demo uses shorter ones."""


@dataclass(frozen=True)
class BenchmarkStack:
    """A running labelyard with one dataset over one bucket."""

    supervisor: Supervisor
    environment: DemoEnvironment
    settings: Settings
    links: Links
    spec: DatasetSpec
    ledger: Ledger
    s3: Any

    def cvat(self) -> Cvat:
        """Return a client of the organization in the sandbox."""
        made = self.environment
        return connect(
            made.cvat_url, username=environment.ACCOUNT, password=made.password, organization=made.organization
        )

    def use_process_worker(self) -> None:
        """Replace the worker by Prefect's own process worker, on the same work pool."""
        self.supervisor.stop("worker")
        variables = prefect_environment(self.settings, self.links.prefect_api)
        self.supervisor.start(prefect_worker(self.settings, variables, "process"))


@contextmanager
def labelyard_up(batch: Mapping[str, Any], cvat_version: str = "2.73", **variables: str) -> Iterator[BenchmarkStack]:
    """Start everything; end every process and remove every file when the context ends.

    `batch` is the `batch` section of the dataset file, `variables` are environment variables for all processes.
    """
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="labelyard-benchmark-", ignore_cleanup_errors=True) as folder:
        made = environment.create_environment(Path(folder).resolve(), cvat_version, **_PRODUCTION_TIMES)
        environment.enter_environment(made)
        # The process worker runs flows in the project's folder, which has no `.env`.
        os.environ.update({**made.settings, **variables})
        try:
            with Supervisor(FOLDER.resolve() / "logs", _print_message) as supervisor:
                yield from _start(supervisor, made, batch)
        finally:
            os.chdir(before)


def _start(supervisor: Supervisor, made: DemoEnvironment, batch: Mapping[str, Any]) -> Iterator[BenchmarkStack]:
    supervisor.start(environment.emulator_process(made), environment.sandbox_process(made))
    settings, s3 = load_settings(), boto_client("s3", load_settings().store, made.store_url)
    spec = DatasetSpec.model_validate({
        "name": "benchmark",
        "cvat": cvat_name("default", made.organization),
        "sources": [{"bucket": BUCKET, "prefix": "in/"}],
        "batch": dict(batch),
        "task": {"labels": ["car"]},
        "annotators": list(environment.BOTS),
        "export": {"prefix": "out"},
    })  # fmt: skip
    set_up(settings, spec, s3)
    with closing(Ledger(settings.ledger)) as ledger:
        links = start_stack(supervisor, settings, _print_message)
        yield BenchmarkStack(supervisor, made, settings, links, spec, ledger, s3)


def _print_message(line: str) -> None:
    print(f"  {line}", file=sys.stderr)
