"""The dataset file, section by section, as it is after it was checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import AfterValidator, ByteSize, Field, ValidationInfo, WithJsonSchema, field_validator

from labelyard.config.fields import (
    Bucket,
    Count,
    CvatName,
    Duration,
    Folder,
    Glob,
    Name,
    Person,
    Prefix,
    Problem,
    Section,
    Size,
    Switch,
    refuse,
)
from labelyard.config.labels import LabelEntry, LabelSection, twins
from labelyard.domain.assignment import ASSIGNMENT_POLICIES
from labelyard.domain.labels import Label
from labelyard.domain.objects import s3_url
from labelyard.domain.tasks import DataSpec


class Source(Section):
    """A place in object storage that new images appear in."""

    bucket: Bucket
    """The bucket's name."""
    prefix: Prefix = ""
    """Only keys that start so; end it in `/` to name a folder."""
    include: tuple[Glob, ...] = Field(
        default=("*.jpg", "*.jpeg", "*.png", "*.bmp", "*.webp", "*.tif", "*.tiff"), min_length=1
    )
    """Globs on the key after the prefix, case ignored; `*` crosses folders. A key that fits none is ignored."""
    exclude: tuple[Glob, ...] = ()
    """Globs that win over `include`."""

    def problems(self) -> Iterator[Problem]:
        """Globs that repeat the prefix: no key would fit them."""
        for field, globs in (("include", self.include), ("exclude", self.exclude)):
            for i, glob in enumerate(globs):
                if self.prefix and glob.startswith(self.prefix):
                    rest = glob[len(self.prefix) :] or "*"
                    yield (field, i), f"a glob is matched with the key after the prefix {self.prefix!r}: write {rest!r}"

    def takes(self, bucket: str, key: str) -> bool:
        """Whether an object is this source's."""
        return self.refusal(bucket, key) is None

    def refusal(self, bucket: str, key: str) -> str | None:
        """Why an object is not this source's; None when it is."""
        if bucket != self.bucket or not key.startswith(self.prefix):
            return f"outside {s3_url(self.bucket, self.prefix)}"
        rest = key[len(self.prefix) :].lower()
        if key.endswith("/"):
            return "a folder marker"
        if not any(fnmatchcase(rest, glob.lower()) for glob in self.include):
            return f"fits no include glob ({', '.join(self.include)})"
        return next((f"excluded by {glob}" for glob in self.exclude if fnmatchcase(rest, glob.lower())), None)

    def overlaps(self, bucket: str, prefix: str) -> bool:
        """Whether a key could lie both here and below another prefix."""
        return self.bucket == bucket and (self.prefix.startswith(prefix) or prefix.startswith(self.prefix))


class Batching(Section):
    """When the objects that came in become one task: at whichever of these comes first."""

    max_objects: Count = Field(default=100, ge=1, le=5000)
    """Close when so many objects are in it."""
    max_bytes: Size = Field(default=ByteSize(2 * 1024**3), json_schema_extra={"default": "2GiB"})
    """Close before it grows beyond this (`500MB`, `2GiB`)."""
    quiet: Duration | None = Field(default=timedelta(minutes=2), json_schema_extra={"default": "2m"})
    """Close when nothing more arrived for so long; null to wait on."""
    max_age: Duration | None = Field(default=timedelta(hours=1), json_schema_extra={"default": "1h"})
    """Close when its first object landed so long ago; null to wait on."""
    marker: str | None = None
    """Close when an object of this base name appears (`_SUCCESS`, `manifest.json`), which is no image itself. It counts
    once for each content: write another one (the time, say) where the next drop goes to the same folder."""

    @field_validator("marker")
    @classmethod
    def _base_name(cls, value: str | None) -> str | None:
        if value is not None and ("/" in value or not value.strip()):
            raise ValueError("write the base name alone, such as _SUCCESS")
        return value

    def problems(self) -> Iterator[Problem]:
        """A batch that never fills would wait for ever."""
        if self.quiet is None and self.max_age is None and self.marker is None:
            yield ("quiet",), "a batch that never fills would never close: set quiet, max_age or marker"


class Upload(StrEnum):
    """How CVAT gets at the images."""

    STREAM = "stream"
    REMOTE = "remote"
    SHARE = "share"


class TaskSection(Section):
    """How the CVAT tasks are made."""

    labels: tuple[LabelEntry, ...] = Field(min_length=1)
    """The labels, in the order in which annotators see them. COCO's ids: 1, 2, … in this order, and they stay: a label
    that comes later gets the next free number wherever it stands, and that of one that goes is not given again."""
    segment_size: Count = Field(default=0, ge=0, le=1_000_000)
    """Frames in a job; 0 makes one job of the whole task."""
    overlap: Count | None = Field(default=None, ge=0, le=1_000_000)
    """Frames that neighbouring jobs share; at most half of `segment_size`. What both people draw there is exported
    twice."""
    image_quality: Count = Field(default=70, ge=1, le=100)
    """JPEG quality of what annotators see; exports are not touched by it."""
    chunk_size: Count | None = Field(default=None, ge=1, le=1_000_000)
    """Frames that the browser loads at once; null lets CVAT choose."""
    z_order: Switch = False
    """Do shapes lie above each other?"""
    bug_tracker: str = Field(default="", max_length=2000)
    """An address (http or https) that the task links to."""
    upload: Upload = Upload.STREAM
    """stream: through this machine. remote: CVAT downloads presigned URLs. share: CVAT reads its own share."""
    inspect: Switch = True
    """Read and check each image first; only remote and share may say false and trust the bucket."""
    share_prefix: str = ""
    """For `share`: what to write before the key to get the path in CVAT's share."""

    @field_validator("labels")
    @classmethod
    def _no_twins(cls, value: tuple[LabelSection, ...]) -> tuple[LabelSection, ...]:
        refuse(twins([label.name for label in value]))
        return value

    @field_validator("bug_tracker")
    @classmethod
    def _address(cls, value: str) -> str:
        host = value.partition("://")[2].partition("/")[0]
        if value and (not value.startswith(("http://", "https://")) or not host or any(map(str.isspace, value))):
            raise ValueError("write an address, such as https://tracker.example.com/street")
        if "@" in host:
            raise ValueError("write the address without user and password: everybody who sees the task sees it")
        return value

    def problems(self) -> Iterator[Problem]:
        """Fields that contradict each other."""
        if self.overlap and not self.segment_size:
            yield ("overlap",), "needs a segment_size: one job of the whole task overlaps nothing"
        elif self.overlap and 2 * self.overlap > self.segment_size:
            yield (
                ("overlap",),
                f"write at most {self.segment_size // 2}, half of segment_size: CVAT would make odd jobs",
            )
        if not self.inspect and self.upload is Upload.STREAM:
            yield ("inspect",), "with upload: stream every byte is read anyway: write true, or choose remote or share"
        if self.share_prefix and self.upload is not Upload.SHARE:
            yield ("share_prefix",), "is for upload: share alone: take it away"

    def cvat_labels(self) -> tuple[Label, ...]:
        """The labels as CVAT takes them."""
        return tuple(section.label() for section in self.labels)

    def data(self) -> DataSpec:
        """How the server shall treat the frames."""
        return DataSpec(image_quality=self.image_quality, chunk_size=self.chunk_size)


def _known_policy(value: str) -> str:
    if value not in ASSIGNMENT_POLICIES:
        near = get_close_matches(value, ASSIGNMENT_POLICIES, n=1)
        raise ValueError(f"{value!r} is unknown: write {near[0] if near else ' or '.join(ASSIGNMENT_POLICIES)}")
    return value


PolicyName = Annotated[
    str, AfterValidator(_known_policy), WithJsonSchema({"type": "string", "enum": list(ASSIGNMENT_POLICIES)})
]
"""The name of an assignment policy."""


class Assignment(Section):
    """How jobs are assigned to annotators."""

    policy: PolicyName = "round_robin"
    """round_robin: the annotators in turn, continuing from batch to batch."""


class Export(Section):
    """Where the dataset goes."""

    format: Literal["COCO 1.0"] = "COCO 1.0"
    """The export format of CVAT."""
    bucket: Bucket | None = None
    """The destination bucket; by default the first source's."""
    prefix: Folder
    """Where in the bucket the COCO files go, a folder; no source may lie in it or around it."""


class Overwrites(StrEnum):
    """What a new content of a file means whose old content is labelled, or about to be."""

    RELABEL = "relabel"
    IGNORE = "ignore"
    QUARANTINE = "quarantine"


class Deletions(StrEnum):
    """What it means that a file is deleted whose content is labelled, or about to be."""

    KEEP = "keep"
    DROP = "drop"


class DatasetSpec(Section):
    """A dataset: one file, one steady stream of images, one growing set of COCO files."""

    name: Name
    """The dataset's name; it stands in task names, runs and tags, and never changes."""
    description: str = ""
    """For people."""
    cvat: CvatName = "default"
    """Which CVAT of the settings (`LABELYARD_CVAT__<NAME>__URL`) labels it."""
    sources: tuple[Source, ...] = Field(min_length=1)
    """Where images come from."""
    batch: Batching = Batching()
    """When objects become a task."""
    task: TaskSection
    """How the tasks are made."""
    annotators: tuple[Person, ...] = Field(min_length=1)
    """CVAT user names that jobs are assigned to; a change counts for waiting batches too."""
    assignment: Assignment = Assignment()
    """How jobs are assigned to the annotators."""
    export: Export
    """The place in object storage that COCO files are written to."""
    overwrites: Overwrites = Overwrites.RELABEL
    """A file changes after its upload: relabel (a task for the new content too), ignore it, or quarantine it until a
    person runs `labelyard restore`. Before its upload the new content simply replaces the old one."""
    deletions: Deletions = Deletions.KEEP
    """A file is deleted after its upload: keep its annotations in the exports, or drop them from the next one. Before
    its upload it is set aside."""

    # Checked field by field, so that all of it is told beside what is wrong with other fields.
    @field_validator("sources")
    @classmethod
    def _apart(cls, value: tuple[Source, ...]) -> tuple[Source, ...]:
        refuse(_overlaps(value))
        return value

    @field_validator("annotators")
    @classmethod
    def _no_twins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        refuse(twins(value))
        return value

    @field_validator("export")
    @classmethod
    def _outside(cls, value: Export, info: ValidationInfo) -> Export:
        refuse(_taken_for_images(value, info.data.get("sources", ())))
        return value

    @property
    def export_bucket(self) -> str:
        """The bucket that exports go to."""
        return self.export.bucket or self.sources[0].bucket

    def is_marker(self, bucket: str, key: str) -> bool:
        """Whether an object is the marker that closes the open batch."""
        return (
            self.batch.marker is not None
            and key.rsplit("/", 1)[-1] == self.batch.marker
            and any(s.bucket == bucket and key.startswith(s.prefix) for s in self.sources)
        )

    def refusal(self, bucket: str, key: str) -> str | None:
        """Why an object is not this dataset's; None when it is."""
        reasons = [source.refusal(bucket, key) for source in self.sources]
        return None if None in reasons else reasons[0]


def _overlaps(sources: Sequence[Source]) -> Iterator[Problem]:
    for i, one in enumerate(sources):
        for other in sources[:i]:
            if one.overlaps(other.bucket, other.prefix):
                places = f"{_place(one)} overlaps {_place(other)}"
                yield (i,), f"{places}, objects would land twice: write prefixes of which none begins another"


def _taken_for_images(export: Export, sources: Sequence[Source]) -> Iterator[Problem]:
    for one in sources:
        if one.overlaps(export.bucket or sources[0].bucket, export.prefix):
            places = f"{export.prefix!r} overlaps the source {_place(one)}"
            instead = "write a prefix beside the source's (which needs one, too), or another bucket"
            yield ("prefix",), f"{places}, exports would come in as images: {instead}"


def _place(source: Source) -> str:
    return s3_url(source.bucket, source.prefix)
