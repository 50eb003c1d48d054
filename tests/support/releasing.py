"""A dataset with exported batches, its releases, and what a reader sees of them in the bucket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labelyard.domain.released import Released
from labelyard.pipeline.release_dataset import release_dataset
from tests.support.pictures import picture
from tests.support.workspace import Workspace, ingest_and_export


def add_batch(workspace: Workspace, *files: str) -> str:
    for file in files:
        workspace.put(file, picture(sum(file.encode())))
    batch = workspace.close_batch()
    ingest_and_export(workspace, batch)
    return batch


def release(workspace: Workspace, **options: Any) -> Released:
    return release_dataset(workspace.context, "street", **options)


def folder(workspace: Workspace, to: Path, number: int = 1) -> Path:
    """Return a folder with the files of a release in the bucket, as any S3 client writes them."""
    prefix = f"releases/street/{number}/"
    for key in keys(workspace, prefix):
        path = to / key.removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body(workspace, key))
    return to


def keys(workspace: Workspace, prefix: str = "releases/") -> list[str]:
    return [one.key for one in workspace.context.store.list(workspace.bucket, prefix)]


def body(workspace: Workspace, key: str) -> bytes:
    found: bytes = workspace.s3.get_object(Bucket=workspace.bucket, Key=key)["Body"].read()
    return found


def latest(workspace: Workspace) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body(workspace, "releases/street/latest.json"))
    return found


def images(at: Path) -> dict[str, tuple[int, str]]:
    """Return id and split of each image by its file name."""
    lines = map(json.loads, (at / "images.jsonl").read_text().splitlines())
    return {line["file_name"]: (line["id"], line["split"]) for line in lines}
