"""The section `task` of a dataset file."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from pydantic import Field, field_validator

from labelyard.config.fields import Caption, Count, Problem, Section, Switch, reject
from labelyard.config.labels import LabelEntry, LabelSection, duplicates
from labelyard.domain.labels import Label
from labelyard.domain.tasks import DataSpec


class UploadMethod(StrEnum):
    """How CVAT receives the images."""

    STREAM = "stream"
    REMOTE = "remote"
    SHARE = "share"
    CLOUD = "cloud"


class TaskSection(Section):
    """How CVAT tasks are created."""

    labels: tuple[LabelEntry, ...] = Field(min_length=1)
    """The labels, in the order in which annotators see them. Their COCO ids are 1, 2, … in this order and never change:
    a label added later gets the next free id at any position, and the id of a removed label is not used again."""
    project: Caption | None = None
    """CVAT 2.x: the project of the tasks, by its name; created if there is none. The labels are the project's then:
    after a change here, `labelyard apply DATASET` adds and changes them there."""
    segment_size: Count = Field(default=0, ge=0, le=1_000_000)
    """Frames per job; 0 makes one job of the whole task."""
    overlap: Count | None = Field(default=None, ge=0, le=1_000_000)
    """Frames that neighbouring jobs share; at most half of `segment_size`. What both people draw there is exported
    twice."""
    image_quality: Count = Field(default=70, ge=1, le=100)
    """JPEG quality of the frames that annotators see; exports are not affected."""
    chunk_size: Count | None = Field(default=None, ge=1, le=1_000_000)
    """Frames per chunk that the browser loads; null lets CVAT choose."""
    z_order: Switch = False
    """Whether shapes have a z-order."""
    bug_tracker: str = Field(default="", max_length=2000)
    """An address (http or https) that the task links to."""
    upload: UploadMethod = UploadMethod.STREAM
    """stream: labelyard sends the files. remote: CVAT downloads presigned URLs. share: CVAT reads its own share. cloud:
    CVAT 2.x reads the bucket, whenever somebody looks at a frame: objects must stay as they are. With stream and cloud,
    frames follow the keys, folder by folder and numbers by their value; else CVAT orders them by its names."""
    inspect: Switch = True
    """Whether to read and check each image first. Without it (remote, share and cloud only) no image passes through
    labelyard, and what CVAT itself finds is all that is found: a truncated JPEG is not."""
    share_prefix: str = ""
    """For `share`: prefix that turns a key into a path in CVAT's share."""

    @field_validator("labels")
    @classmethod
    def _no_duplicates(cls, value: tuple[LabelSection, ...]) -> tuple[LabelSection, ...]:
        reject(duplicates([label.name for label in value]))
        return value

    @field_validator("bug_tracker")
    @classmethod
    def _address(cls, value: str) -> str:
        host = value.partition("://")[2].partition("/")[0]
        if value and (not value.startswith(("http://", "https://")) or not host or any(map(str.isspace, value))):
            raise ValueError("write an address, such as https://tracker.example.com/street")
        if "@" in host:
            raise ValueError("write the address without user and password: everybody who can see the task can see it")
        return value

    def problems(self) -> Iterator[Problem]:
        """Yield fields that contradict each other."""
        if self.overlap and not self.segment_size:
            yield ("overlap",), "needs a segment_size: a single job has no neighbour"
        elif self.overlap and 2 * self.overlap > self.segment_size:
            yield (
                ("overlap",),
                f"write at most {self.segment_size // 2}, half of segment_size: CVAT creates wrong jobs otherwise",
            )
        if not self.inspect and self.upload is UploadMethod.STREAM:
            yield ("inspect",), "upload: stream reads every byte anyway: write true, or choose remote, share or cloud"
        if self.share_prefix and self.upload is not UploadMethod.SHARE:
            yield ("share_prefix",), "is only for upload: share: remove it"

    def cvat_labels(self) -> tuple[Label, ...]:
        """Return the labels to create a CVAT task with."""
        return tuple(section.label() for section in self.labels)

    def data(self) -> DataSpec:
        """Return the settings for the upload to CVAT."""
        return DataSpec(image_quality=self.image_quality, chunk_size=self.chunk_size)
