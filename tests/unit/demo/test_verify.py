"""Verification finds whatever differs between the photographs, the tasks and the exported files."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from labelyard.demo.photographs import photographs
from labelyard.demo.uploader import PlannedUpload, waves
from labelyard.demo.verify import Box, CvatJob, CvatTask, differences, outcomes

CAT = photographs()["cat-1"]
SHOTS = [PlannedUpload("in/cam1/cat.jpg", CAT), PlannedUpload("in/cam2/cat.jpg", photographs()["cat-2"])]
BOX: Box = ("cat", 1.0, 2.0, 3.0, 4.0)
NAMES = {7: {"cat-a.jpg": "in/cam1/cat.jpg", "cat-b.jpg": "in/cam2/cat.jpg"}}
JOB = CvatJob(9, range(2), "ada", "completed", {0: Counter({BOX: 2})})
TASK = CvatTask(7, "t", 2, [("cat-a.jpg", CAT.width, CAT.height), ("cat-b.jpg", 369, 270)], [JOB])
EXPORT = {"in/cam1/cat.jpg": Counter({BOX: 2}), "in/cam2/cat.jpg": Counter[Box]()}


def wrong(*tasks: CvatTask, exports: list[dict[str, Counter[Box]]] | None = None) -> str:
    exports = [EXPORT] if exports is None else exports
    return "\n".join(differences(outcomes(SHOTS, tasks, NAMES, exports), tasks, exports))


def test_nothing_differs_where_all_is_right() -> None:
    assert wrong(TASK) == ""


def test_a_photograph_in_no_task_or_in_two_is_named() -> None:
    assert "in/cam2/cat.jpg is in 0 tasks" in wrong(replace(TASK, frames=TASK.frames[:1]))
    twice = replace(TASK, frames=[*TASK.frames, TASK.frames[0]])
    assert "in/cam1/cat.jpg is in 2 tasks" in wrong(twice)


def test_an_unknown_frame_is_reported() -> None:
    stranger = replace(TASK, id=8, jobs=[])
    assert "CVAT holds 4 frames, 2 of them are known photographs" in wrong(TASK, stranger)


def test_a_frame_of_another_size_is_another_image() -> None:
    swapped = replace(TASK, frames=[("cat-b.jpg", CAT.width, CAT.height), ("cat-a.jpg", 369, 270)])
    assert "in/cam1/cat.jpg: frame 1 of task 7 is another image, 369x270" in wrong(swapped)


def test_a_box_that_is_lost_added_or_moved_is_shown() -> None:
    for boxes in (Counter({BOX: 1}), Counter({BOX: 3}), Counter({BOX: 1, ("cat", 1.0, 2.0, 3.0, 4.01): 1})):
        assert "in/cam1/cat.jpg: exported without" in wrong(TASK, exports=[EXPORT | {"in/cam1/cat.jpg": boxes}])


def test_missing_duplicated_and_unknown_photographs_are_named() -> None:
    assert "in/cam1/cat.jpg is in 0 exported files" in wrong(TASK, exports=[])
    assert "in/cam1/cat.jpg is in 2 exported files" in wrong(TASK, exports=[EXPORT, EXPORT])
    assert "in/dog.jpg is exported and was never uploaded" in wrong(TASK, exports=[EXPORT | {"in/dog.jpg": Counter()}])


def test_an_unfinished_or_unassigned_job_is_reported() -> None:
    assert "job 9 of task 7 is annotation" in wrong(replace(TASK, jobs=[replace(JOB, status="annotation")]))
    assert "of nobody" in wrong(replace(TASK, jobs=[replace(JOB, assignee=None)]))


def test_the_waves_hold_every_photograph_once_and_equal_base_names_in_one_wave() -> None:
    planned = waves("incoming/")
    uploads = [upload for wave in planned for upload in wave]
    assert len(planned) >= 2
    assert sorted(upload.photograph.path for upload in uploads) == sorted(p.path for p in photographs().values())
    assert len({upload.key for upload in uploads}) == 27
    for wave in planned:
        assert Counter(upload.key.rsplit("/", 1)[-1] for upload in wave).most_common(1)[0][1] == 3
