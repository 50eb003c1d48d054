"""The release of the demo's dataset: made by a flow run, fetched and verified as an ML engineer does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labelyard.ledger import Ledger, releases
from labelyard.ledger.release_tables import Release
from labelyard.operations.fetch_release import Fetched, ReleaseAddress, fetch
from labelyard.orchestration.start_run import start_run
from labelyard.releases.report import write_report
from labelyard.releases.verification import verify
from labelyard.settings import Settings
from labelyard.storage import Store

_LONGEST_SECONDS = 180.0
_CHECK_SECONDS = 0.25


@dataclass(frozen=True)
class DemoRelease:
    """A release that was fetched into a folder, and its report with pictures.

    `problems` is empty if it has every image and is intact.
    """

    url: str
    folder: Path
    report: Path
    images: int
    annotations: int
    problems: tuple[str, ...]


def make_release(
    settings: Settings, ledger: Ledger, dataset: str, images: int, folder: Path, check: Callable[[], None]
) -> DemoRelease:
    """Start the flow, wait for its release, fetch it and verify it. `check` is called while it waits.

    `images` is the number that the release must have.
    """
    report = folder.with_name(f"{folder.name}-report.html")
    start_run(settings, "release-dataset", dataset=dataset)
    row = _wait(ledger, dataset, check)
    if row is None:
        problem = (
            f"no release of {dataset} after {_LONGEST_SECONDS:.0f} s: see the runs of release-dataset in Prefect's UI"
        )
        return DemoRelease("", folder, report, 0, 0, (problem,))
    address = ReleaseAddress(row.bucket, row.prefix, row.manifest_sha256)
    fetched = fetch(Store(settings.store), address, folder, (), lambda *_: None)
    problems = tuple(_problems(fetched, images, folder))
    write_report(folder, report)
    return DemoRelease(address.url, folder, report, fetched.images, row.annotations or 0, problems)


def _wait(ledger: Ledger, dataset: str, check: Callable[[], None]) -> Release | None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline:
        check()
        with ledger.read_only() as tx:
            if row := releases.latest(tx, dataset):
                return row
        time.sleep(_CHECK_SECONDS)
    return None


def _problems(fetched: Fetched, images: int, folder: Path) -> list[str]:
    found = [f"not in the fetched release: {fault}" for fault in fetched.faults]
    if fetched.images != images:
        found.append(f"the release has {fetched.images} images instead of {images}")
    return [*found, *(f"the release is not intact: {fault}" for fault in verify(folder).faults)]
