"""Annotations of 2.x in the state: ids, defaults, jobs and tasks, and the changes that are published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cvat_sandbox.errors import Crash, DuplicateAnnotation, InvalidAnnotation
from cvat_sandbox.state import labeled_data
from cvat_sandbox.state.database import Database
from cvat_sandbox.v2.labeled_data import validate

Data = dict[str, Any]


class Task(NamedTuple):
    """A task of six frames in two jobs (0 to 3, 3 to 5) with the labels car, body and the point head of body."""

    db: Database
    id: int
    jobs: list[int]
    car: int
    body: int
    head: int
    side: int
    """An attribute of car that cannot change."""
    parked: int
    """An attribute of car that can."""

    def write(self, target: int, action: Any, **body: Any) -> Data:
        """Write annotations of a job; of the task for 0."""
        data = validate(json.loads(json.dumps(body)), action)
        if target == 0:
            return labeled_data.write_task(self.db, self.id, action, data)
        return labeled_data.write_job(self.db, target, action, data)

    def box(self, frame: int = 0, **more: Any) -> Data:
        """Return a rectangle."""
        return {"type": "rectangle", "label_id": self.car, "frame": frame, "points": [1, 2, 30, 40], **more}


@pytest.fixture
def task(tmp_path: Path) -> Iterator[Task]:
    """A task with two jobs."""
    db = Database(tmp_path / "db.sqlite", durable=False)
    data = db.insert("data", size=6, image_quality=70, start_frame=0, stop_frame=5, frame_filter="")
    key = db.insert("task", name="t", created_date="", updated_date="", data_id=data, overlap=1)
    car, body = (db.insert("label", task_id=key, name=name) for name in ("car", "body"))
    head = db.insert("label", task_id=key, name="head", parent_id=body)
    specs = [
        db.insert("attribute", label_id=car, name=name, mutable=mutable, input_type="text", default_value=name,
                  values="") for name, mutable in (("side", 0), ("parked", 1))
    ]  # fmt: skip
    jobs = [add_job(db, key, start, stop) for start, stop in ((0, 3), (3, 5))]
    yield Task(db, key, jobs, car, body, head, *specs)
    db.close()


def add_job(db: Database, task_id: int, start: int, stop: int, kind: str = "annotation") -> int:
    segment = db.insert("segment", task_id=task_id, start_frame=start, stop_frame=stop)
    return db.insert("job", segment_id=segment, task_id=task_id, touched=0, updated_date="", type=kind)


def ids(data: Data, kind: str = "shapes") -> list[int]:
    return [item["id"] for item in data[kind]]


# -- reading and writing


def test_defaults_are_filled_in_when_annotations_are_read_and_not_in_the_answer_of_a_write(task: Task) -> None:
    written = task.write(task.jobs[0], "put", shapes=[task.box()])
    assert written["shapes"][0]["attributes"] == []
    read = labeled_data.read_job(task.db, task.jobs[0])["shapes"][0]
    assert read["attributes"] == [
        {"spec_id": task.side, "value": "side"}, {"spec_id": task.parked, "value": "parked"},
    ]  # fmt: skip
    assert read["points"] == [1.0, 2.0, 30.0, 40.0]
    assert (read["score"], read["rotation"], read["elements"]) == (1.0, 0.0, [])


def test_shapes_come_by_frame_and_then_in_the_order_of_writing(task: Task) -> None:
    job = task.jobs[0]
    first = ids(task.write(job, "create", shapes=[task.box(2), task.box(0), task.box(0)]))
    task.write(job, "update", shapes=[task.box(0, id=first[1])])
    assert ids(labeled_data.read_job(task.db, job)) == [first[2], first[1], first[0]]


def test_put_replaces_and_create_adds(task: Task) -> None:
    job = task.jobs[0]
    task.write(job, "put", shapes=[task.box()], tags=[{"frame": 0, "label_id": task.car}])
    task.write(job, "create", shapes=[task.box()])
    task.write(job, "create", shapes=[task.box()])
    assert len(labeled_data.read_job(task.db, job)["shapes"]) == 3
    task.write(job, "put")
    assert labeled_data.is_empty(labeled_data.read_job(task.db, job))


def test_an_update_keeps_the_id_and_creates_what_does_not_exist(task: Task) -> None:
    job = task.jobs[0]
    (key,) = ids(task.write(job, "create", shapes=[task.box()]))
    task.write(job, "update", shapes=[task.box(1, id=key), task.box(2, id=500), task.box(3)])
    assert ids(labeled_data.read_job(task.db, job)) == [key, 500, key + 1]


def test_a_deletion_may_be_repeated_and_touches_no_other_job(task: Task) -> None:
    (key,) = ids(task.write(task.jobs[0], "create", shapes=[task.box()]))
    task.write(task.jobs[1], "delete", shapes=[task.box(id=key)])
    assert ids(labeled_data.read_job(task.db, task.jobs[0])) == [key]
    for _ in range(2):
        assert ids(task.write(task.jobs[0], "delete", shapes=[task.box(id=key)])) == [key]
    assert ids(labeled_data.read_job(task.db, task.jobs[0])) == []


def test_an_id_of_another_job_is_a_duplicate(task: Task) -> None:
    (key,) = ids(task.write(task.jobs[0], "create", shapes=[task.box()]))
    with pytest.raises(DuplicateAnnotation, match=rf"engine_labeledshape_pkey.*\n.*\(id\)=\({key}\) already exists"):
        task.write(task.jobs[1], "update", shapes=[task.box(id=key)])


def test_unknown_labels_and_attributes_are_refused_and_nothing_is_written(task: Task) -> None:
    job = task.jobs[0]
    task.write(job, "put", shapes=[task.box()])
    with pytest.raises(InvalidAnnotation, match="label_id `99` is invalid"):
        task.write(job, "put", shapes=[task.box(), task.box(label_id=99)])
    with pytest.raises(InvalidAnnotation, match="spec_id `99` is invalid"):
        task.write(job, "put", shapes=[task.box(attributes=[{"spec_id": 99, "value": ""}])])
    assert len(labeled_data.read_job(task.db, job)["shapes"]) == 1


def test_a_frame_beyond_the_job_stays_in_the_job_and_is_dropped_for_the_task(task: Task) -> None:
    task.write(task.jobs[0], "create", shapes=[task.box(5), task.box(99)])
    assert [shape["frame"] for shape in labeled_data.read_job(task.db, task.jobs[0])["shapes"]] == [5, 99]
    assert task.write(0, "put", shapes=[task.box(99)])["shapes"] == []


# -- skeletons and tracks


def test_the_points_of_skeletons_get_ids_after_all_shapes(task: Task) -> None:
    head = {"type": "points", "label_id": task.head, "frame": 0, "points": [1, 2], "outside": True}
    skeleton = {"type": "skeleton", "label_id": task.body, "frame": 0, "elements": [head, head]}
    written = task.write(task.jobs[0], "put", shapes=[skeleton, task.box()])["shapes"]
    first = written[0]["id"]
    assert [written[1]["id"], *(element["id"] for element in written[0]["elements"])] == [
        first + 1,
        first + 2,
        first + 3,
    ]
    read = labeled_data.read_job(task.db, task.jobs[0])["shapes"][0]
    assert (read["points"], [element["outside"] for element in read["elements"]]) == ([], [True, True])
    assert "elements" not in read["elements"][0]


def test_attributes_that_can_change_belong_to_the_shapes_of_a_track_and_are_inherited(task: Task) -> None:
    shapes = [task.box(frame, outside=frame == 3) for frame in (0, 2, 3)]
    shapes[1]["attributes"] = [{"spec_id": task.parked, "value": "yes"}]
    task.write(task.jobs[0], "put", tracks=[{"label_id": task.car, "frame": 0, "shapes": shapes}])
    track = labeled_data.read_job(task.db, task.jobs[0])["tracks"][0]
    assert track["attributes"] == [{"spec_id": task.side, "value": "side"}]
    assert [shape["attributes"][0]["value"] for shape in track["shapes"]] == ["parked", "yes", "yes"]


def test_attributes_of_a_track_belong_where_they_can_change_or_cannot(task: Task) -> None:
    parked, side = ([{"spec_id": key, "value": ""}] for key in (task.parked, task.side))
    track = {"label_id": task.car, "frame": 0, "shapes": [task.box()]}
    task.write(task.jobs[0], "create", tracks=[{**track, "shapes": [task.box(attributes=parked)], "attributes": side}])
    for wrong in ({"attributes": parked}, {"shapes": [task.box(attributes=side)]}):
        with pytest.raises(InvalidAnnotation, match="spec_id"):
            task.write(task.jobs[0], "create", tracks=[{**track, **wrong}])


def test_a_track_without_shapes_crashes_in_a_job_and_is_dropped_for_the_task(task: Task) -> None:
    empty = {"label_id": task.car, "frame": 0, "shapes": []}
    with pytest.raises(Crash):
        task.write(task.jobs[0], "create", tracks=[empty])
    assert task.write(0, "create", tracks=[empty])["tracks"] == []


def test_a_track_begins_with_a_shape(task: Task) -> None:
    late = {"label_id": task.car, "frame": 0, "shapes": [task.box(2)]}
    early = {"label_id": task.car, "frame": 3, "shapes": [task.box(1)]}
    task.write(task.jobs[0], "put", tracks=[late, early])
    first, second = labeled_data.read_job(task.db, task.jobs[0])["tracks"]
    assert [(shape["frame"], shape["outside"]) for shape in first["shapes"]] == [(0, True), (2, False)]
    assert second["frame"] == 1


def test_a_skeleton_begins_with_its_earliest_point(task: Task) -> None:
    def points(frame: int) -> Data:
        shape = {"type": "points", "frame": frame, "points": [1, 2]}
        return {"label_id": task.head, "frame": frame, "shapes": [shape]}

    skeleton = {"label_id": task.body, "frame": 2, "shapes": [{"type": "skeleton", "frame": 2, "points": []}],
                "elements": [points(1), points(3)]}  # fmt: skip
    task.write(task.jobs[0], "put", tracks=[skeleton])
    track = labeled_data.read_job(task.db, task.jobs[0])["tracks"][0]
    assert (track["frame"], track["shapes"][0]["frame"]) == (1, 1)
    assert [element["frame"] for element in track["elements"]] == [1, 1]
    assert [shape["frame"] for shape in track["elements"][1]["shapes"]] == [1, 2, 3]


def test_a_track_across_jobs_is_cut_and_joined(task: Task) -> None:
    shapes = [{**task.box(frame), "points": [frame, 0, frame + 50, 50]} for frame in (0, 5)]
    task.write(0, "put", tracks=[{"label_id": task.car, "frame": 0, "shapes": shapes}])
    parts = [labeled_data.read_job(task.db, job)["tracks"][0]["shapes"] for job in task.jobs]
    assert [[(shape["frame"], shape["points"][0]) for shape in part] for part in parts] == [
        [(0, 0.0), (3, 3.0)], [(3, 3.0), (5, 5.0)],
    ]  # fmt: skip
    (joined,) = labeled_data.read_task(task.db, task.id)["tracks"]
    assert [shape["frame"] for shape in joined["shapes"]] == [0, 3, 5]


# -- tasks


def test_what_two_jobs_share_is_written_to_both_and_read_once(task: Task) -> None:
    task.write(0, "put", shapes=[task.box(3), task.box(3, points=[200, 200, 220, 220]), task.box(5)])
    assert [len(labeled_data.read_job(task.db, job)["shapes"]) for job in task.jobs] == [2, 3]
    assert [shape["frame"] for shape in labeled_data.read_task(task.db, task.id)["shapes"]] == [3, 3, 5]


@pytest.mark.parametrize("kind", ["ground_truth", "consensus_replica"])
def test_annotations_of_ground_truth_and_of_replicas_are_not_the_tasks(task: Task, kind: str) -> None:
    job = add_job(task.db, task.id, 0, 5, kind)
    task.write(job, "put", shapes=[task.box(1)])
    assert labeled_data.read_task(task.db, task.id)["shapes"] == []
    task.write(0, "put", shapes=[task.box(2)])
    labeled_data.clear_task(task.db, task.id)
    assert [shape["frame"] for shape in labeled_data.read_job(task.db, job)["shapes"]] == [1]


def test_honeypots_have_the_annotations_of_their_validation_frames(task: Task) -> None:
    task.db.execute("UPDATE data SET validation_mode = 'gt_pool'")
    for frame, real in ((0, None), (1, 6), (4, 7), (6, None), (7, None)):
        task.db.execute("INSERT INTO frame VALUES (1, ?, 'i.jpg', 'i.jpg', 9, 9, ?)", frame, real)
    pool = add_job(task.db, task.id, 6, 7, "ground_truth")
    task.write(0, "put", shapes=[task.box(0), task.box(1), task.box(6, z_order=1)])
    frames = [[shape["frame"] for shape in labeled_data.read_job(task.db, job)["shapes"]] for job in [*task.jobs, pool]]
    assert frames == [[0, 1], [], [6]]
    assert labeled_data.read_job(task.db, task.jobs[0])["shapes"][1]["z_order"] == 1
    with pytest.raises(InvalidAnnotation, match="Annotations on validation frames can only be edited"):
        task.write(0, "update", shapes=[task.box(6)])
    with pytest.raises(InvalidAnnotation, match="Tracks are not supported when task validation mode is gt_pool"):
        task.write(pool, "create", tracks=[{"label_id": task.car, "frame": 6, "shapes": [task.box(6)]}])


def test_the_labels_of_a_project_are_those_of_its_tasks(task: Task) -> None:
    project = task.db.insert("project", name="p", created_date="", updated_date="")
    label = task.db.insert("label", project_id=project, name="tree")
    task.db.update("task", task.id, {"project_id": project})
    assert ids(task.write(task.jobs[0], "put", shapes=[task.box(label_id=label)])) == [1]
    with pytest.raises(InvalidAnnotation, match=f"label_id `{task.car}` is invalid"):
        task.write(task.jobs[0], "put", shapes=[task.box()])


# -- events


def test_a_write_publishes_the_job_the_task_and_the_project_with_their_old_dates(task: Task) -> None:
    project = task.db.insert("project", name="p", created_date="", updated_date="")
    task.db.insert("label", id=50, project_id=project, name="tree")
    task.db.update("task", task.id, {"project_id": project})
    seen: list[tuple[str, int, str]] = []
    task.db.events.subscribe(
        lambda event: seen.append((event.kind, event.id, event.before["updated_date"] if event.before else "?"))
    )
    task.write(task.jobs[1], "put", shapes=[task.box(4, label_id=50)])
    assert seen == [("job", task.jobs[1], ""), ("task", task.id, ""), ("project", project, "")]
    rows = [task.db.one(f"SELECT updated_date FROM {kind} WHERE id = ?", key) for kind, key, _ in seen]
    assert all(row and row["updated_date"] for row in rows)


def test_nothing_is_published_when_nothing_changes_or_all_fails(task: Task) -> None:
    seen: list[Any] = []
    task.db.events.subscribe(seen.append)
    task.write(task.jobs[0], "put")
    labeled_data.clear_task(task.db, task.id)
    with pytest.raises(InvalidAnnotation):
        task.write(0, "put", shapes=[task.box(0), task.box(5, label_id=99)])
    assert seen == []
    assert labeled_data.is_empty(labeled_data.read_task(task.db, task.id))


def test_a_put_that_only_deletes_is_published(task: Task) -> None:
    task.write(0, "put", shapes=[task.box(0), task.box(5)])
    seen: list[str] = []
    task.db.events.subscribe(lambda event: seen.append(event.kind))
    task.write(0, "put")
    assert seen == ["job", "task", "job", "task"]


def test_an_interval_belongs_to_the_frames_of_the_task(task: Task) -> None:
    interval = {"label_id": task.car, "start": 1, "stop": 3}
    task.write(task.jobs[0], "put", intervals=[interval])
    read = labeled_data.read_job(task.db, task.jobs[0])["intervals"][0]
    assert (read["id"], read["start"], read["stop"], read["score"]) == (1, 1, 3, 1)
    with pytest.raises(InvalidAnnotation, match=r"Interval start must be <= stop, got \[3, 1\]"):
        task.write(task.jobs[0], "put", intervals=[{**interval, "start": 3, "stop": 1}])
    with pytest.raises(InvalidAnnotation, match="Interval cannot be outside the task boundaries"):
        task.write(task.jobs[0], "put", intervals=[{**interval, "stop": 9}])
