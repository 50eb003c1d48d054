"""The passport of a release: where each image and each annotation comes from, in `passport.jsonl`.

A line is about a batch (`{"batch": "street-00001", …}`), an image (`{"image": 17, "batch": …}`) or an annotation
(`{"annotation": 23, "image": 17, "job": 5, …}`), in this order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from labelyard.releases.lines import dumped, items
from labelyard.releases.manifest import PASSPORT, Manifest, instances_path, references

PersonName = str | int
"""A user name or an id of CVAT."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """A job of CVAT: its frames, first and last, and its assignee, None if it has none.

    Of a reviewed job the assignee is its annotator; `reviewer` accepted it, after `rounds` reviews.
    """

    id: int
    frames: tuple[int, int]
    assignee: PersonName | None
    updated: str | None = None
    reviewer: PersonName | None = None
    rounds: int = 0


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """A batch that a release merges: its task in CVAT, and its export. Times are ISO 8601.

    `opened` is when its first object came, `closed` when it was complete, `exported` when its file was written.
    `annotations_from` says where the annotations were read and whether CVAT's own export was equal. `warnings` are
    those of the export: empty if it passed all checks without one. With an error it would not have been written.
    """

    batch: str
    dataset_version: int
    cvat: str
    task_id: int
    task_updated: str
    generation: int
    export: str
    export_sha256: str
    annotations_from: str
    jobs: Sequence[JobFacts]
    opened: str | None = None
    closed: str | None = None
    exported: str | None = None
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image's object in its bucket: how and when it was registered, and its batch."""

    batch: str
    registered_via: str
    registered_at: str


class _Attributes(Struct):
    job: int | UnsetType = UNSET
    source: str | UnsetType = UNSET
    track_id: int | UnsetType = UNSET


class _Item(Struct):
    id: int
    image_id: int
    attributes: _Attributes = field(default_factory=_Attributes)


@dataclass(frozen=True, slots=True)
class Passport:
    """What is known of the origin of a release. `images` has the facts of each image by its identity."""

    batches: Sequence[BatchFacts]
    images: Mapping[str, ImageFacts]

    def write(self, folder: Path, manifest: Manifest) -> None:
        """Write the file of the release in a folder."""
        with (folder / PASSPORT).open("wb") as file:
            for line in self._lines(folder, manifest):
                file.write(dumped(line) + b"\n")

    def _lines(self, folder: Path, manifest: Manifest) -> Iterator[dict[str, Any]]:
        for batch in self.batches:
            yield msgspec.to_builtins(batch)
        batch_of: dict[int, str] = {}
        for image in references(folder):
            facts = self.images[image.file_name if image.identity is UNSET else image.identity]
            batch_of[image.id] = facts.batch
            yield {"image": image.id, "file_name": image.file_name, **msgspec.to_builtins(facts)}
        jobs = {(batch.batch, job.id): job for batch in self.batches for job in batch.jobs}
        decode = msgspec.json.Decoder(_Item).decode
        for split in manifest.counts:
            for extra in (False, True):
                path = folder / instances_path(split, extra=extra)
                for part, item in items(path) if path.exists() else ():
                    if part != "images":
                        yield _about(part, decode(item), batch_of, jobs)


def _about(
    part: str, item: _Item, batch_of: Mapping[int, str], jobs: Mapping[tuple[str, int], JobFacts]
) -> dict[str, Any]:
    found: dict[str, Any] = {"annotation": item.id, "image": item.image_id}
    if part != "annotations":
        found["list"] = part
    own = item.attributes
    if own.job is not UNSET:
        job = jobs.get((batch_of[item.image_id], own.job))
        found |= {"job": own.job, "annotator": job.assignee if job else None}
        if job is not None and job.rounds:
            found["reviewer"] = job.reviewer
    if own.source is not UNSET:
        found["source"] = own.source
    return found
