"""The exports that a release merges, on disk, and what is known of where everything in them comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from labelyard.context import Context
from labelyard.domain.objects import s3_url
from labelyard.errors import InputError
from labelyard.formats.coco.parts import read_parts
from labelyard.ledger import batches, jobs, releases
from labelyard.ledger.release_tables import Release
from labelyard.ledger.tables import Batch, Export
from labelyard.pipeline.release_files import fetch_file
from labelyard.pipeline.release_images import ReleaseImages
from labelyard.releases.passport import BatchFacts, JobFacts, Passport
from labelyard.releases.sources import SourceFile

_REPAIR = "labelyard plan"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files that a release merges, and where everything in them comes from."""

    sources: list[SourceFile]
    passport: Passport


def fetch_inputs(
    context: Context,
    images: ReleaseImages,
    release: Release,
    folder: Path,
    *,
    names: bool,
    before_each: Callable[[], None],
) -> Inputs:
    """Write the exports that a release merges into a folder, and add their objects to `images`.

    With `names` people are named by their user names. `before_each` is called before each export. Raises InputError for
    a file that is missing, or not the one that the ledger has.
    """
    assignees: dict[str, Mapping[int, str | None]] = {}
    with context.ledger.read_only() as tx:
        exports = releases.inputs(tx, release)
        rows = {export.batch_id: batches.get(tx, export.batch_id) for export in exports}
        objects = {export.batch_id: releases.objects_of(tx, export.batch_id) for export in exports}
        if names:
            for batch in objects:
                assignees[batch] = {row.server_id: row.assignee for row in jobs.of_batch(tx, batch)}
    sources, facts = [], []
    for export in exports:
        before_each()
        path = folder / f"{export.batch_id}.json"
        fetch_file(context.store, export.bucket, export.key, path, export.sha256, next_step=_REPAIR)
        for key, sha256 in export.other_files.items():
            extra = folder / f"{export.batch_id}.extra.json"
            fetch_file(context.store, export.bucket, key, extra, sha256, next_step=_REPAIR)
        found, facts_of_batch = _read(path, export, rows[export.batch_id], assignees.get(export.batch_id))
        images.add(export.batch_id, objects[export.batch_id], found)
        sources.append(SourceFile(path, partial(images.placement, export.batch_id)))
        facts.append(facts_of_batch)
    return Inputs(sources, Passport(facts, images.facts))


def _read(
    path: Path, export: Export, batch: Batch, names: Mapping[int, str | None] | None
) -> tuple[list[dict[str, Any]], BatchFacts]:
    """Return the images of an export, and what it says of its task. `names` has user names by the job's id."""
    try:
        parts = read_parts(path, ("images",))
        images = [msgspec.json.decode(raw, type=dict[str, Any]) for raw in parts.images]
        info = msgspec.json.decode(parts.rest["info"], type=_Info)
    except (ValueError, KeyError) as error:
        what = f"not the dataset file of a batch: {error}"
        raise InputError(what, where=s3_url(export.bucket, export.key), next_step=_REPAIR) from error
    if info.batch != export.batch_id:
        what = f"it is the export of batch {info.batch}, not of {export.batch_id}"
        raise InputError(what, where=s3_url(export.bucket, export.key), next_step=_REPAIR)
    facts = BatchFacts(
        export.batch_id, info.dataset_version, batch.cvat or "", info.task_id, export.task_updated, export.generation,
        s3_url(export.bucket, export.key), export.sha256, info.annotations_from,
        [JobFacts(one.id, one.frames, names.get(one.id) if names else one.assignee, one.updated) for one in info.jobs],
        _iso(batch.opened_at), _iso(batch.closed_at), _iso(export.exported_at),
    )  # fmt: skip
    return images, facts


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


class _JobInfo(msgspec.Struct):
    id: int
    frames: tuple[int, int]
    assignee: int | None = None
    updated: str | None = None


class _Info(msgspec.Struct):
    """The fields of `info` in the dataset file of a batch that a release needs (`formats.coco.write.info`)."""

    batch: str
    dataset_version: int
    task_id: int
    annotations_from: str
    jobs: list[_JobInfo]
