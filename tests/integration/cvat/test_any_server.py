"""The contract of the CVAT client, on any server.

By default these tests run on a sandbox of each family that has another user's tasks. To run them on a real server, as
any account that may create tasks:

    pytest tests/integration/cvat/test_any_server.py --live https://user:password@cvat.example.com

They create tasks with unique names, change only those, and delete them again. They create no account and do not log
out, since all clients of a user share one token.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from labelyard.cvat import Cvat, connect, create_annotations, delete_annotations, update_annotations
from labelyard.domain.annotations import Annotations, AttributeValue, Shape, ShapeType, Tag, Track, TrackedShape
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import CreationState, DataSpec, JobStatus, Task, TaskSpec
from labelyard.errors import CvatNotFound, CvatRefused, LabelError
from tests.support.cvat_families import VERSIONS, serve_cvat
from tests.support.cvat_tasks import LABELS, wait_for_failure, wait_for_frames
from tests.support.own_tasks import SECONDS, OwnTasks
from tests.support.upload_files import upload_file


@pytest.fixture(autouse=True)
def fast_retries() -> None:
    """Keep the waits between retries, which a real server may need."""


@contextmanager
def sandbox_with_other_tasks(version: str) -> Iterator[str]:
    """The URL of a sandbox where another user has tasks; at the end only those must be left."""
    with serve_cvat(version, ["root:rootpass:superuser", "alex:pass12345!:user"]) as sandbox:
        root = connect(sandbox.url, username="root", password="rootpass")
        others = [root.create_task(TaskSpec(name, LABELS)).id for name in ("plain", "frames")]
        yield sandbox.url.replace("http://", "http://alex:pass12345!@")
        assert [task.id for task in root.tasks()] == others
        root.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test on the server of --live, or on a sandbox of each family."""
    if "cvat" in metafunc.fixturenames:
        live = metafunc.config.getoption("--live")
        servers = ["live"] if live else VERSIONS
        metafunc.parametrize("cvat", servers, indirect=True, scope="module")


@pytest.fixture(scope="module")
def cvat(request: pytest.FixtureRequest) -> Iterator[Cvat]:
    """The account of --live, or of a sandbox."""
    live = request.config.getoption("--live")
    with nullcontext(live) if live else sandbox_with_other_tasks(request.param) as url:
        account = urlsplit(url)
        client = connect(url, username=unquote(account.username or ""), password=unquote(account.password or ""))
        yield client
        client.close()


@pytest.fixture
def own(cvat: Cvat) -> Iterator[OwnTasks]:
    tasks = OwnTasks(cvat)
    yield tasks
    tasks.delete_all()


# --- accounts ---------------------------------------------------------------------------------------------------------


def test_the_server_has_a_name_and_a_version(cvat: Cvat) -> None:
    about = cvat.about()
    assert about.name
    assert about.version


def test_a_token_replaces_a_password(cvat: Cvat) -> None:
    with_token = connect(cvat.url, token=cvat.login())
    assert with_token.whoami() == cvat.whoami()
    with_token.close()


def test_the_own_account_is_a_visible_user(cvat: Cvat) -> None:
    assert cvat.whoami().id in {user.id for user in cvat.users()}


# --- tasks ------------------------------------------------------------------------------------------------------------


def test_a_created_task_has_its_settings_and_no_data(cvat: Cvat, own: OwnTasks) -> None:
    me = cvat.whoami().id
    task = own.create(segment_size=2, overlap=0, bug_tracker="https://bugs.example.com/1", assignee=me)
    assert replace(task, updated="") == replace(cvat.task(task.id), updated="")
    assert (task.size, task.received, task.jobs, task.status) == (0, False, (), JobStatus.ANNOTATION)
    assert (task.owner, task.assignee, task.bug_tracker) == (me, me, "https://bugs.example.com/1")
    assert task.labels == LABELS


NAMES = [
    "plain {}",
    "50 % +more {}",
    "a_b\\c {}",
    "quote'\"s {}",
    "#1 & 2 {}",
    "Ünïcode 图 {}",
    "e\u0301 {}",
    "UPPER {}",
    "upper {}",
    "  trimmed {}  ",
]


def test_a_task_is_found_by_its_exact_name(cvat: Cvat, own: OwnTasks) -> None:
    created = {name: own.create(name).id for name in NAMES}
    for name, task_id in created.items():
        assert [task.id for task in cvat.find_tasks(name.format(own.suffix))] == [task_id]
    assert cvat.find_tasks("") == []
    assert cvat.find_tasks(f"plain {own.suffix[:-1]}") == []


def test_tasks_of_equal_names_are_found_oldest_first(cvat: Cvat, own: OwnTasks) -> None:
    ids = [own.create().id for _ in range(3)]
    assert [task.id for task in cvat.find_tasks(own.names[0])] == ids


def test_tasks_are_listed_by_name_and_owner(cvat: Cvat, own: OwnTasks) -> None:
    ids = [own.create(f"{number} {{}}").id for number in range(3)]
    assert [task.id for task in cvat.tasks(name=own.suffix, owner=cvat.whoami().username)] == ids


def test_invalid_labels_leave_no_task(cvat: Cvat, own: OwnTasks) -> None:
    with pytest.raises(LabelError):
        own.create(labels=(Label("car"), Label("car")))
    assert cvat.find_tasks(own.names[0]) == []


def test_labels_change_by_name_and_keep_their_values(cvat: Cvat, own: OwnTasks) -> None:
    changed = Label("car", (AttributeSpec("n", InputType.NUMBER, "5", ()),))
    task = own.create()
    task = cvat.patch_task(task.id, labels=[changed, Label("bus")])
    assert [label.name for label in task.labels] == ["car", "person", "bus"]
    assert {spec.name: (spec.default, spec.values) for spec in task.labels[0].attributes} == {
        "make": ("?", ("?",)),
        "n": ("5", ("0", "9", "1")),
    }


def test_a_task_is_renamed_assigned_and_unassigned(cvat: Cvat, own: OwnTasks) -> None:
    task, me = own.create(), cvat.whoami().id
    own.names.append(f"renamed {own.suffix}")
    assert cvat.patch_task(task.id, assignee=me).assignee == me
    assert cvat.patch_task(task.id, name=own.names[-1]).assignee == me
    assert cvat.patch_task(task.id, assignee=0).assignee is None
    assert [found.id for found in cvat.find_tasks(own.names[-1])] == [task.id]


def test_a_deleted_task_is_not_found(cvat: Cvat, own: OwnTasks) -> None:
    task = own.create()
    cvat.delete_task(task.id)
    with pytest.raises(CvatNotFound):
        cvat.task(task.id)


# --- data -------------------------------------------------------------------------------------------------------------


def test_uploaded_files_become_frames_in_jobs(cvat: Cvat, own: OwnTasks) -> None:
    created, progress = own.create(segment_size=2, overlap=0), list[int]()
    files = [upload_file(name) for name in ("b.jpg", "a.jpg", "c.jpg")]
    own.receipts[created.id] = receipt = cvat.upload(created.id, files, DataSpec(80), progress.append)
    task = wait_for_frames(cvat, created.id, SECONDS)
    assert (task.size, task.received, task.image_quality) == (3, True, 80)
    assert [(frame.name, frame.width, frame.height) for frame in cvat.frames(task.id)] == [
        ("a.jpg", 64, 48),
        ("b.jpg", 64, 48),
        ("c.jpg", 64, 48),
    ]
    assert [(job.start_frame, job.stop_frame) for job in cvat.jobs(task.id)] == [(0, 1), (2, 2)]
    assert cvat.creation(receipt).state is CreationState.FINISHED
    assert progress == sorted(progress)
    assert progress[-1] > sum(file.size for file in files)


def test_file_names_of_any_kind_become_frame_names(cvat: Cvat, own: OwnTasks) -> None:
    names = ["图片 一.jpg", "a b (1)&'x.jpg", "UPPER.JPG", "50%.jpg", "+plus+.jpg", "ünïcode.jpg"]
    task = own.create()
    own.upload(task, [upload_file(name) for name in names])
    wait_for_frames(cvat, task.id, SECONDS)
    assert {frame.name for frame in cvat.frames(task.id)} == set(names)


def test_a_damaged_image_fails_the_task(cvat: Cvat, own: OwnTasks) -> None:
    task = own.create()
    receipt = own.upload(task, [upload_file("good.jpg"), upload_file("bad.jpg", b"no image")])
    failed = wait_for_failure(cvat, receipt, SECONDS)
    assert "cannot identify image file" in failed.message
    assert "\n" not in failed.message
    task = cvat.task(task.id)
    assert (task.size, task.jobs) == (0, ())


def test_a_task_without_data_has_no_frames_and_no_jobs(cvat: Cvat, own: OwnTasks) -> None:
    task = own.create()
    assert cvat.frames(task.id) == []
    assert cvat.jobs(task.id) == []


# --- jobs and annotations ---------------------------------------------------------------------------------------------


def test_a_job_is_assigned_and_unassigned(cvat: Cvat, own: OwnTasks) -> None:
    job, me = own.with_frames().jobs[0], cvat.whoami().id
    assert cvat.assign(job.id, me).assignee == me
    assert cvat.jobs(job.task_id)[0].assignee == me
    assert cvat.assign(job.id, None).assignee is None


def test_an_unknown_user_gets_no_job(cvat: Cvat, own: OwnTasks) -> None:
    with pytest.raises(CvatRefused):
        cvat.assign(own.with_frames().jobs[0].id, 2**31 - 1)


@pytest.mark.parametrize("status", [JobStatus.VALIDATION, JobStatus.COMPLETED, JobStatus.ANNOTATION])
def test_the_status_of_a_job_is_set(cvat: Cvat, own: OwnTasks, status: JobStatus) -> None:
    task = own.with_frames()
    assert cvat.set_job_status(task.jobs[1].id, status).status is status
    untouched = JobStatus.ANNOTATION
    assert [job.status for job in cvat.jobs(task.id)] == [untouched, status, untouched]


def box(task: Task, frame: int = 0, **fields: Any) -> Shape:
    return Shape(ShapeType.RECTANGLE, frame, task.labels[0].id, (1.0, 2.0, 30.0, 40.0), **fields)


def test_saved_annotations_differ_only_by_ids_and_defaults(cvat: Cvat, own: OwnTasks) -> None:
    task = own.with_frames()
    car, person = task.labels
    make = AttributeValue(car.attributes[0].id, "BMW")
    polygon = (1.0, 1.0, 9.0, 1.0, 5.0, 8.0)
    key_frames = (
        TrackedShape(ShapeType.RECTANGLE, 0, (1.0, 1.0, 5.0, 5.0)),
        TrackedShape(ShapeType.RECTANGLE, 1, (2.0, 1.0, 6.0, 5.0), outside=True, occluded=True, z_order=1),
    )
    wanted = Annotations(
        shapes=(
            Shape(ShapeType.POLYGON, 1, car.id, polygon, z_order=3, occluded=True, attributes=(make,)),
            Shape(ShapeType.POLYLINE, 0, person.id, (0.1, 0.2, 0.3, 37.5498657226562)),
        ),
        tracks=(Track(0, car.id, key_frames, attributes=(make,)),),
        tags=(Tag(1, person.id),),
    )
    created = create_annotations(cvat, task.jobs[0].id, wanted)
    saved = cvat.annotations(task.jobs[0].id)
    assert all(item.id for item in (*created.shapes, *created.tracks, *created.tags))
    shapes = {shape.type: shape for shape in saved.shapes}
    for sent in wanted.shapes:
        assert replace(shapes[sent.type], attributes=(), source=None, score=None) == replace(sent, attributes=())
        assert set(sent.attributes) <= set(shapes[sent.type].attributes)
    assert [replace(shape, attributes=()) for shape in saved.tracks[0].shapes] == list(key_frames)
    assert [replace(tag, source=None) for tag in saved.tags] == list(wanted.tags)
    assert set(cvat.task_annotations(task.id).shapes) == set(saved.shapes)


def test_annotations_are_created_once_updated_and_deleted(cvat: Cvat, own: OwnTasks) -> None:
    task = own.with_frames()
    job, wanted = task.jobs[0].id, Annotations((box(task), box(task, 1)))
    first = create_annotations(cvat, job, wanted)
    again = create_annotations(cvat, job, wanted)
    assert [shape.id for shape in again.shapes] == [shape.id for shape in first.shapes]
    moved = tuple(replace(shape, points=(0.0, 0.0, 5.0, 5.0)) for shape in first.shapes)
    update_annotations(cvat, job, Annotations(moved))
    assert {(shape.id, shape.points) for shape in cvat.annotations(job).shapes} == {
        (shape.id, (0.0, 0.0, 5.0, 5.0)) for shape in first.shapes
    }
    delete_annotations(cvat, job, Annotations(moved[:1]))
    assert [shape.id for shape in cvat.annotations(job).shapes] == [moved[1].id]


# --- export and import ------------------------------------------------------------------------------------------------


def coco(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("annotations/instances_default.json"))


def test_a_coco_export_has_the_annotations_and_leaves_no_other_file(cvat: Cvat, own: OwnTasks, tmp_path: Path) -> None:
    task = own.with_frames()
    create_annotations(cvat, task.jobs[0].id, Annotations((box(task),)))
    for job in task.jobs:
        cvat.set_job_status(job.id, JobStatus.COMPLETED)
    assert cvat.export(task.id, tmp_path / "coco.zip").endswith(".zip")
    assert list(tmp_path.iterdir()) == [tmp_path / "coco.zip"]
    content = coco(tmp_path / "coco.zip")
    assert [annotation["bbox"] for annotation in content["annotations"]] == [[1.0, 2.0, 29.0, 38.0]]
    assert [image["file_name"] for image in content["images"]] == [f"{number}.jpg" for number in range(5)]


def test_an_unknown_format_raises(cvat: Cvat, own: OwnTasks, tmp_path: Path) -> None:
    with pytest.raises(CvatRefused, match="Unknown format"):
        cvat.export(own.with_frames().id, tmp_path / "x.zip", format_name="COCO 9.9")


def test_an_import_replaces_the_annotations(cvat: Cvat, own: OwnTasks, tmp_path: Path) -> None:
    task = own.with_frames()
    job = task.jobs[0].id
    create_annotations(cvat, job, Annotations((box(task),)))
    cvat.export(task.id, tmp_path / "coco.zip")
    with zipfile.ZipFile(tmp_path / "coco.zip") as archive:
        archive.extract("annotations/instances_default.json", tmp_path)
    delete_annotations(cvat, job, cvat.annotations(job))
    cvat.import_annotations(task.id, tmp_path / "annotations/instances_default.json")
    assert [shape.frame for shape in cvat.task_annotations(task.id).shapes] == [0]
