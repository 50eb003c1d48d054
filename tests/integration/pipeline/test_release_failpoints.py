"""A release whose process ends at each failpoint, twice in a row, is finished by the next call; readers see no half."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from labelyard import failpoints
from labelyard.ledger import releases
from labelyard.operations.fetch_release import fetch, find_release
from labelyard.pipeline.release_dataset import release_dataset
from labelyard.releases.verification import verify
from tests.chaos.fault_plan import RELEASE_FAILPOINTS
from tests.support.pictures import picture
from tests.support.workspace import Workspace, ingest_and_export

LABELYARD = [sys.executable, "-c", "from labelyard.cli import main; main()"]
LEASE_SECONDS = 0.5


def release(workspace: Workspace, failpoint: str | None) -> subprocess.CompletedProcess[str]:
    """Release the dataset in a process of its own, which ends at the failpoint."""
    time.sleep(LEASE_SECONDS)
    settings = workspace.context.settings
    secret = settings.store.secret_access_key
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LABELYARD_", "PREFECT_"))},
        "LABELYARD_LEDGER": settings.ledger,
        "LABELYARD_STORE__ENDPOINT_URL": settings.store.endpoint_url or "",
        "LABELYARD_STORE__REGION": settings.store.region or "us-east-1",
        "LABELYARD_STORE__ACCESS_KEY_ID": settings.store.access_key_id or "",
        "LABELYARD_STORE__SECRET_ACCESS_KEY": secret.get_secret_value() if secret else "",
        "LABELYARD_STORE__ADDRESSING_STYLE": settings.store.addressing_style,
        "LABELYARD_SPOOL": str(settings.spool),
        "LABELYARD_LEASE_SECONDS": str(LEASE_SECONDS),
        **({"LABELYARD_FAILPOINT": failpoint} if failpoint else {}),
    }
    command = [*LABELYARD, "release", "street"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def newest(workspace: Workspace) -> dict[str, Any] | None:
    """Return what a reader sees: the manifest of the release to which the pointer points, which is whole."""
    keys = [one.key for one in workspace.context.store.list(workspace.bucket, "releases/street/latest.json")]
    if not keys:
        return None
    address = find_release(workspace.context.store, f"s3://{workspace.bucket}/releases/street/")
    folder = workspace.context.settings.spool.parent / f"seen-{time.monotonic_ns()}"
    fetched = fetch(workspace.context.store, address, folder, (), lambda *_: None)
    assert fetched.faults == verify(folder).faults == ()
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def images(manifest: dict[str, Any] | None) -> int:
    return sum(counts["images"] for counts in manifest["counts"].values()) if manifest else 0


def add_batch(workspace: Workspace, *numbers: int) -> None:
    for number in numbers:
        workspace.put(f"{number}.jpg", picture(number))
    ingest_and_export(workspace, workspace.close_batch())


@pytest.mark.slow
@pytest.mark.parametrize("name", RELEASE_FAILPOINTS)
def test_a_release_that_is_killed_twice_is_finished_by_the_next_call(workspace: Workspace, name: str) -> None:
    workspace.apply()
    add_batch(workspace, 1, 2)
    release_dataset(workspace.context, "street")
    first = newest(workspace)
    add_batch(workspace, 3, 4)
    ended = [release(workspace, name).returncode for _ in range(2)]
    assert ended[0] == failpoints.EXIT_STATUS
    assert images(newest(workspace)) in (2, 4)
    done = release(workspace, None)
    assert done.returncode == 0, done.stderr
    assert images(first) == 2
    assert images(newest(workspace)) == 4
    with workspace.context.ledger.read_only() as tx:
        assert releases.get(tx, "street").number == 2
        assert releases.unpublished(tx, "street") is None
