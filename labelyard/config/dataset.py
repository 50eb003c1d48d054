"""The sections of a dataset file, as validated models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from pydantic import ByteSize, Field, ValidationInfo, field_validator

from labelyard.config.assignment_section import AssignmentSection
from labelyard.config.checks_section import ChecksSection
from labelyard.config.cvat_section import CvatPlace
from labelyard.config.deadlines_section import DeadlinesSection
from labelyard.config.export_section import ExportSection
from labelyard.config.fields import (
    Bucket,
    Count,
    Duration,
    Every,
    Glob,
    Name,
    Person,
    Prefix,
    Problem,
    Section,
    Size,
    reject,
)
from labelyard.config.labels import duplicates
from labelyard.config.preannotate_section import PreannotateSection
from labelyard.config.quality_section import QualitySection
from labelyard.config.release_section import ReleaseSection
from labelyard.config.review_section import ReviewSection
from labelyard.config.schedule_section import ScheduleSection
from labelyard.config.task_section import TaskSection, UploadMethod
from labelyard.domain.batching import GroupBy
from labelyard.domain.objects import base_name, s3_url

_MOST_SENT = 5000
"""Files of a task that are sent or downloaded; a bucket that CVAT reads itself may have more of them."""


class Source(Section):
    """A bucket and prefix where new images appear."""

    bucket: Bucket
    """The bucket's name."""
    prefix: Prefix = ""
    """Only keys that begin with it. End it in `/` to name a folder."""
    include: tuple[Glob, ...] = Field(
        default=("*.jpg", "*.jpeg", "*.png", "*.bmp", "*.webp", "*.tif", "*.tiff"), min_length=1
    )
    """Globs for the key after the prefix, ignoring case. `*` matches across folders. Other keys are ignored."""
    exclude: tuple[Glob, ...] = ()
    """Globs for keys to ignore; they take precedence over `include`."""

    def problems(self) -> Iterator[Problem]:
        """Yield globs that repeat the prefix: they would match no key."""
        for field, globs in (("include", self.include), ("exclude", self.exclude)):
            for i, glob in enumerate(globs):
                if self.prefix and glob.startswith(self.prefix):
                    rest = glob[len(self.prefix) :] or "*"
                    yield (field, i), f"globs match the key after the prefix {self.prefix!r}: write {rest!r}"

    def refusal(self, bucket: str, key: str) -> str | None:
        """Return why an object does not belong to this source, or None when it does."""
        if bucket != self.bucket or not key.startswith(self.prefix):
            return f"outside {s3_url(self.bucket, self.prefix)}"
        rest = key[len(self.prefix) :].lower()
        if key.endswith("/"):
            return "a folder marker"
        if not any(fnmatchcase(rest, glob.lower()) for glob in self.include):
            return f"matches no include glob ({', '.join(self.include)})"
        return next((f"excluded by {glob}" for glob in self.exclude if fnmatchcase(rest, glob.lower())), None)

    def overlaps(self, bucket: str, prefix: str) -> bool:
        """Return whether a key can belong to this source and to another prefix."""
        return self.bucket == bucket and (self.prefix.startswith(prefix) or prefix.startswith(self.prefix))


class Batching(Section):
    """When an open batch closes: at the first of these conditions."""

    max_objects: Count = Field(default=100, ge=1, le=10_000)
    """Close when it holds this many objects. More than 5000 need `upload: cloud`: no file is sent then."""
    max_bytes: Size = Field(default=ByteSize(2 * 1024**3), json_schema_extra={"default": "2GiB"})
    """Close before it exceeds this size (`500MB`, `2GiB`)."""
    quiet: Duration | None = Field(default=timedelta(minutes=2), json_schema_extra={"default": "2m"})
    """Close when nothing arrived for this long; null for never."""
    max_age: Duration | None = Field(default=timedelta(hours=1), json_schema_extra={"default": "1h"})
    """Close this long after its first object was registered; null for never."""
    marker: str | None = None
    """Close when an object of this base name appears (`_SUCCESS`, `manifest.json`); it is not an image itself. Each
    content of a marker counts once: for the next delivery to the same folder write a different content, such as the
    time."""
    group_by: GroupBy | None = None
    """folder: the objects of each folder get a batch, and so a task, of their own, which closes by these rules; a
    marker closes those of its folder and of the folders below it. null: one batch for all folders."""

    @field_validator("marker")
    @classmethod
    def _base_name(cls, value: str | None) -> str | None:
        if value is not None and ("/" in value or not value.strip()):
            raise ValueError("write only the base name, such as _SUCCESS")
        return value

    @property
    def closes_by_itself(self) -> bool:
        """Whether anything closes a batch that is never full."""
        return self.quiet is not None or self.max_age is not None or self.marker is not None


class Overwrites(StrEnum):
    """What to do with a new content of a file whose old content is in a task."""

    RELABEL = "relabel"
    IGNORE = "ignore"
    QUARANTINE = "quarantine"


class Deletions(StrEnum):
    """What to do when a file is deleted whose content is in a task."""

    KEEP = "keep"
    DROP = "drop"


class DatasetSpec(Section):
    """A dataset file."""

    name: Name
    """The name of the dataset. It is part of task names, runs and tags, and cannot be changed."""
    description: str = ""
    """For people."""
    cvat: CvatPlace = "default"
    """The CVAT: its name in the settings (`LABELYARD_CVAT__<NAME>__URL`), or a mapping that also names an organization
    there: `{organization: acme}`. An organization in the settings is the default."""
    sources: tuple[Source, ...] = Field(min_length=1)
    """Where images come from."""
    batch: Batching = Batching()
    """When a batch closes."""
    task: TaskSection
    """How tasks are created."""
    preannotate: PreannotateSection | None = None
    """A model's predictions, with which people begin; null: they begin with empty images."""
    annotators: tuple[Person, ...] = Field(min_length=1)
    """CVAT user names that jobs are assigned to; a change counts for waiting batches too."""
    assignment: AssignmentSection = AssignmentSection()
    """How jobs are assigned to the annotators."""
    review: ReviewSection | None = None
    """Who looks at completed jobs before they are exported; null: nobody."""
    quality: QualitySection = QualitySection()
    """CVAT 2.x: ground truth, honeypots and replicas."""
    export: ExportSection
    """Where and how datasets are written."""
    release: ReleaseSection = ReleaseSection()
    """Where and how releases are written."""
    checks: ChecksSection = ChecksSection()
    """What the exports are checked for."""
    overwrites: Overwrites = Overwrites.RELABEL
    """A file changes after its upload: relabel (a task for the new content too), ignore it, or quarantine it until a
    person runs `labelyard restore`. Before its upload the new content simply replaces the old one."""
    deletions: Deletions = Deletions.KEEP
    """A file is deleted after its upload: keep its annotations in the exports, or drop them from the next one. A file
    deleted before its upload is quarantined."""
    deadlines: DeadlinesSection = DeadlinesSection()
    """When a batch counts as late on the operations page."""
    expect: Every | None = None
    """How often new objects should arrive at least: `every 1d`. If they do not, somebody gets an alert; null: never."""
    schedule: ScheduleSection = ScheduleSection()
    """When things happen by themselves: ingest, release, sweep."""

    def problems(self) -> Iterator[Problem]:
        """Yield the lack of any condition that closes a batch which is never full."""
        if not self.batch.closes_by_itself and self.schedule.ingest is None:
            never = "a batch that is never full would never close"
            yield ("batch", "quiet"), f"{never}: set quiet, max_age or marker, or schedule.ingest"

    # Validated field by field, so that these errors are reported together with those of other fields.
    @field_validator("sources")
    @classmethod
    def _no_overlap(cls, value: tuple[Source, ...]) -> tuple[Source, ...]:
        reject(_overlaps(value))
        return value

    @field_validator("task")
    @classmethod
    def _one_bucket(cls, value: TaskSection, info: ValidationInfo) -> TaskSection:
        buckets = sorted({source.bucket for source in info.data.get("sources", ())})
        if value.upload is UploadMethod.CLOUD and len(buckets) > 1:
            what = f"a task reads one bucket, and the sources are in {', '.join(buckets)}: write a dataset for each"
            reject([(("upload",), what)])
        batch = info.data.get("batch")
        if batch is not None and batch.max_objects > _MOST_SENT and value.upload is not UploadMethod.CLOUD:
            what = f"sends at most {_MOST_SENT} files a task: write cloud, or batch.max_objects: {_MOST_SENT}"
            reject([(("upload",), what)])
        return value

    @field_validator("annotators")
    @classmethod
    def _no_duplicates(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        reject(duplicates(value))
        return value

    @field_validator("assignment")
    @classmethod
    def _names_known(cls, value: AssignmentSection, info: ValidationInfo) -> AssignmentSection:
        task, annotators = info.data.get("task"), info.data.get("annotators", ())
        if task is not None and annotators:
            labels = [label.name for label in task.cvat_labels()]
            reject(value.misfits(annotators, labels, predicts=info.data.get("preannotate") is not None))
        return value

    @field_validator("review")
    @classmethod
    def _reviewers_for_all(cls, value: ReviewSection | None, info: ValidationInfo) -> ReviewSection | None:
        annotators = info.data.get("annotators", ())
        if value is not None and len(value.reviewers) == 1 and value.reviewers[0] in annotators:
            name = value.reviewers[0]
            reject([(("reviewers",), f"{name} labels too, and nobody reviews their own jobs: add another reviewer")])
        return value

    @field_validator("quality")
    @classmethod
    def _fits(cls, value: QualitySection, info: ValidationInfo) -> QualitySection:
        task, annotators = info.data.get("task"), info.data.get("annotators", ())
        if value.honeypots is not None and task is not None and task.overlap:
            reject([(("honeypots",), "need jobs that share no frames: remove task.overlap")])
        if value.replicas and annotators and value.replicas > len(annotators):
            what = f"need as many annotators, not {len(annotators)}: each replica of a job goes to another one"
            reject([(("replicas",), what)])
        if value.replicas and info.data.get("assignment") != AssignmentSection():
            reject([(("replicas",), "go to the annotators in turn: remove assignment")])
        if value.replicas and info.data.get("review") is not None:
            reject([(("replicas",), "have no single annotator to whom a review could send a job back: remove review")])
        if value.replicas and info.data.get("preannotate") is not None:
            reject([(("replicas",), "begin empty, CVAT copies nothing into them: remove preannotate")])
        return value

    @field_validator("export")
    @classmethod
    def _not_a_source(cls, value: ExportSection, info: ValidationInfo) -> ExportSection:
        sources = info.data.get("sources", ())
        if sources:
            reject(_overlap_with_sources(value.bucket or sources[0].bucket, value.prefix, sources, "exports"))
        return value

    @field_validator("release")
    @classmethod
    def _a_folder_of_its_own(cls, value: ReleaseSection, info: ValidationInfo) -> ReleaseSection:
        sources, export = info.data.get("sources", ()), info.data.get("export")
        if sources and export:
            export_bucket = export.bucket or sources[0].bucket
            bucket = value.bucket or export_bucket
            reject(_overlap_with_sources(bucket, value.prefix, sources, "releases"))
            if bucket == export_bucket and value.prefix.startswith(export.prefix):
                reject([(("prefix",), f"{value.prefix!r} is in the folder of the exports: write one outside of it")])
        return value

    @property
    def reviewers(self) -> tuple[str, ...]:
        """The user names of the reviewers; none without reviews."""
        return self.review.reviewers if self.review else ()

    @property
    def people(self) -> tuple[str, ...]:
        """The user names of annotators and reviewers, each once."""
        return tuple(dict.fromkeys((*self.annotators, *self.reviewers)))

    @property
    def export_bucket(self) -> str:
        """The bucket of the exports."""
        return self.export.bucket or self.sources[0].bucket

    @property
    def release_bucket(self) -> str:
        """The bucket of the releases."""
        return self.release.bucket or self.export_bucket

    def key_in_source(self, bucket: str, key: str) -> str:
        """Return a key without the prefix of the source that it belongs to; whole if it belongs to none."""
        found = (source for source in self.sources if source.bucket == bucket and key.startswith(source.prefix))
        source = next(found, None)
        return key[len(source.prefix) :] if source else key

    def is_marker(self, bucket: str, key: str) -> bool:
        """Return whether an object is a marker that closes the open batch."""
        return (
            self.batch.marker is not None
            and base_name(key) == self.batch.marker
            and any(s.bucket == bucket and key.startswith(s.prefix) for s in self.sources)
        )

    def refusal(self, bucket: str, key: str) -> str | None:
        """Return why an object does not belong to this dataset, or None when it does."""
        reasons = [source.refusal(bucket, key) for source in self.sources]
        return None if None in reasons else reasons[0]


def _overlaps(sources: Sequence[Source]) -> Iterator[Problem]:
    for i, one in enumerate(sources):
        for other in sources[:i]:
            if one.overlaps(other.bucket, other.prefix):
                overlap = f"{_url(one)} overlaps {_url(other)}"
                yield (i,), f"{overlap}, objects would be registered twice: no prefix may begin with another one"


def _overlap_with_sources(bucket: str, prefix: str, sources: Sequence[Source], files: str) -> Iterator[Problem]:
    for one in sources:
        if one.overlaps(bucket, prefix):
            overlap = f"{prefix!r} overlaps the source {_url(one)}"
            instead = "write a prefix outside the source's (which needs one, too), or another bucket"
            yield ("prefix",), f"{overlap}, {files} would be registered as images: {instead}"


def _url(source: Source) -> str:
    return s3_url(source.bucket, source.prefix)
