"""Reads the annotations of jobs from the database, frame by frame, with the ids that reports name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvat_sandbox.comparison.similarity import Size
from cvat_sandbox.formats.v2.dataset import Annotation, Dataset
from cvat_sandbox.formats.v2.loading import read_snapshot

if TYPE_CHECKING:
    from collections.abc import Container

    from cvat_sandbox.formats.v2.snapshot import Label
    from cvat_sandbox.state.database import Database


@dataclass(frozen=True, eq=False)
class Candidate:
    """An annotation of a job. Each is only equal to itself, so that it can be a key."""

    annotation: Annotation
    job_id: int

    @property
    def identity(self) -> dict[str, Any]:
        """What a conflict shows: the id of the tag, shape or track and its type."""
        origin = self.annotation.origin
        is_track = "source_track_id" in origin
        kind = "tag" if self.annotation.kind == "label" else "track" if is_track else "shape"
        key = origin["source_track_id"] if is_track else origin["id"]
        return {"obj_id": key, "job_id": self.job_id, "type": kind, "shape_type": origin.get("type")}


@dataclass(frozen=True)
class Frame:
    """A frame of a job with its annotations. `key` is the name of its image without the suffix."""

    number: int
    key: str
    size: Size
    candidates: list[Candidate]


@dataclass(frozen=True)
class JobAnnotations:
    """The annotations of a job."""

    job_id: int
    labels: list[Label]
    frames: list[Frame]
    length: int
    """The number of its frames, those included that were not read."""

    @property
    def by_key(self) -> dict[str, Frame]:
        """The frames by their images. Within a job no image occurs twice."""
        return {frame.key: frame for frame in self.frames}


def read_job(db: Database, job_id: int, only: Container[int] | None = None) -> JobAnnotations:
    """Read a job. only: the frames to read; without it all. Raises LookupError for a job that is gone."""
    taken = read_snapshot(db, "job", job_id, "", Path())
    [content] = taken.tasks
    length = content.size
    if only is not None:
        content = replace(content, frames={n: frame for n, frame in content.frames.items() if n in only})
    dataset = Dataset(replace(taken, tasks=[content]))
    frames = [
        Frame(number, item.id, Size(item.width, item.height), [Candidate(a, job_id) for a in item.annotations])
        for number, item in zip(content.frames, dataset.items, strict=True)
    ]
    return JobAnnotations(job_id, taken.labels, frames, length)
