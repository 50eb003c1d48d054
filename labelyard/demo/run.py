"""The demo from its start to its proof."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select

from labelyard.config import DatasetSpec, read_spec
from labelyard.cvat import connect
from labelyard.demo import environment, verify
from labelyard.demo.display import Display
from labelyard.demo.environment import Surroundings
from labelyard.demo.snapshot import Observer, Scene
from labelyard.demo.uploader import Photographer, waves
from labelyard.domain.states import ENDED, BatchState
from labelyard.ledger import Ledger, batches, datasets, upgrade
from labelyard.ledger.overview import BatchLine
from labelyard.ledger.tables import History
from labelyard.orchestration.pull import find_project
from labelyard.settings import Settings
from labelyard.sources.notification_setup import NotificationSetup
from labelyard.storage.boto import boto_client
from labelyard.supervisor import Supervisor
from labelyard.supervisor.stack import Links, start_everything

LONGEST_SECONDS = 600.0
"""How long the photographs may take from the bucket to the dataset, on a slow machine."""

_LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Outcome:
    """What came of the demo."""

    seconds_put_to_task: Sequence[float]
    tasks: Sequence[verify.TaskSeen]
    fates: Sequence[verify.Fate]
    exports: Sequence[Path]
    links: Links
    task_urls: Sequence[str]
    differences: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """What `--json` writes."""
        seconds = self.seconds_put_to_task
        return {
            "objects": len(self.fates),
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
            "ui": self.links.prefect_ui,
            "differences": list(self.differences),
        }


def tell_story(yard: Supervisor, made: Surroundings, settings: Settings, display: Display) -> Outcome:
    """Start everything, let the photographs go their way, prove what came of them.

    Raises LabelyardError where a part does not start, and Interrupted where a signal came.
    """
    spec = read_spec(find_project() / "datasets" / "photographs.yaml")
    display.tell("S3 and SQS emulator, sandbox CVAT …")
    yard.start(environment.emulator(made), environment.sandbox(made))
    display.tell("ledger, dataset, bucket, notifications …")
    s3 = boto_client("s3", settings.store, made.store_url)
    set_up(settings, spec, s3)
    links = start_everything(yard, settings, display.tell)
    environment.lead_to_prefect(made, links.prefect_api)
    yard.start(environment.robots(made))
    photographer = Photographer(s3, spec, waves(spec.sources[0].prefix))
    ledger = Ledger(settings.ledger)
    try:
        seen = _follow(yard, made, ledger, photographer, display)
        return _prove(made, ledger, photographer, seen, s3, links)
    finally:
        ledger.close()


def set_up(settings: Settings, spec: DatasetSpec, s3: Any) -> None:
    """What a person does once for a dataset: a bucket, `labelyard db upgrade`, `apply` and `notify --apply`."""
    for bucket in {*(source.bucket for source in spec.sources), spec.export_bucket}:
        s3.create_bucket(Bucket=bucket)
    upgrade(settings.ledger)
    ledger = Ledger(settings.ledger)
    try:
        with ledger.transaction() as tx:
            datasets.apply(tx, spec)
    finally:
        ledger.close()
    NotificationSetup(settings).apply(spec)


def _follow(
    yard: Supervisor, made: Surroundings, ledger: Ledger, photographer: Photographer, display: Display
) -> Sequence[BatchLine]:
    """Put the photographs and watch until every one is exported, or something has failed for good."""
    cvat = connect(made.cvat_url, username=environment.ACCOUNT, password=made.password, dialect="v1", timeout=5)
    observer, deadline = Observer(ledger, cvat), time.monotonic() + LONGEST_SECONDS
    try:
        while True:
            yard.look()
            putting = photographer.go_on()
            scene = observer.look()
            display.show(scene, len(photographer.put_at))
            if not putting and (_finished(scene, photographer) or time.monotonic() > deadline):
                return scene.batches
            time.sleep(_LOOK_SECONDS)
    finally:
        cvat.close()


def _finished(scene: Scene, photographer: Photographer) -> bool:
    over = all(batch.state in (BatchState.EXPORTED, *ENDED) for batch in scene.batches)
    return over and scene.objects() >= len(photographer.shots)


def _prove(
    made: Surroundings,
    ledger: Ledger,
    photographer: Photographer,
    seen: Sequence[BatchLine],
    s3: Any,
    links: Links,
) -> Outcome:
    tasks = verify.look_at_server(made.cvat_url, environment.ACCOUNT, made.password)
    exports = _download([batch.exports[-1] for batch in seen if batch.exports], s3, made.folder / "exports")
    contents = [verify.read_exported(path) for path in exports]
    told = verify.fates(photographer.shots, tasks, _names(ledger, seen), contents)
    wrong = verify.differences(told, tasks, contents)
    return Outcome(
        seconds_put_to_task=_seconds_put_to_task(ledger, photographer.put_at),
        tasks=tasks,
        fates=told,
        exports=exports,
        links=links,
        task_urls=[batch.task_url for batch in seen if batch.task_url],
        differences=[*_unfinished(seen), *wrong],
    )


def _unfinished(seen: Sequence[BatchLine]) -> list[str]:
    wrong = [f"{b.id} is {b.state}: {b.error or 'not exported'}" for b in seen if b.state is not BatchState.EXPORTED]
    return wrong + [f"{url} was set aside: {reason}" for b in seen for url, reason in b.set_aside.items()]


def _download(urls: Sequence[str], s3: Any, folder: Path) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for url in urls:
        parts = urlsplit(url)
        path = folder / Path(parts.path).name
        s3.download_file(parts.netloc, parts.path.lstrip("/"), str(path))
        paths.append(path)
    return paths


def _names(ledger: Ledger, seen: Sequence[BatchLine]) -> Mapping[int, Mapping[str, str]]:
    """The keys by upload name, for each task."""
    with ledger.read_only() as tx:
        return {
            batch.task_id: {m.upload_name or "": m.key for m in batches.members(tx, batch.id, quarantined=False)}
            for batch in seen
            if batch.task_id is not None
        }


def _seconds_put_to_task(ledger: Ledger, put_at: Mapping[str, datetime]) -> list[float]:
    """Seconds from each put until the CVAT had shown a task with the photograph as a frame."""
    seconds = []
    with ledger.read_only() as tx:
        rows = tx.scalars(select(History).where(History.what == BatchState.READY).order_by(History.id.desc()))
        for row in rows:
            members = batches.members(tx, row.batch_id or "", quarantined=False)
            seconds += [(row.at - put_at[m.key]).total_seconds() for m in members if m.key in put_at]
    return seconds
