"""What a dataset format has to provide, and the values that pass between a format and its callers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from labelyard.annotations.comparison import ExpectedImages
from labelyard.annotations.content import AnnotatedImages
from labelyard.domain.annotations import Annotations
from labelyard.domain.labels import Label
from labelyard.domain.objects import StoredObject
from labelyard.domain.tasks import Frame
from labelyard.formats.checks.fault import DatasetFacts, Fault


class WrittenFrom(StrEnum):
    """Where the annotations of a dataset file were read."""

    EXPORT = "export"
    """CVAT's own export, equal to the annotations API."""
    ANNOTATIONS = "annotations"
    """The annotations API, because CVAT's export fails or differs from it."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """The batch and task that a dataset file comes from; annotators by their CVAT ids."""

    version: int
    batch: str
    task_id: int
    generation: int
    written_from: WrittenFrom
    annotators: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Original:
    """The object behind an image: where it is stored, its frame in the CVAT task, and its EXIF orientation."""

    stored: StoredObject
    frame: int
    exif_orientation: int | None = None


@dataclass(frozen=True, slots=True)
class ExpectedExport:
    """What CVAT's own export of a task should hold.

    `faults` are the shapes on which that export fails; they are not in `content`.
    """

    content: ExpectedImages
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A dataset file on disk; `warnings` has no errors in it."""

    path: Path
    sha256: str
    size: int
    images: int
    annotations: int
    warnings: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a dataset file says about its origin: its dataset and batch, key by frame name, id by label."""

    dataset: str
    batch: str
    keys: Mapping[str, str]
    categories: Mapping[str, int]


class Format(Protocol):
    """A dataset format."""

    @property
    def cvat_name(self) -> str:
        """The name of CVAT's own export in this format."""
        ...

    @property
    def suffix(self) -> str:
        """The ending of a dataset file's name."""
        ...

    @property
    def media_type(self) -> str:
        """The content type of a dataset file."""
        ...

    def expected_export(
        self, annotations: Annotations, frames: Sequence[Frame], labels: Sequence[Label]
    ) -> ExpectedExport:
        """Return what CVAT's export of a task should hold. Never raises."""
        ...

    def read_export(self, path: Path) -> AnnotatedImages:
        """Return the content of CVAT's export. Raises ExportFailed or CvatDisagrees for a file that is no export."""
        ...

    def read(self, path: Path) -> AnnotatedImages:
        """Return the content of a dataset file. Raises InputError for anything else."""
        ...

    def read_origin(self, content: bytes) -> Origin:
        """Return where a dataset file comes from. Raises InputError for a file that labelyard did not write."""
        ...

    def write(
        self,
        content: AnnotatedImages,
        originals: Mapping[str, Original],
        dataset: DatasetFacts,
        provenance: Provenance,
        to: Path,
    ) -> WrittenFile:
        """Write a dataset file: the same bytes for the same content in any order.

        `originals` has the object behind each image by its name in CVAT. Raises CvatDisagrees for an image without
        one, ExportFailed for content that no reader could use.
        """
        ...
