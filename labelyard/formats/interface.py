"""What a dataset format has to provide, and the values that pass between a format and its callers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from labelyard.annotations.account import Account, Counts
from labelyard.annotations.content import Content, FrameObject, Image, Kind
from labelyard.domain.formats import Groups
from labelyard.domain.labels import Label
from labelyard.formats.checks.fault import DatasetFacts

MERGED_KINDS = (Kind.RECTANGLE, Kind.POLYGON, Kind.ELLIPSE, Kind.MASK)
"""The kinds of which grouped shapes become one instance."""

MAX_WARNINGS = 100
"""The warnings that a file keeps; its account has all numbers."""


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """Choices of the dataset file, and rules of the server, that change what is written."""

    rectangles_as_polygons: bool = False
    groups: Groups = Groups.MERGE
    boxes_lead_groups: bool = True
    """Whether a merged group that has rectangles has their bbox, as on CVAT 2.x, and not that of all its shapes."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a dataset file comes from. Without a ledger only the task is known.

    `annotations_from` says in words where the annotations were read. `jobs` has their frames, assignees by CVAT id,
    and `warnings` what a reader of the file should know. `year` is that of the last change in CVAT. `preannotation`
    says with which predictions people began, and what they made of them; None without any.
    """

    task_id: int
    annotations_from: str
    year: int
    dataset: str = ""
    version: int | None = None
    batch: str = ""
    generation: int | None = None
    jobs: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    preannotation: Mapping[str, Any] | None = None

    @property
    def annotators(self) -> list[int]:
        """The CVAT ids of the assignees."""
        return sorted({job["assignee"] for job in self.jobs if job["assignee"] is not None})


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """Everything that a format writes.

    The objects of `content` are those that the format can hold, in the order in which they are written. `category_ids`
    has the id of each label: in the order of the ids, from 1, perhaps with gaps. `known` is None without a ledger.
    """

    content: Content
    account: Account
    category_ids: Mapping[str, int]
    provenance: Provenance
    options: FormatOptions
    known: DatasetFacts | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The files that a format has written, the main one first; the objects in them, counted while writing; warnings."""

    files: tuple[Path, ...]
    objects: Counts
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holding:
    """How a format holds a kind of object: `lost` says what of it is lost, and is empty if nothing is."""

    held: bool
    lost: str = ""


HELD = Holding(held=True)


def absent(reason: str) -> Holding:
    """Return that a format cannot hold a kind at all, and why."""
    return Holding(held=False, lost=reason)


class Format(Protocol):
    """A dataset format. Images and objects are written in the order in which they come."""

    @property
    def archive_suffix(self) -> str:
        """The ending of the archive in the bucket, for a format of many files; empty for files that stand alone."""
        ...

    @property
    def holds(self) -> Mapping[Kind, Holding]:
        """How the format holds each kind: every kind is a key. Documents and `validate` show it."""
        ...

    @property
    def holds_attributes(self) -> bool:
        """Whether attributes, `occluded` among them, are kept."""
        ...

    @property
    def merges_groups(self) -> bool:
        """Whether grouped objects of one label become one, if the options say so."""
        ...

    def refusal(self, one: FrameObject, label: Label, image: Image) -> str | None:
        """Return why this object, whose kind may be held, cannot be on its image; None if it can."""
        ...

    def write(self, file: DatasetFile, folder: Path, stem: str) -> Written:
        """Write the files into a folder; the names of those that stand alone begin with `stem`.

        Raises ExportFailed for content that no reader could use.
        """
        ...

    def read(self, folder: Path, stem: str) -> Content:
        """Return the content of files that `write` wrote, as far as they hold it. Raises InputError for others."""
        ...
