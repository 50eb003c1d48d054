"""Annotation writes that are repeated, on a server that loses responses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cvat_sandbox import Serving
from labelyard.cvat import (
    Cvat,
    annotation_writes,
    create_annotations,
    delete_annotations,
    update_annotations,
)
from labelyard.domain.annotations import Annotations, AttributeValue, Change, Shape, ShapeType, Tag, Track, TrackedShape
from labelyard.domain.tasks import Task
from labelyard.errors import CvatBusy, CvatNotFound, CvatRefused, InputError, LeaseLost, UnclearAnswer

WRITES = "PATCH /api/v1/jobs/*/annotations"
LOST_AFTER = {"on": WRITES, "cut": True, "when": "after", "times": 1}
LOST_BEFORE = {"on": WRITES, "cut": True, "when": "before", "times": 1}
CRASHED = {"on": WRITES, "status": 500, "when": "after", "times": 1}
GATEWAY = {"on": WRITES, "status": 504, "when": "after", "times": 1}
BUSY = {"on": WRITES, "status": 429, "retry_after": 0, "when": "before", "times": 1}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotation_writes, "SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(annotation_writes, "CHUNK_SIZE", 3)


def boxes(task: Task, number: int, **more: Any) -> Annotations:
    car = task.labels[0].id
    shapes = [Shape(ShapeType.RECTANGLE, 0, car, (1.5, 2.25, 10.125 + n, 20.0), **more) for n in range(number)]
    return Annotations(tuple(shapes))


def all_kinds(task: Task) -> Annotations:
    car, person = task.labels
    make = car.attributes[0].id
    key_frames = (
        TrackedShape(ShapeType.RECTANGLE, 0, (1.0, 1.0, 5.0, 5.0)),
        TrackedShape(ShapeType.RECTANGLE, 1, (2.0, 1.0, 6.0, 5.0), outside=True, occluded=True, z_order=1),
    )
    return Annotations(
        shapes=(
            Shape(ShapeType.POLYGON, 1, car.id, (1.0, 1.0, 9.0, 1.0, 5.0, 8.0), group=2, z_order=3, occluded=True,
                  attributes=(AttributeValue(make, "BMW"),)),
            Shape(ShapeType.POLYLINE, 0, person.id, (0.1, 0.2, 0.3, 537.5498657226562)),
        ),
        tracks=(Track(0, car.id, key_frames, attributes=(AttributeValue(make, "VW"),)),),
        tags=(Tag(1, person.id),),
    )  # fmt: skip


def test_saved_annotations_differ_only_by_ids_and_defaults(cvat: Cvat, task: Task) -> None:
    job, wanted = task.jobs[0].id, all_kinds(task)
    created = create_annotations(cvat, job, wanted)
    read = cvat.annotations(job)
    assert all(item.id for item in (*created.shapes, *created.tracks, *created.tags))
    shapes = {shape.type: shape for shape in read.shapes}
    for sent in wanted.shapes:
        assert replace(shapes[sent.type], attributes=()) == replace(sent, attributes=())
        assert set(sent.attributes) <= set(shapes[sent.type].attributes)
    assert [replace(s, attributes=()) for s in read.tracks[0].shapes] == list(wanted.tracks[0].shapes)
    assert read.tags == wanted.tags


@pytest.mark.parametrize("frame", [-1, 2])
def test_a_frame_of_no_or_another_job_is_not_sent(cvat: Cvat, task: Task, frame: int) -> None:
    job = task.jobs[0]
    assert (job.start_frame, job.stop_frame) == (0, 1)
    key_frames = tuple(TrackedShape(ShapeType.RECTANGLE, at, (1.0, 1.0, 5.0, 5.0)) for at in (0, frame))
    wanted = Annotations(tracks=(Track(0, task.labels[0].id, key_frames),))
    with pytest.raises(InputError, match=f"frame {frame} is none of the job's, which are 0 to 1"):
        create_annotations(cvat, job.id, wanted)
    assert not cvat.annotations(job.id).tracks


def test_a_repeated_create_creates_nothing(cvat: Cvat, task: Task) -> None:
    job, wanted = task.jobs[0].id, all_kinds(task)
    first = create_annotations(cvat, job, wanted)
    again = create_annotations(cvat, job, wanted)
    assert [shape.id for shape in again.shapes] == [shape.id for shape in first.shapes]
    now = cvat.annotations(job)
    assert (len(now.shapes), len(now.tracks), len(now.tags)) == (2, 1, 1)


def test_a_shape_given_twice_is_created_twice(cvat: Cvat, task: Task) -> None:
    job, one = task.jobs[0].id, boxes(task, 1).shapes
    create_annotations(cvat, job, Annotations(one))
    create_annotations(cvat, job, Annotations(one + one))
    assert len(cvat.annotations(job).shapes) == 2


def test_progress_is_reported_for_each_chunk(cvat: Cvat, task: Task) -> None:
    progress: list[int] = []
    created = create_annotations(cvat, task.jobs[0].id, boxes(task, 8), progress.append)
    assert progress == [3, 6, 8]
    assert len(created.shapes) == 8


@pytest.mark.slow
def test_ten_thousand_shapes_survive_a_lost_response(
    sandbox: Serving, cvat: Cvat, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotation_writes, "CHUNK_SIZE", 500)
    sandbox.faults.set([LOST_AFTER | {"skip": 7}])
    progress: list[int] = []
    create_annotations(cvat, task.jobs[0].id, boxes(task, 10_000), progress.append)
    assert progress == list(range(500, 10_001, 500))
    assert len({shape.id for shape in cvat.annotations(task.jobs[0].id).shapes}) == 10_000


@pytest.mark.parametrize("fault", [LOST_AFTER, LOST_BEFORE, CRASHED, GATEWAY, BUSY], ids=lambda f: str(f)[40:])
def test_a_lost_response_neither_duplicates_nor_loses_shapes(
    sandbox: Serving, cvat: Cvat, task: Task, fault: Any
) -> None:
    job = task.jobs[0].id
    create_annotations(cvat, job, boxes(task, 2))  # another client's, equal to two of the new ones
    sandbox.faults.set([fault | {"skip": 1}])
    created = create_annotations(cvat, job, boxes(task, 8))
    assert sorted(shape.points for shape in cvat.annotations(job).shapes) == sorted(
        s.points for s in boxes(task, 8).shapes
    )
    assert len({shape.id for shape in created.shapes}) == 8


@pytest.mark.parametrize("fault", [LOST_BEFORE, BUSY], ids=lambda f: str(f)[40:])
def test_nothing_is_sent_again_by_whoever_has_lost_their_lease(
    sandbox: Serving, cvat: Cvat, task: Task, fault: Any
) -> None:
    leases = iter([True, True, False])

    def check() -> None:
        if not next(leases):
            raise LeaseLost("another run has the batch")

    sandbox.faults.set([fault | {"skip": 1}])
    with pytest.raises(LeaseLost):
        create_annotations(cvat, task.jobs[0].id, boxes(task, 5), before_write=check)
    assert len(cvat.annotations(task.jobs[0].id).shapes) == 3  # the first chunk


@pytest.mark.parametrize(
    ("fault", "sent_again"),
    [(LOST_BEFORE, False), ({**GATEWAY, "when": "before"}, False), (BUSY, True), (LOST_AFTER, True)],
)
def test_without_resend_nothing_is_sent_again_that_may_still_take_effect(
    sandbox: Serving, cvat: Cvat, task: Task, fault: Any, sent_again: bool
) -> None:
    sandbox.faults.set([fault])
    if sent_again:
        create_annotations(cvat, task.jobs[0].id, boxes(task, 2), resend=False)
    else:
        with pytest.raises((UnclearAnswer, CvatBusy)):
            create_annotations(cvat, task.jobs[0].id, boxes(task, 2), resend=False)
    assert len(cvat.annotations(task.jobs[0].id).shapes) == (2 if sent_again else 0)


def test_a_response_that_is_lost_each_time_raises(sandbox: Serving, cvat: Cvat, task: Task) -> None:
    sandbox.faults.set([LOST_BEFORE | {"times": None}])
    with pytest.raises(UnclearAnswer):
        create_annotations(cvat, task.jobs[0].id, boxes(task, 1))


def test_an_invalid_label_raises_at_once(cvat: Cvat, task: Task) -> None:
    wrong = Annotations((replace(boxes(task, 1).shapes[0], label_id=999999),))
    with pytest.raises(CvatRefused, match="label_id `999999` is invalid"):
        create_annotations(cvat, task.jobs[0].id, wrong)


@pytest.mark.parametrize("fault", [None, LOST_AFTER, LOST_BEFORE, CRASHED])
def test_an_update_changes_existing_annotations(sandbox: Serving, cvat: Cvat, task: Task, fault: Any) -> None:
    job = task.jobs[0].id
    created = create_annotations(cvat, job, boxes(task, 4))
    moved = Annotations(tuple(replace(shape, points=(0.0, 0.0, 5.0, 5.0)) for shape in created.shapes))
    sandbox.faults.set([fault] if fault else [])
    update_annotations(cvat, job, moved)
    now = cvat.annotations(job).shapes
    assert {shape.id for shape in now} == {shape.id for shape in created.shapes}
    assert {shape.points for shape in now} == {(0.0, 0.0, 5.0, 5.0)}


def test_an_update_of_an_unknown_id_raises_before_anything_is_written(cvat: Cvat, task: Task) -> None:
    job = task.jobs[0].id
    created = create_annotations(cvat, job, boxes(task, 2))
    moved = tuple(replace(shape, points=(0.0, 0.0, 5.0, 5.0)) for shape in created.shapes)
    with pytest.raises(CvatNotFound, match="no shape 99999999"):
        update_annotations(cvat, job, Annotations((*moved, replace(moved[0], id=99999999))))
    assert {shape.points for shape in cvat.annotations(job).shapes} == {shape.points for shape in created.shapes}


@pytest.mark.parametrize("fault", [None, LOST_AFTER, LOST_BEFORE, CRASHED])
def test_a_deletion_may_be_repeated(sandbox: Serving, cvat: Cvat, task: Task, fault: Any) -> None:
    job = task.jobs[0].id
    created = create_annotations(cvat, job, boxes(task, 5))
    unwanted = Annotations(created.shapes[:4])
    sandbox.faults.set([fault] if fault else [])
    delete_annotations(cvat, job, unwanted)
    delete_annotations(cvat, job, unwanted)
    assert [shape.id for shape in cvat.annotations(job).shapes] == [created.shapes[4].id]


def test_a_create_succeeds_after_an_update_took_its_id(cvat: Cvat, task: Task) -> None:
    job = task.jobs[0].id
    last = create_annotations(cvat, job, boxes(task, 1)).shapes[0]
    unknown = Annotations((replace(last, id=last.id + 1, points=(1.0, 1.0, 2.0, 2.0)),))
    cvat.change_annotations(job, Change.UPDATE, unknown)
    create_annotations(cvat, job, boxes(task, 2))
    assert len(cvat.annotations(job).shapes) == 3
