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
from labelyard.domain.quality import Quality
from labelyard.domain.review import Phase
from labelyard.errors import InputError
from labelyard.formats.coco.parts import read_parts
from labelyard.ledger import Transaction, batches, jobs, quality, releases, reviews
from labelyard.ledger.quality_tables import QualityReport
from labelyard.ledger.release_tables import Release
from labelyard.ledger.tables import Batch, Export
from labelyard.pipeline.release_files import fetch_file
from labelyard.pipeline.release_images import ReleaseImages
from labelyard.releases.passport import BatchFacts, JobFacts, Passport, PersonName
from labelyard.releases.quality import BatchQuality, JobQuality
from labelyard.releases.sources import SourceFile

_REPAIR = "labelyard plan"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files that a release merges, where everything in them comes from, and CVAT's reports on their quality."""

    sources: list[SourceFile]
    passport: Passport
    quality: list[BatchQuality]


def fetch_inputs(
    context: Context,
    images: ReleaseImages,
    release: Release,
    folder: Path,
    *,
    names: bool,
    before_each: Callable[[int, int], None],
) -> Inputs:
    """Write the exports that a release merges into a folder, and add their objects to `images`.

    With `names` people are named by their user names. `before_each` is called before each export with how many are
    fetched, and of how many. Raises InputError for a file that is missing, or not the one that the ledger has.
    """
    people: dict[str, Mapping[int, _People]] = {}
    with context.ledger.read_only() as tx:
        exports = releases.inputs(tx, release)
        rows = {export.batch_id: batches.get(tx, export.batch_id) for export in exports}
        reports = {export.batch_id: quality.report_of(tx, export.batch_id) for export in exports}
        objects = {export.batch_id: releases.objects_of(tx, export.batch_id) for export in exports}
        if names:
            for batch in objects:
                people[batch] = _people(tx, batch)
    sources, facts = [], []
    for number, export in enumerate(exports):
        before_each(number, len(exports))
        path = folder / f"{export.batch_id}.json"
        fetch_file(context.store, export.bucket, export.key, path, export.sha256, next_step=_REPAIR)
        for key, sha256 in export.other_files.items():
            extra = folder / f"{export.batch_id}.extra.json"
            fetch_file(context.store, export.bucket, key, extra, sha256, next_step=_REPAIR)
        found, facts_of_batch = _read(path, export, rows[export.batch_id], people.get(export.batch_id))
        images.add(export.batch_id, objects[export.batch_id], found)
        sources.append(SourceFile(path, partial(images.placement, export.batch_id)))
        facts.append(facts_of_batch)
    found_quality = [_quality(one, report) for one in facts if (report := reports[one.batch]) and report.figures]
    return Inputs(sources, Passport(facts, images.facts), found_quality)


def _quality(facts: BatchFacts, report: QualityReport) -> BatchQuality:
    """Return CVAT's report on a batch; the annotators are those of its export."""
    figures, people = report.figures or {}, {job.id: job.assignee for job in facts.jobs}
    jobs = [
        JobQuality(job, people.get(job), found)
        for job, found in sorted((int(name), Quality.of(found)) for name, found in figures["jobs"].items())
    ]
    is_current = report.made_for == report.work_updated and not report.error
    return BatchQuality(facts.batch, facts.task_id, report.server_id, is_current, Quality.of(figures["task"]), jobs)


def _read(
    path: Path, export: Export, batch: Batch, names: Mapping[int, _People] | None
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
        [_job(one, names) for one in info.jobs],
        _iso(batch.opened_at), _iso(batch.closed_at), _iso(export.exported_at), info.warnings,
    )  # fmt: skip
    return images, facts


@dataclass(frozen=True, slots=True)
class _People:
    """The user names of a job's annotator and reviewer."""

    annotator: str | None
    reviewer: str | None


def _people(tx: Transaction, batch: str) -> Mapping[int, _People]:
    """Return who labelled and who reviewed each job of a batch, by CVAT's id of the job."""
    reviewed = {job: one for job, one in reviews.of_batch(tx, batch).items() if one.phase is Phase.ACCEPTED}
    return {
        row.server_id: _People(reviewed[row.server_id].annotator, reviewed[row.server_id].reviewer)
        if row.server_id in reviewed
        else _People(row.assignee, None)
        for row in jobs.of_batch(tx, batch)
    }


def _job(one: _JobInfo, names: Mapping[int, _People] | None) -> JobFacts:
    annotator: PersonName | None = one.assignee
    reviewer: PersonName | None = one.reviewer
    if names is not None:
        named = names.get(one.id, _People(None, None))
        annotator, reviewer = named.annotator, named.reviewer if one.rounds else None
    return JobFacts(one.id, one.frames, annotator, one.updated, reviewer, one.rounds)


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


class _JobInfo(msgspec.Struct):
    id: int
    frames: tuple[int, int]
    assignee: int | None = None
    updated: str | None = None
    reviewer: int | None = None
    rounds: int = 0


class _Info(msgspec.Struct):
    """The fields of `info` in the dataset file of a batch that a release needs (`formats.coco.write.info`)."""

    batch: str
    dataset_version: int
    task_id: int
    annotations_from: str
    jobs: list[_JobInfo]
    warnings: list[str] = []
