"""The verbs of the client on a server that stores, decodes and exports for real, and misbehaves on order."""

from __future__ import annotations

import http.server
import json
import logging
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from pictures import image, jpeg
from ready_tasks import LABELS, ready

from cvat_sandbox import Serving, serve
from labelyard.cvat import Cvat, annotate, connect
from labelyard.errors import (
    CvatCrashed,
    CvatNotFound,
    CvatRefused,
    CvatTimeout,
    CvatUnauthorized,
    ExportFailed,
    LabelError,
    UnclearAnswer,
)
from labelyard.model import (
    Annotations,
    AttributeSpec,
    CreationState,
    DataSpec,
    InputType,
    JobStatus,
    Label,
    Receipt,
    Shape,
    ShapeType,
    Task,
    TaskSpec,
)


def test_the_chain_from_a_name_to_a_coco_file(cvat: Cvat, tmp_path: Path) -> None:
    spec = TaskSpec("chain", LABELS, segment_size=2, overlap=0, bug_tracker="https://bugs.example.com/1", assignee=3)
    made = cvat.create_task(spec)
    told: list[int] = []
    receipt = cvat.upload(made.id, [image(name) for name in ("b.jpg", "a.jpg", "c.jpg")], DataSpec(80), told.append)
    task = ready(cvat, made.id)
    assert (task.size, task.received, task.image_quality, task.assignee, task.owner) == (3, True, 80, 3, 2)
    assert task.labels == LABELS
    assert [frame.name for frame in cvat.frames(task.id)] == ["a.jpg", "b.jpg", "c.jpg"]
    assert cvat.creation(receipt).state is CreationState.FINISHED
    first, second = cvat.jobs(task.id)
    assert cvat.assign(first.id, 4).assignee == 4
    box = Shape(ShapeType.RECTANGLE, 0, task.labels[0].id, (1.0, 2.0, 30.0, 40.0))
    annotate.create(cvat, first.id, Annotations((box,)))
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


NAMES = [
    "plain",
    "50 % +more",
    "a_b\\c",
    "quote'\"s",
    "#1 & 2",
    "Ünïcode 图",
    "e\u0301",
    "UPPER",
    "upper",
    "  trimmed  ",
]


def test_a_task_is_found_by_its_exact_name_whatever_it_is(cvat: Cvat) -> None:
    made = {name: cvat.create_task(TaskSpec(name, LABELS)).id for name in NAMES}
    for name, task_id in made.items():
        assert [task.id for task in cvat.find_tasks(name)] == [task_id]
    assert cvat.find_tasks("") == []
    assert cvat.find_tasks("plai") == []


def test_equal_names_are_all_found_oldest_first(cvat: Cvat) -> None:
    ids = [cvat.create_task(TaskSpec("twins", LABELS)).id for _ in range(3)]
    assert [task.id for task in cvat.find_tasks("twins")] == ids


def test_tasks_are_listed_by_the_servers_filters_over_several_pages(
    cvat: Cvat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelyard.cvat.v1.PAGE_SIZE", 2)
    ids = [cvat.create_task(TaskSpec(f"listed {n}", LABELS)).id for n in range(5)]
    assert [task.id for task in cvat.tasks(name="listed", owner="alex", status="annotation")] == ids
    assert list(cvat.tasks(name="listed", assignee="carol")) == []


def test_labels_change_by_name_and_keep_their_values(cvat: Cvat, task: Task) -> None:
    changed = AttributeSpec("n", InputType.NUMBER, "5", ())
    patched = cvat.patch_task(task.id, labels=[Label("car", (changed,)), Label("bus")], z_order=True)
    car, person, bus = patched.labels
    assert [label.name for label in (car, person, bus)] == ["car", "person", "bus"]
    assert {spec.name: (spec.default, spec.values) for spec in car.attributes} == {
        "make": ("?", ("?",)),
        "n": ("5", ("0", "9", "1")),
    }
    assert patched.z_order


def test_a_task_is_taken_from_its_assignee(cvat: Cvat, task: Task) -> None:
    assert cvat.patch_task(task.id, assignee=3).assignee == 3
    assert cvat.patch_task(task.id, name="other").assignee == 3
    assert cvat.patch_task(task.id, assignee=0).assignee is None


def test_labels_that_would_crash_the_server_leave_no_task_behind(cvat: Cvat) -> None:
    with pytest.raises(LabelError):
        cvat.create_task(TaskSpec("never", (Label("car"), Label("car"))))
    assert cvat.find_tasks("never") == []


def test_a_creation_that_crashes_may_have_left_a_task(sandbox: Serving, cvat: Cvat) -> None:
    sandbox.faults.set([{"on": "POST /api/v1/tasks", "status": 500, "when": "after", "times": 1}])
    with pytest.raises(CvatCrashed):
        cvat.create_task(TaskSpec("orphan", LABELS))
    assert len(cvat.find_tasks("orphan")) == 1


def test_an_upload_whose_answer_is_lost_shows_what_the_server_took(sandbox: Serving, cvat: Cvat) -> None:
    made = cvat.create_task(TaskSpec("lost", LABELS))
    sandbox.faults.set([{"on": "POST /api/v1/tasks/*/data", "cut": True, "when": "after", "times": 1}])
    with pytest.raises(UnclearAnswer):
        cvat.upload(made.id, [image("a.jpg")], DataSpec())
    assert ready(cvat, made.id).size == 1


def test_a_broken_image_fails_the_task_and_is_named(cvat: Cvat) -> None:
    made = cvat.create_task(TaskSpec("broken", LABELS))
    receipt = cvat.upload(made.id, [image("good.jpg"), image("bad.jpg", b"no image")], DataSpec())
    while (said := cvat.creation(receipt)).state is not CreationState.FAILED:
        pass
    assert "bad.jpg" in said.message
    assert "\n" not in said.message
    task = cvat.task(made.id)
    assert (task.size, task.received, task.jobs) == (0, True, ())


def test_files_that_cvat_will_skip_are_warned_of(cvat: Cvat, caplog: pytest.LogCaptureFixture) -> None:
    made = cvat.create_task(TaskSpec("skipping", LABELS))
    files = [image("a.jpg"), image("notes.txt", b"text"), image("noending", jpeg())]
    with caplog.at_level(logging.WARNING, "labelyard"):
        cvat.upload(made.id, files, DataSpec())
    assert "2 of 3 files have names that are not those of images" in caplog.text
    assert "'notes.txt', 'noending'" in caplog.text
    assert ready(cvat, made.id).size == 1


def test_names_of_any_kind_arrive_as_they_are(cvat: Cvat) -> None:
    names = ["图片 一.jpg", "a b (1)&'x.jpg", "UPPER.JPG", "50%.jpg", "+plus+.jpg", "ünïcode.jpg"]
    made = cvat.create_task(TaskSpec("names", LABELS))
    cvat.upload(made.id, [image(name) for name in names], DataSpec())
    ready(cvat, made.id)
    assert {frame.name for frame in cvat.frames(made.id)} == set(names)


def test_a_task_without_data_has_no_frames_and_no_jobs(cvat: Cvat) -> None:
    made = cvat.create_task(TaskSpec("empty", LABELS))
    assert cvat.frames(made.id) == []
    assert cvat.jobs(made.id) == []
    assert cvat.creation(Receipt(made.id)).state is CreationState.FINISHED  # which proves nothing


def test_an_export_of_nothing_fails_in_the_servers_words(cvat: Cvat, tmp_path: Path) -> None:
    made = cvat.create_task(TaskSpec("nothing", LABELS))
    with pytest.raises(ExportFailed, match="2 attempts"):
        cvat.export(made.id, tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused_at_once(cvat: Cvat, task: Task, tmp_path: Path) -> None:
    with pytest.raises(CvatRefused, match="Unknown format"):
        cvat.export(task.id, tmp_path / "x.zip", format_name="COCO 9.9")


def test_an_export_that_takes_too_long_says_what_was_seen(
    sandbox: Serving, cvat: Cvat, task: Task, tmp_path: Path
) -> None:
    sandbox.faults.set([{"on": "worker export", "delay": 5}])
    with pytest.raises(CvatTimeout, match=r"not done after 0\.5 s; last seen: 202"):
        cvat.export(task.id, tmp_path / "x.zip", deadline=0.5)


def test_annotations_come_back_by_import(cvat: Cvat, task: Task, tmp_path: Path) -> None:
    job = task.jobs[0].id
    box = Shape(ShapeType.RECTANGLE, 0, task.labels[0].id, (1.0, 2.0, 30.0, 40.0))
    annotate.create(cvat, job, Annotations((box,)))
    cvat.export(task.id, tmp_path / "coco.zip")
    with zipfile.ZipFile(tmp_path / "coco.zip") as archive:
        archive.extract("annotations/instances_default.json", tmp_path)
    annotate.delete(cvat, job, cvat.annotations(job))
    cvat.import_annotations(task.id, tmp_path / "annotations/instances_default.json")
    assert [shape.frame for shape in cvat.task_annotations(task.id).shapes] == [0]


def test_a_user_who_does_not_exist_gets_no_job(cvat: Cvat, task: Task) -> None:
    with pytest.raises(CvatRefused, match="object does not exist"):
        cvat.assign(task.jobs[0].id, 99999)


def test_what_belongs_to_others_is_forbidden(sandbox: Serving, task: Task) -> None:
    carol = connect(sandbox.url, username="carol", password="pass12345!")
    with pytest.raises(CvatUnauthorized, match="permission"):
        carol.delete_task(task.id)


def test_an_account_is_made_and_logged_out(sandbox: Serving) -> None:
    connect(sandbox.url).register("newbie", "Str0ngPass!9", email="newbie@example.com", first="New")
    newbie = connect(sandbox.url, username="newbie", password="Str0ngPass!9")
    assert newbie.whoami().first_name == "New"
    token = newbie.login()
    newbie.logout()
    with pytest.raises(CvatUnauthorized, match="Invalid token"):
        connect(sandbox.url, token=token).whoami()
    assert newbie.whoami().username == "newbie"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder whose files are served by HTTP, and read as a share."""
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    return tmp_path


def test_the_server_fetches_remote_files_and_reads_its_share(elsewhere: Path) -> None:
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(elsewhere))
    source = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=source.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    place = f"127.0.0.1:{source.server_port}"
    with serve(["root:rootpass:superuser"], share=elsewhere, allow_remote=(place,)) as sandbox:
        cvat = connect(sandbox.url, username="root", password="rootpass")
        remote, shared = (cvat.create_task(TaskSpec(name, LABELS)) for name in ("remote", "shared"))
        cvat.upload_remote(
            remote.id, [f"http://{place}/a.jpg?X-Amz-Signature=secret", f"http://{place}/b.jpg"], DataSpec()
        )
        cvat.upload_share(shared.id, ["a.jpg", "b.jpg"], DataSpec())
        assert ready(cvat, remote.id).size == ready(cvat, shared.id).size == 2
        assert {frame.name for frame in cvat.frames(remote.id)} == {"a.jpg", "b.jpg"}
        lost = cvat.create_task(TaskSpec("lost", LABELS))
        receipt = cvat.upload_remote(lost.id, [f"http://{place}/none.jpg?X-Amz-Signature=secret"], DataSpec())
        while (said := cvat.creation(receipt)).state is not CreationState.FAILED:
            pass
        assert "none.jpg" in said.message
        assert "secret" not in said.message
    source.shutdown()
    source.server_close()
