"""The plan of a run: the files that are uploaded, the features that the dataset uses, and the faults meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from labelyard.failpoints import FAILPOINTS
from tests.support.cvat_families import V1


def _failpoints(*steps: str) -> tuple[str, ...]:
    return tuple(name for name in FAILPOINTS if name.partition(".")[0] in steps)


WATCHER_FAILPOINTS = _failpoints("watcher", "register_objects", "close_batches", "publish_events")
REPORTED_FAILPOINTS = _failpoints("collect_finished")
"""What a watcher passes when CVAT's webhook has reported a job."""
END_FAILPOINTS = _failpoints("leftover_tasks")
PROJECT_FAILPOINTS = _failpoints("create_project")
RELEASE_FAILPOINTS = _failpoints("release_dataset")
REASSIGN_FAILPOINTS = ("assign_quality_jobs.replaced", "reassign_untouched.chosen")
MESSAGE_FAILPOINTS = _failpoints("send_messages")
REVIEW_FAILPOINTS = _failpoints("review_jobs")
WAITING_FAILPOINTS = _failpoints("assign_waiting_jobs")
QUALITY_FAILPOINTS = tuple(
    name for name in _failpoints("assign_quality_jobs", "check_quality") if name not in REASSIGN_FAILPOINTS
)
PREDICTION_FAILPOINTS = _failpoints("preannotate_task")
_NOT_IN_RUNS = (
    *_failpoints("watcher", "close_batches"), *END_FAILPOINTS, *PROJECT_FAILPOINTS, *RELEASE_FAILPOINTS,
    *REASSIGN_FAILPOINTS, *MESSAGE_FAILPOINTS,
    *REVIEW_FAILPOINTS, *WAITING_FAILPOINTS, *QUALITY_FAILPOINTS, *PREDICTION_FAILPOINTS,
)  # fmt: skip
RUN_FAILPOINTS = tuple(name for name in FAILPOINTS if name not in _NOT_IN_RUNS)

DELAYED_EXPORT: Mapping[str, Any] = {"on": "worker export", "delay": 2.0, "times": 2}
"""CVAT's export waits after it has read the annotations, so that somebody can save others meanwhile."""

PROJECT, STORAGE = "POST /api/v1/projects", "POST /api/v1/cloudstorages"
MERGE, REPORT = "POST /api/v1/consensus/merges", "POST /api/v1/quality/reports"
SHAPES = "PATCH /api/v1/jobs/*/annotations"
CREATE, DATA, JOB = "POST /api/v1/tasks", "POST /api/v1/tasks/*/data", "PATCH /api/v1/jobs/*"
DELETE, EXPORT, READ = "DELETE /api/v1/tasks/*", "GET /api/v1/tasks/*/annotations", "GET /api/v1/*"

CVAT_REQUEST_FAULTS: tuple[Mapping[str, Any], ...] = (
    {"status": 429, "retry_after": 0},
    {"status": 500},
    {"status": 500, "when": "after"},
    {"status": 503},
    {"status": 504, "when": "after"},
    {"cut": True},
    {"cut": True, "when": "after"},
    {"delay": 1.3, "when": "after"},
    {"delay": 1.3},
)
"""What happens to a request, before or after it takes effect."""


@dataclass(frozen=True)
class FaultyUpload:
    """A file that is put into the bucket `after` so many seconds.

    `content` numbers the picture; a negative number is no image, None deletes the file. A `key` that comes twice
    overwrites its file. `notification` is sent "once", "twice" or "late", or is "lost".
    """

    key: str
    content: int | None
    after: float
    notification: str
    once_registered: bool = False
    """Wait until the ledger has registered an earlier upload of the same key."""


@dataclass(frozen=True)
class Decision:
    """What the labelling lead decides `at` so many seconds, or as soon as it is possible.

    `what`: "cancel" or "archive" a batch, "quarantine" an object, "retire" the dataset. `which` chooses among those
    that there are then.
    """

    at: float
    what: str
    which: int = 0


@dataclass(frozen=True)
class WorkerFault:
    """A fault of one worker process: kill -9, or a stop of `stop_seconds`, at a failpoint or `after` some seconds.

    `role` says which process it hits: a "watch" or a "run".
    """

    role: str
    failpoint: str | None = None
    after: float = 0.0
    stop_seconds: float = 0.0


@dataclass(frozen=True)
class ProcessFault:
    """A fault of a process of the full stack, `at` so many seconds after the start of the run.

    `kind`: "kill" (kill -9), "stop" or "full" (no space on its disk) for `seconds`, or "crash" (the next process that
    passes `failpoint` ends there).
    """

    at: float
    kind: str
    process: str
    seconds: float = 0.0
    failpoint: str = ""


@dataclass(frozen=True)
class Quality:
    """Quality control: `truth` frames with ground truth, so many `honeypots` in each job and `replicas` of it."""

    truth: int = 0
    honeypots: int = 0
    replicas: int = 0

    def section(self, annotator: str) -> dict[str, Any]:
        """Return the section `quality` of the dataset file; the annotator gets the ground-truth job."""
        truth = {"ground_truth": {"frames": self.truth, "annotator": annotator}} if self.truth else {}
        others = {"honeypots": self.honeypots, "replicas": self.replicas}
        return {**truth, **{name: count for name, count in others.items() if count}}


@dataclass(frozen=True)
class FaultPlan:
    """All uploads and faults of a run. Rules are those of the sandbox's `faults`; times are seconds from the start."""

    seed: int
    uploads: tuple[FaultyUpload, ...]
    max_objects: int
    segment_size: int
    lease_seconds: float
    watchers: int
    worker_faults: tuple[WorkerFault, ...] = ()
    cvat_faults: tuple[Mapping[str, Any], ...] = ()
    store_faults: tuple[Mapping[str, Any], ...] = ()
    event_faults: tuple[str, ...] = ()
    """How Prefect takes each request with events, in turn: accepted, lost, twice, late, rejected, rejected_after."""
    ledger_locks: tuple[tuple[float, float], ...] = ()
    """When the ledger is locked, and for how long."""
    duplicate_runs: bool = False
    """Every sweep and every run starts twice at the same time."""
    stale_export: bool = False
    """Another export runs while the last box is drawn, so that CVAT caches an export without it."""
    reopen_job: bool = False
    """A job is reopened after the export."""
    duplicate_tasks: bool = False
    """Empty tasks with the name of a batch's task exist before its own, and empty projects with that of its project."""
    unreadable_message: bool = False
    """The queue delivers a message that cannot be parsed."""
    decisions: tuple[Decision, ...] = ()
    """What a person decides meanwhile; it may end a batch in the middle of its run."""
    fault_seconds: float = 4.0
    """How long faults are injected at most; less if everything is done earlier."""
    project: bool = False
    """The tasks are in a project, with a CVAT that has projects."""
    pool: bool = False
    """Jobs are assigned from a pool, one at a time to each person."""
    review: bool = False
    """Each job is rejected once, repaired, and accepted by another person than its annotator."""
    organization: str = ""
    """Who says that the tasks are in an organization of CVAT: the "dataset" file or a "setting"; nobody if empty."""
    cloud: str = ""
    """How CVAT reads the bucket itself: "directly", or through the "faulty store"; not if empty."""
    inspect: bool = True
    """Whether labelyard reads images that CVAT takes from the bucket itself."""
    predictions: Mapping[str, str] | None = None
    """By folder: the file with predictions beside its images is "good", "broken" or "missing"."""
    prediction_timeout: str = "1h"
    """How long a batch waits for predictions, on the ledger's clock."""
    quality: Quality | None = None
    webhook: bool = False
    """CVAT's webhook reports changed jobs to the watchers, and labelyard asks CVAT less often."""
    delivery_faults: tuple[str, ...] = ()
    """How the first deliveries of the webhook arrive, in turn: accepted, lost, twice, late, refused."""
    process_faults: tuple[ProcessFault, ...] = ()
    """Faults of whole processes; for the full stack only."""

    def features(self) -> tuple[str, ...]:
        """Return the names of the features of CVAT that the plan uses."""
        quality, predictions = self.quality or Quality(), self.predictions
        named = {
            f"organization of the {self.organization}": self.organization,
            "project": self.project,
            f"cloud storage, read {'directly' if self.cloud == 'directly' else 'through the faulty store'}": self.cloud,
            "webhook": self.webhook,
            "review": self.review,
            "pool": self.pool,
            "predictions": predictions is not None,
            "ground truth without honeypots": quality.truth and not quality.honeypots,
            "honeypots": quality.honeypots,
            "replicas": quality.replicas,
        }
        return tuple(name for name, used in named.items() if used)

    def predicted_keys(self) -> frozenset[str]:
        """Return the keys of the uploads that a good file beside them has predictions for."""
        states = self.predictions or {}
        keys = {upload.key for upload in self.uploads}
        return frozenset(key for key in keys if states.get(key.partition("/")[0]) == "good")

    def for_cvat(self, version: str) -> FaultPlan:
        """Return the plan without the features that a version of CVAT lacks."""
        if version != V1:
            return self
        return replace(self, project=False, organization="", cloud="", inspect=True, quality=None, webhook=False)
