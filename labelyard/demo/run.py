"""Runs the demo, from the start of all processes to the verification of the result."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from labelyard.config import DatasetSpec, LabelSection, UploadMethod
from labelyard.config.loading import read_spec
from labelyard.context import open_context
from labelyard.cvat import connect
from labelyard.cvat_names import cvat_name
from labelyard.demo import environment, verify
from labelyard.demo.environment import DemoEnvironment
from labelyard.demo.exported import Export, read_export
from labelyard.demo.release import DemoRelease, make_release
from labelyard.demo.reviews import ReviewedJob, review_problems, reviewed_jobs
from labelyard.demo.uploader import Uploader, waves
from labelyard.domain.states import ENDED, BatchState
from labelyard.ledger import Ledger, batches, datasets, upgrade
from labelyard.ledger import exports as ledger_exports
from labelyard.ledger.overview import BatchSummary
from labelyard.ledger.tables import History
from labelyard.operations.cvat_webhook import webhook_setup
from labelyard.orchestration.pull import find_project
from labelyard.settings import Settings
from labelyard.sources.queues import notification_setup
from labelyard.sources.webhook_setup import wants_webhook
from labelyard.storage.boto import boto_client
from labelyard.supervisor import Supervisor
from labelyard.supervisor.display import Display
from labelyard.supervisor.progress import Observer, Snapshot
from labelyard.supervisor.stack import Links, start_stack

LONGEST_SECONDS = 600.0
"""How long the photographs may take from the bucket to the dataset, on a slow machine."""

_SKELETON = LabelSection(name="body", points=("head", "hand", "foot"), lines=(("head", "hand"), ("hand", "foot")))
_CHECK_SECONDS = 0.25
_IN_A_TASK = (BatchState.READY, BatchState.ASSIGNED, BatchState.COMPLETED, BatchState.EXPORTED)


@dataclass(frozen=True)
class DemoResult:
    """The result of a demo; `differences` is empty if all is as promised."""

    seconds_put_to_task: Sequence[float]
    tasks: Sequence[verify.CvatTask]
    outcomes: Sequence[verify.PhotographOutcome]
    exports: Sequence[Path]
    release: DemoRelease
    links: Links
    task_urls: Sequence[str]
    reviews: Sequence[ReviewedJob]
    differences: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """Return the document that `--json` writes."""
        seconds = self.seconds_put_to_task
        return {
            "objects": len(self.outcomes),
            "seconds_put_to_task": {
                "p50": round(statistics.median(seconds), 2) if seconds else None,
                "max": round(max(seconds), 2) if seconds else None,
            },
            "tasks": [
                {
                    "id": task.id,
                    "name": task.name,
                    "size": task.size,
                    "jobs": [{"id": job.id, "assignee": job.assignee, "status": job.status} for job in task.jobs],
                }
                for task in self.tasks
            ],
            "exports": [str(path) for path in self.exports],
            "release": {"images": self.release.images, "folder": str(self.release.folder), "url": self.release.url},
            "reviews": [asdict(one) for one in self.reviews],
            "drawn": verify.numbers_of_kinds(self.outcomes),
            "ui": self.links.prefect_ui,
            "differences": list(self.differences),
        }


def run_demo(supervisor: Supervisor, env: DemoEnvironment, settings: Settings, display: Display) -> DemoResult:
    """Start everything, upload the photographs, wait for their export, and verify the result.

    Raises LabelyardError when a process does not start, and SignalReceived when a signal arrives.
    """
    spec = _for_cvat(read_spec(find_project() / "datasets" / "photographs.yaml"), env.organization)
    display.report("S3 and SQS emulator, CVAT sandbox …")
    supervisor.start(environment.emulator_process(env), environment.sandbox_process(env))
    display.report("ledger, dataset, bucket, notifications …")
    s3 = boto_client("s3", settings.store, env.store_url)
    set_up(settings, spec, s3)
    links = start_stack(supervisor, settings, display.report)
    environment.add_prefect_url(env, links.prefect_api)
    supervisor.start(environment.bots_process(env))
    uploader = Uploader(s3, spec, waves(spec.sources[0].prefix))
    with closing(Ledger(settings.ledger)) as ledger:
        seen = _follow(supervisor, env, ledger, uploader, display)
        display.report("a release of the dataset …")
        settings = settings.model_copy(update={"prefect_api_url": links.prefect_api})
        release = make_release(
            settings, ledger, spec.name, len(uploader.uploads), env.folder / "release", supervisor.check
        )
        return _verify(env, ledger, uploader, seen, s3, links, release)


def _for_cvat(spec: DatasetSpec, organization: str) -> DatasetSpec:
    """Return a dataset that uses what CVAT 2.x has: an organization, a project, the bucket as storage, skeletons.

    Without an organization CVAT is 1.0.0, and the dataset stays as it is.
    """
    if not organization:
        return spec
    labels = (*spec.task.labels, _SKELETON)
    changes = {"labels": labels, "project": environment.PROJECT, "upload": UploadMethod.CLOUD}
    cvat = cvat_name(spec.cvat, organization)
    return spec.model_copy(update={"cvat": cvat, "task": spec.task.model_copy(update=changes)})


def set_up(settings: Settings, spec: DatasetSpec, s3: Any) -> None:
    """Set up a dataset as a person does: buckets, `labelyard db upgrade`, `apply`, `notifications --apply`."""
    for bucket in {*(source.bucket for source in spec.sources), spec.export_bucket}:
        s3.create_bucket(Bucket=bucket)
    upgrade(settings.ledger)
    with closing(Ledger(settings.ledger)) as ledger, ledger.transaction() as tx:
        datasets.apply(tx, spec)
    notification_setup(settings).apply(spec)
    if wants_webhook(settings, spec):
        with open_context(settings) as context:
            webhook_setup(context, spec).apply()


def _follow(
    supervisor: Supervisor, env: DemoEnvironment, ledger: Ledger, uploader: Uploader, display: Display
) -> Sequence[BatchSummary]:
    """Put the photographs and wait until all are exported, or a batch has failed for good."""
    cvat = connect(
        env.cvat_url, username=environment.ACCOUNT, password=env.password, timeout=5, organization=env.organization
    )
    observer, deadline = Observer(ledger, cvat), time.monotonic() + LONGEST_SECONDS
    try:
        while True:
            supervisor.check()
            uploading = uploader.upload_next()
            snapshot = observer.snapshot()
            display.show(snapshot, _counts(snapshot, len(uploader.put_at)))
            if not uploading and (_finished(snapshot, uploader) or time.monotonic() > deadline):
                return snapshot.batches
            time.sleep(_CHECK_SECONDS)
    finally:
        cvat.close()


def _counts(snapshot: Snapshot, uploaded: int) -> str:
    tasks, exported = snapshot.objects(*_IN_A_TASK), snapshot.objects(BatchState.EXPORTED)
    return f"{uploaded} uploaded · {snapshot.objects()} registered · {tasks} in tasks · {exported} exported"


def _finished(snapshot: Snapshot, uploader: Uploader) -> bool:
    over = all(batch.state in (BatchState.EXPORTED, *ENDED) for batch in snapshot.batches)
    return over and snapshot.objects() >= len(uploader.uploads)


def _verify(
    env: DemoEnvironment,
    ledger: Ledger,
    uploader: Uploader,
    seen: Sequence[BatchSummary],
    s3: Any,
    links: Links,
    release: DemoRelease,
) -> DemoResult:
    tasks = verify.read_tasks(env.cvat_url, environment.ACCOUNT, env.password, env.cvat_version)
    contents, exports = _exports(ledger, seen, s3, env.folder / "exports")
    outcomes = verify.outcomes(uploader.uploads, tasks, _names(ledger, seen), contents)
    reviews = reviewed_jobs(ledger, [batch.id for batch in seen])
    wrong = [*verify.differences(outcomes, tasks, contents), *review_problems(reviews)]
    return DemoResult(
        seconds_put_to_task=_seconds_put_to_task(ledger, uploader.put_at),
        tasks=tasks,
        outcomes=outcomes,
        exports=exports,
        release=release,
        links=links,
        task_urls=[batch.task_url for batch in seen if batch.task_url],
        reviews=reviews,
        differences=[*_unfinished(seen), *wrong, *release.problems],
    )


def _unfinished(seen: Sequence[BatchSummary]) -> list[str]:
    wrong = [f"{b.id} is {b.state}: {b.error or 'not exported'}" for b in seen if b.state is not BatchState.EXPORTED]
    return wrong + [f"{url} is quarantined: {reason}" for b in seen for url, reason in b.quarantined.items()]


def _exports(ledger: Ledger, seen: Sequence[BatchSummary], s3: Any, folder: Path) -> tuple[list[Export], list[Path]]:
    """Download the COCO files of every batch; return what they hold, and the main one of each batch."""
    folder.mkdir(exist_ok=True)
    contents, main_files = [], []
    with ledger.read_only() as tx:
        rows = [row for batch in seen if (row := ledger_exports.current(tx, batch.id, ledger_exports.DEFAULT_FORMAT))]
        for row in rows:
            files = [folder / Path(key).name for key in (row.key, *row.other_files)]
            for file, key in zip(files, (row.key, *row.other_files), strict=True):
                s3.download_file(row.bucket, key, str(file))
            contents.append(read_export(files, row.account))
            main_files.append(files[0])
    return contents, main_files


def _names(ledger: Ledger, seen: Sequence[BatchSummary]) -> Mapping[int, Mapping[str, str]]:
    """Return the keys by upload name, for each task id."""
    with ledger.read_only() as tx:
        return {
            batch.task_id: {m.upload_name or "": m.key for m in batches.members(tx, batch.id, quarantined=False)}
            for batch in seen
            if batch.task_id is not None
        }


def _seconds_put_to_task(ledger: Ledger, put_at: Mapping[str, datetime]) -> list[float]:
    """Return the seconds from each put until CVAT showed the photograph as a frame of a task."""
    seconds = []
    with ledger.read_only() as tx:
        rows = tx.scalars(select(History).where(History.what == BatchState.READY).order_by(History.id.desc()))
        for row in rows:
            members = batches.members(tx, row.batch_id or "", quarantined=False)
            seconds += [(row.at - put_at[m.key]).total_seconds() for m in members if m.key in put_at]
    return seconds
