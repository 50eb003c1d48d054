"""The client's verbs on the sandbox, with faults, other accounts and sources that a live server does not offer."""

from __future__ import annotations

import http.server
import json
import logging
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from cvat_sandbox import Serving, serve
from labelyard.cvat import Cvat, connect, create_annotations
from labelyard.domain.annotations import Annotations, Shape, ShapeType
from labelyard.domain.tasks import CreationState, DataSpec, JobStatus, Receipt, Task, TaskSpec
from labelyard.errors import (
    CvatCrashed,
    CvatNotFound,
    CvatRefused,
    CvatTimeout,
    CvatUnauthorized,
    ExportFailed,
    UnclearAnswer,
)
from tests.support.cvat_tasks import LABELS, wait_for_failure, wait_for_frames
from tests.support.http_server import serve_handler
from tests.support.pictures import jpeg
from tests.support.upload_files import upload_file


def test_all_steps_from_a_task_to_a_coco_file(cvat: Cvat, tmp_path: Path) -> None:
    spec = TaskSpec(
        "all steps", LABELS, segment_size=2, overlap=0, bug_tracker="https://bugs.example.com/1", assignee=3
    )
    created = cvat.create_task(spec)
    receipt = cvat.upload(created.id, [upload_file(name) for name in ("b.jpg", "a.jpg", "c.jpg")], DataSpec(80))
    task = wait_for_frames(cvat, created.id)
    assert (task.size, task.received, task.image_quality, task.assignee, task.owner) == (3, True, 80, 3, 2)
    assert task.labels == LABELS
    assert [frame.name for frame in cvat.frames(task.id)] == ["a.jpg", "b.jpg", "c.jpg"]
    assert cvat.creation(receipt).state is CreationState.FINISHED
    first, second = cvat.jobs(task.id)
    assert cvat.assign(first.id, 4).assignee == 4
    box = Shape(ShapeType.RECTANGLE, 0, task.labels[0].id, (1.0, 2.0, 30.0, 40.0))
    create_annotations(cvat, first.id, Annotations((box,)))
    for job in (first, second):
        cvat.set_job_status(job.id, JobStatus.COMPLETED)
    assert cvat.task(task.id).status is JobStatus.COMPLETED
    cvat.export(task.id, tmp_path / "coco.zip")
    with zipfile.ZipFile(tmp_path / "coco.zip") as archive:
        coco = json.loads(archive.read("annotations/instances_default.json"))
    assert [annotation["bbox"] for annotation in coco["annotations"]] == [[1.0, 2.0, 29.0, 38.0]]
    cvat.delete_task(task.id)
    with pytest.raises(CvatNotFound):
        cvat.task(task.id)


def test_tasks_are_listed_by_the_servers_filters_over_several_pages(
    cvat: Cvat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelyard.cvat.v1.PAGE_SIZE", 2)
    ids = [cvat.create_task(TaskSpec(f"listed {n}", LABELS)).id for n in range(5)]
    assert [task.id for task in cvat.tasks(name="listed", owner="alex", status="annotation")] == ids
    assert list(cvat.tasks(name="listed", assignee="carol")) == []


def test_a_crashed_creation_may_have_left_a_task(sandbox: Serving, cvat: Cvat) -> None:
    sandbox.faults.set([{"on": "POST /api/v1/tasks", "status": 500, "when": "after", "times": 1}])
    with pytest.raises(CvatCrashed):
        cvat.create_task(TaskSpec("orphan", LABELS))
    assert len(cvat.find_tasks("orphan")) == 1


def test_the_frames_of_an_upload_with_a_lost_response_exist(sandbox: Serving, cvat: Cvat) -> None:
    created = cvat.create_task(TaskSpec("lost", LABELS))
    sandbox.faults.set([{"on": "POST /api/v1/tasks/*/data", "cut": True, "when": "after", "times": 1}])
    with pytest.raises(UnclearAnswer):
        cvat.upload(created.id, [upload_file("a.jpg")], DataSpec())
    assert wait_for_frames(cvat, created.id).size == 1


def test_a_damaged_image_is_named_and_the_task_keeps_received_data(cvat: Cvat) -> None:
    created = cvat.create_task(TaskSpec("broken", LABELS))
    receipt = cvat.upload(created.id, [upload_file("good.jpg"), upload_file("bad.jpg", b"no image")], DataSpec())
    failed = wait_for_failure(cvat, receipt)
    assert "bad.jpg" in failed.message
    assert "\n" not in failed.message
    task = cvat.task(created.id)
    assert (task.size, task.received, task.jobs) == (0, True, ())


def test_a_warning_names_the_files_that_cvat_ignores(cvat: Cvat, caplog: pytest.LogCaptureFixture) -> None:
    created = cvat.create_task(TaskSpec("skipping", LABELS))
    files = [upload_file("a.jpg"), upload_file("notes.txt", b"text"), upload_file("noending", jpeg())]
    with caplog.at_level(logging.WARNING, "labelyard"):
        cvat.upload(created.id, files, DataSpec())
    assert "2 of 3 files have no extension of an image" in caplog.text
    assert "'notes.txt', 'noending'" in caplog.text
    assert wait_for_frames(cvat, created.id).size == 1


def test_a_task_without_data_has_no_frames_and_no_jobs(cvat: Cvat) -> None:
    created = cvat.create_task(TaskSpec("empty", LABELS))
    assert cvat.frames(created.id) == []
    assert cvat.jobs(created.id) == []
    assert cvat.creation(Receipt(created.id)).state is CreationState.FINISHED  # which proves nothing


def test_an_export_without_data_fails_after_two_attempts(cvat: Cvat, tmp_path: Path) -> None:
    created = cvat.create_task(TaskSpec("nothing", LABELS))
    with pytest.raises(ExportFailed, match="2 attempts"):
        cvat.export(created.id, tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []


def test_an_export_past_its_deadline_has_the_last_status(
    sandbox: Serving, cvat: Cvat, task: Task, tmp_path: Path
) -> None:
    sandbox.faults.set([{"on": "worker export", "delay": 5}])
    with pytest.raises(CvatTimeout, match=r"not done after 0\.5 s; last seen: 202"):
        cvat.export(task.id, tmp_path / "x.zip", deadline=0.5)


def test_a_task_of_another_user_cannot_be_deleted(sandbox: Serving, task: Task) -> None:
    carol = connect(sandbox.url, username="carol", password="pass12345!")
    with pytest.raises(CvatUnauthorized, match="permission"):
        carol.delete_task(task.id)


def test_an_account_is_created_and_logged_out(sandbox: Serving) -> None:
    connect(sandbox.url).register("newbie", "Str0ngPass!9", email="newbie@example.com", first="New")
    newbie = connect(sandbox.url, username="newbie", password="Str0ngPass!9")
    assert newbie.whoami().first_name == "New"
    token = newbie.login()
    newbie.logout()
    with pytest.raises(CvatUnauthorized, match="Invalid token"):
        connect(sandbox.url, token=token).whoami()
    assert newbie.whoami().username == "newbie"


def test_the_z_order_of_a_task_is_set(cvat: Cvat, task: Task) -> None:
    assert not task.z_order
    assert cvat.patch_task(task.id, z_order=True).z_order


def test_an_unknown_assignee_raises_the_servers_message(cvat: Cvat, task: Task) -> None:
    with pytest.raises(CvatRefused, match="object does not exist"):
        cvat.assign(task.jobs[0].id, 99999)


@pytest.fixture
def image_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of images that is served by HTTP, and read as a share."""
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    return tmp_path


def test_the_server_downloads_remote_files_and_reads_its_share(image_folder: Path) -> None:
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(image_folder))
    with ExitStack() as stack:
        address = stack.enter_context(serve_handler(handler)).removeprefix("http://")
        served = serve(["root:rootpass:superuser"], share=image_folder, allow_remote=(address,))
        sandbox = stack.enter_context(served)
        cvat = connect(sandbox.url, username="root", password="rootpass")
        remote, shared = (cvat.create_task(TaskSpec(name, LABELS)) for name in ("remote", "shared"))
        cvat.upload_remote(
            remote.id, [f"http://{address}/a.jpg?X-Amz-Signature=secret", f"http://{address}/b.jpg"], DataSpec()
        )
        cvat.upload_share(shared.id, ["a.jpg", "b.jpg"], DataSpec())
        assert wait_for_frames(cvat, remote.id).size == wait_for_frames(cvat, shared.id).size == 2
        assert {frame.name for frame in cvat.frames(remote.id)} == {"a.jpg", "b.jpg"}
        lost = cvat.create_task(TaskSpec("lost", LABELS))
        receipt = cvat.upload_remote(lost.id, [f"http://{address}/none.jpg?X-Amz-Signature=secret"], DataSpec())
        failed = wait_for_failure(cvat, receipt)
        assert "none.jpg" in failed.message
        assert "secret" not in failed.message
