"""The dataset file: one YAML that says where images come from, how they are labelled and where the dataset goes.

`DatasetSpec` is the file after it was checked. `read_spec` names file, line, field and what to write instead.
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, field_validator, model_validator

from labelyard.model import AttributeSpec, DataSpec, InputType, Label

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    """`90s`, `15m`, `2h`, `1d`, or plain seconds."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)\s*", value) if isinstance(value, str) else None
    return timedelta(seconds=float(found[1]) * _UNITS[found[2]]) if found else value


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta(0))]
"""A length of time in YAML: `90s`, `15m`, `2h`, `1d`."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
"""Small letters, digits, `.`, `_`, `-`: it stands in task names, run names and tags."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Source(_Section):
    """A place in object storage that new images appear in."""

    bucket: str = Field(min_length=3, max_length=63)
    """The bucket's name."""
    prefix: str = ""
    """Only keys that start so; end it in `/` to name a folder."""
    include: tuple[str, ...] = ("*.jpg", "*.jpeg", "*.png", "*.bmp", "*.webp", "*.tif", "*.tiff")
    """Globs on the key after the prefix, case ignored; `*` crosses folders. A key that fits none is ignored."""
    exclude: tuple[str, ...] = ()
    """Globs that win over `include`."""

    def takes(self, bucket: str, key: str) -> bool:
        """Whether an object is this source's."""
        return self.refusal(bucket, key) is None

    def refusal(self, bucket: str, key: str) -> str | None:
        """Why an object is not this source's; None when it is."""
        if bucket != self.bucket or not key.startswith(self.prefix):
            return f"outside s3://{self.bucket}/{self.prefix}"
        rest = key[len(self.prefix) :].lower()
        if key.endswith("/"):
            return "a folder marker"
        if not any(fnmatchcase(rest, glob.lower()) for glob in self.include):
            return f"fits no include glob ({', '.join(self.include)})"
        return next((f"excluded by {glob}" for glob in self.exclude if fnmatchcase(rest, glob.lower())), None)

    def overlaps(self, bucket: str, prefix: str) -> bool:
        """Whether a key could lie both here and below another prefix."""
        return self.bucket == bucket and (self.prefix.startswith(prefix) or prefix.startswith(self.prefix))


class Batching(_Section):
    """When the objects that came in become one task: at whichever of these comes first."""

    max_objects: int = Field(default=100, ge=1, le=5000)
    """Close when so many objects are in it."""
    max_bytes: ByteSize = Field(default=ByteSize(2 * 1024**3), gt=0)
    """Close before it grows beyond this (`500MB`, `2GiB`)."""
    quiet: Duration | None = timedelta(minutes=2)
    """Close when nothing more arrived for so long; null to wait on."""
    max_age: Duration | None = timedelta(hours=1)
    """Close when its first object landed so long ago; null to wait on."""
    marker: str | None = None
    """Close when an object of this base name appears (`_SUCCESS`, `manifest.json`); the marker itself is no image."""

    @field_validator("marker")
    @classmethod
    def _base_name(cls, value: str | None) -> str | None:
        if value is not None and ("/" in value or not value):
            raise ValueError("write the base name alone, such as _SUCCESS")
        return value

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.quiet is None and self.max_age is None and self.marker is None:
            raise ValueError("a batch that never fills would never close: set quiet, max_age or marker")
        return self


class AttributeSection(_Section):
    """An attribute of a label, in one of CVAT's five kinds."""

    name: str = Field(min_length=1, max_length=64)
    """Unique in its label."""
    input_type: InputType = InputType.SELECT
    """select, radio (one of `values`), checkbox, text, number."""
    values: tuple[str, ...] = ()
    """What may be chosen; for a number: minimum, maximum, step."""
    default: str | None = None
    """What an untouched annotation has; by default the first value (checkbox: false)."""
    mutable: bool = False
    """May it change from frame to frame of a track?"""

    @field_validator("values", mode="before")
    @classmethod
    def _as_text(cls, values: object) -> object:
        # YAML reads 0, 1.5 and true as numbers and booleans; CVAT answers 500 to anything but strings.
        if not isinstance(values, list):
            return values
        return [str(v).lower() if isinstance(v, bool) else str(v) if isinstance(v, int | float) else v for v in values]

    @field_validator("default", mode="before")
    @classmethod
    def _default_as_text(cls, value: object) -> object:
        return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        kind, values = self.input_type, self.values
        if kind in (InputType.SELECT, InputType.RADIO):
            if not values:
                raise ValueError(f"a {kind} needs values to choose from")
            if len(set(values)) != len(values):
                raise ValueError("the values must differ from each other")
            if self.default is not None and self.default not in values:
                raise ValueError(f"default {self.default!r} is none of the values")
        if kind is InputType.CHECKBOX and (self.default not in (None, "true", "false") or set(values) - {"true", "false"}):
            raise ValueError("a checkbox knows only true and false")
        if kind is InputType.NUMBER:
            self._check_number()
        return self

    def _check_number(self) -> None:
        try:
            low, high, step = (float(v) for v in self.values)
            default = low if self.default is None else float(self.default)
        except ValueError:
            raise ValueError("a number needs values: [minimum, maximum, step], and a numeric default") from None
        if low >= high or step <= 0 or not low <= default <= high:
            raise ValueError("write minimum < maximum, step > 0, and a default between the two")

    def spec(self) -> AttributeSpec:
        """The attribute as CVAT takes it, every default filled in."""
        fallback = "false" if self.input_type is InputType.CHECKBOX else (self.values[0] if self.values else "")
        default = fallback if self.default is None else self.default
        return AttributeSpec(self.name, self.input_type, default, self.values or (default,), self.mutable)


class LabelSection(_Section):
    """A label that annotators choose from."""

    name: str = Field(min_length=1, max_length=64)
    """Unique in the dataset."""
    color: str | None = Field(default=None, pattern=r"^#[0-9a-fA-F]{6}$")
    """`#rrggbb`, for servers that keep a colour."""
    attributes: tuple[AttributeSection, ...] = ()
    """What is asked about each annotation."""

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _unique(self) -> Self:
        _no_twins("attribute", [a.name for a in self.attributes])
        return self

    def label(self) -> Label:
        """The label as CVAT takes it."""
        return Label(self.name, tuple(a.spec() for a in self.attributes), self.color)


class Upload(StrEnum):
    """How CVAT gets at the images."""

    STREAM = "stream"
    REMOTE = "remote"
    SHARE = "share"


class TaskSection(_Section):
    """How the CVAT tasks are made."""

    labels: tuple[LabelSection, ...] = Field(min_length=1)
    """The labels, in the order in which annotators see them and COCO numbers them."""
    segment_size: int = Field(default=0, ge=0)
    """Frames in a job; 0 makes one job of the whole task."""
    overlap: int | None = Field(default=None, ge=0)
    """Frames that neighbouring jobs share; less than half of `segment_size`."""
    image_quality: int = Field(default=70, ge=1, le=100)
    """JPEG quality of what annotators see; exports are not touched by it."""
    chunk_size: int | None = Field(default=None, ge=1)
    """Frames that the browser loads at once; null lets CVAT choose."""
    z_order: bool = False
    """Do shapes lie above each other?"""
    bug_tracker: str = Field(default="", max_length=2000)
    """An address that the task links to."""
    upload: Upload = Upload.STREAM
    """stream: through this machine. remote: CVAT downloads presigned URLs. share: CVAT reads its own share."""
    inspect: bool = True
    """Read and check each image first; only remote and share may say false and trust the bucket."""
    share_prefix: str = ""
    """For `share`: what to write before the key to get the path in CVAT's share."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _no_twins("label", [label.name for label in self.labels])
        if self.overlap and not self.segment_size:
            raise ValueError("overlap needs a segment_size")
        if self.overlap and 2 * self.overlap > self.segment_size:
            raise ValueError(f"overlap {self.overlap} is more than half of segment_size {self.segment_size}: CVAT would make odd jobs")
        if not self.inspect and self.upload is Upload.STREAM:
            raise ValueError("stream reads every byte anyway: leave inspect true")
        return self

    def cvat_labels(self) -> tuple[Label, ...]:
        """The labels as CVAT takes them."""
        return tuple(section.label() for section in self.labels)

    def data(self) -> DataSpec:
        """How the server shall treat the frames."""
        return DataSpec(image_quality=self.image_quality, chunk_size=self.chunk_size)


class Export(_Section):
    """Where the dataset goes."""

    format: Literal["COCO 1.0"] = "COCO 1.0"
    """The export format of CVAT."""
    bucket: str | None = None
    """The destination bucket; by default the first source's."""
    prefix: str = Field(min_length=1)
    """Where in the bucket the COCO files go; no source may lie in it or around it."""

    @field_validator("prefix")
    @classmethod
    def _folder(cls, value: str) -> str:
        return value if value.endswith("/") else value + "/"


class DatasetSpec(_Section):
    """A dataset: one file, one steady stream of images, one growing set of COCO files."""

    name: Name
    """The dataset's name; it stands in task names, runs and tags, and never changes."""
    description: str = ""
    """For people."""
    cvat: Name = "default"
    """Which CVAT of the settings (LABELYARD_CVAT__<NAME>__URL) labels it."""
    sources: tuple[Source, ...] = Field(min_length=1)
    """Where images come from."""
    batch: Batching = Batching()
    """When objects become a task."""
    task: TaskSection
    """How the tasks are made."""
    annotators: tuple[str, ...] = Field(min_length=1)
    """CVAT user names that jobs are handed to, round robin."""
    export: Export
    """Where the dataset goes."""

    @model_validator(mode="after")
    def _places(self) -> Self:
        _no_twins("annotator", list(self.annotators))
        for i, one in enumerate(self.sources):
            if one.overlaps(self.export_bucket, self.export.prefix):
                raise ValueError(f"export.prefix {self.export.prefix!r} lies in source {one.prefix!r} (or around it): exports would come in as images")
            for other in self.sources[i + 1 :]:
                if one.overlaps(other.bucket, other.prefix):
                    raise ValueError(f"sources {one.prefix!r} and {other.prefix!r} of {one.bucket} overlap: an object would land twice")
        return self

    @property
    def export_bucket(self) -> str:
        """The bucket that exports go to."""
        return self.export.bucket or self.sources[0].bucket

    def is_marker(self, bucket: str, key: str) -> bool:
        """Whether an object is the marker that closes the open batch."""
        return self.batch.marker is not None and key.rsplit("/", 1)[-1] == self.batch.marker and any(
            s.bucket == bucket and key.startswith(s.prefix) for s in self.sources
        )

    def refusal(self, bucket: str, key: str) -> str | None:
        """Why an object is not this dataset's; None when it is."""
        reasons = [source.refusal(bucket, key) for source in self.sources]
        return None if None in reasons else reasons[0]


def _no_twins(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what} {name!r} stands twice")
