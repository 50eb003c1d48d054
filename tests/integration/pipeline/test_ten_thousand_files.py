"""A task of 10,000 files that CVAT reads from the bucket itself, from the listing to the dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from labelyard.cvat.transport import HttpTransport
from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.tasks import JobStatus
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.assign_jobs import assign_jobs
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.create_task import create_task
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.pipeline.upload_data import upload_data
from labelyard.pipeline.wait_for_status import VerifiedTask, wait_for_status
from tests.integration.pipeline.test_upload_cloud import choose
from tests.support.cvat_families import V2
from tests.support.pictures import picture
from tests.support.waiting import eventually
from tests.support.workspace import FIRST, Workspace, export

FILES = 10_000
JOB = 500


@pytest.fixture
def cvat_version() -> str:
    return V2


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_task_of_10_000_files_becomes_a_dataset_with_few_requests(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(workspace, credentials="store")
    workspace.apply(task={"upload": "cloud", "inspect": False, "segment_size": JOB}, batch={"max_objects": FILES})
    body = picture(1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: workspace.put(f"{number:05}.jpg", body), range(FILES)))
    requests = counted(monkeypatch, workspace)
    sweep_sources(workspace.context)  # a full batch closes by itself
    assert ingested(workspace)
    task = workspace.context.cvat("default").task(workspace.line().task_id or 0)
    assert (task.size, len(task.jobs)) == (FILES, FILES // JOB)
    label, jobs = task.labels[0].id, task.jobs
    for job in jobs:
        shape = Shape(ShapeType.RECTANGLE, job.start_frame, label, (1.0, 2.0, 3.0, 4.0))
        workspace.context.cvat("default").change_annotations(job.id, Change.CREATE, Annotations(shapes=(shape,)))
        workspace.context.cvat("default").set_job_status(job.id, JobStatus.COMPLETED)
    collect(workspace.context)
    assert (export(workspace).images, len(workspace.exported_document()["annotations"])) == (FILES, len(jobs))
    assert requests["S3"] < FILES / 100, "the bucket is listed, not asked for each object"
    assert requests["CVAT"] < FILES / 10, "some for each job, none for each file"


def counted(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> Counter[str]:
    """Count the requests to CVAT and to the store from now on."""
    counts: Counter[str] = Counter()
    send: Callable[..., Any] = HttpTransport.send

    def counting(*args: Any, **options: Any) -> Any:
        counts["CVAT"] += 1
        return send(*args, **options)

    monkeypatch.setattr(HttpTransport, "send", counting)
    client = workspace.context.store._client
    client.meta.events.register("before-send.s3", lambda **_: counts.update(["S3"]))
    return counts


def ingested(workspace: Workspace) -> bool:
    """Do what flows/ingest_batch does, again while CVAT still makes the frames."""

    def is_verified() -> bool:
        workspace.end_wait()
        with acquire_batch(workspace.context, FIRST) as lease:
            create_task(lease)
            upload_data(lease)
            if not isinstance(wait_for_status(lease), VerifiedTask):
                return False
            assign_jobs(lease)
            return True

    return eventually(is_verified, "frames", 900)
