"""Verification finds whatever differs between the photographs, the tasks and the exported files."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from labelyard.demo.drawn import Drawn
from labelyard.demo.exported import Export
from labelyard.demo.photographs import photographs
from labelyard.demo.uploader import PlannedUpload, waves
from labelyard.demo.verify import CvatJob, CvatTask, differences, numbers_of_kinds, outcomes

CAT = photographs()["cat-1"]
SHOTS = [PlannedUpload("in/cam1/cat.jpg", CAT), PlannedUpload("in/cam2/cat.jpg", photographs()["cat-2"])]
BOX = Drawn("rectangle", "cat", (1.0, 2.0, 3.0, 4.0), (("occluded", "false"),))
TAG = Drawn("tag", "indoors", ())
NAMES = {7: {"cat-a.jpg": "in/cam1/cat.jpg", "cat-b.jpg": "in/cam2/cat.jpg"}}
JOB = CvatJob(9, range(2), "ada", "completed")
FRAMES = [("cat-a.jpg", CAT.width, CAT.height), ("cat-b.jpg", 369, 270)]
TASK = CvatTask(7, "t", 2, FRAMES, [JOB], {0: Counter({BOX: 2}), 1: Counter({TAG: 1})})
NUMBERS = {"rectangle": {"cat": 2}, "tag": {"indoors": 1}}
ACCOUNT = {"drawn": NUMBERS, "in_file": NUMBERS, "left_out": []}
EXPORT = Export(7, {"in/cam1/cat.jpg": Counter({BOX: 2}), "in/cam2/cat.jpg": Counter({TAG: 1})}, [ACCOUNT, ACCOUNT])


def exported(**images: Counter[Drawn]) -> Export:
    """Return the export with other contents of images, by the camera."""
    changed = {f"in/{camera}/cat.jpg": objects for camera, objects in images.items()}
    return replace(EXPORT, images={**EXPORT.images, **changed})


def wrong(*tasks: CvatTask, exports: list[Export] | None = None) -> str:
    exports = [EXPORT] if exports is None else exports
    return "\n".join(differences(outcomes(SHOTS, tasks, NAMES, exports), tasks, exports))


def test_nothing_differs_where_all_is_right() -> None:
    assert wrong(TASK) == ""


def test_a_photograph_in_no_task_or_in_two_is_named() -> None:
    assert "in/cam2/cat.jpg is in 0 tasks" in wrong(replace(TASK, frames=TASK.frames[:1]))
    twice = replace(TASK, frames=[*TASK.frames, TASK.frames[0]])
    assert "in/cam1/cat.jpg is in 2 tasks" in wrong(twice)


def test_an_unknown_frame_is_reported() -> None:
    stranger = replace(TASK, id=8, jobs=[], drawn={})
    assert "CVAT holds 4 frames, 2 of them are known photographs" in wrong(TASK, stranger)


def test_a_frame_of_another_size_is_another_image() -> None:
    swapped = replace(TASK, frames=[("cat-b.jpg", CAT.width, CAT.height), ("cat-a.jpg", 369, 270)])
    assert "in/cam1/cat.jpg: frame 1 of task 7 is another image, 369x270" in wrong(swapped)


@pytest.mark.parametrize(
    "objects",
    [
        Counter({BOX: 1}),
        Counter({BOX: 3}),
        Counter({BOX: 1, BOX._replace(geometry=(1.0, 2.0, 3.0, 4.01)): 1}),
        Counter({BOX: 1, BOX._replace(attributes=(("occluded", "true"),)): 1}),
        Counter({BOX: 1, BOX._replace(kind="polygon"): 1}),
    ],
)
def test_an_object_that_is_lost_added_or_changed_is_shown(objects: Counter[Drawn]) -> None:
    assert "in/cam1/cat.jpg: exported with" in wrong(TASK, exports=[exported(cam1=objects)])


def test_an_object_on_another_image_is_shown() -> None:
    found = wrong(TASK, exports=[exported(cam1=Counter({BOX: 2, TAG: 1}), cam2=Counter())])
    assert "in/cam1/cat.jpg: exported with what nobody drew, tag 'indoors'" in found
    assert "in/cam2/cat.jpg: exported without tag 'indoors'" in found


@pytest.mark.parametrize(
    ("account", "problem"),
    [
        ({}, "account 2 of 2: there is none"),
        ({**ACCOUNT, "drawn": {"rectangle": {"cat": 2}}}, "drawn are {} too many and {('tag', 'indoors'): 1} too few"),
        ({**ACCOUNT, "in_file": {**NUMBERS, "mask": {"cat": 1}}}, "in the file are {('mask', 'cat'): 1} too many"),
        (
            {
                **ACCOUNT,
                "left_out": [{"kind": "tag", "label": "indoors", "count": 1, "reason": "its frame is deleted"}],
            },
            "in the file and left out are {('tag', 'indoors'): 1} too many",
        ),
    ],
)
def test_an_account_that_does_not_balance_is_shown(account: dict[str, Any], problem: str) -> None:
    assert problem in wrong(TASK, exports=[replace(EXPORT, accounts=[ACCOUNT, account])])


def test_the_numbers_of_all_kinds_are_those_of_the_tasks() -> None:
    assert numbers_of_kinds(outcomes(SHOTS, [TASK], NAMES, [EXPORT])) == {"rectangle": 2, "tag": 1}


def test_missing_duplicated_and_unknown_photographs_are_named() -> None:
    assert "in/cam1/cat.jpg is in 0 exported files" in wrong(TASK, exports=[])
    assert "in/cam1/cat.jpg is in 2 exported files" in wrong(TASK, exports=[EXPORT, EXPORT])
    dog = replace(EXPORT, images={**EXPORT.images, "in/dog.jpg": Counter()})
    assert "in/dog.jpg is exported and was never uploaded" in wrong(TASK, exports=[dog])


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
