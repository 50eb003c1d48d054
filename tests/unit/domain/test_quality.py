"""The choice of ground truth, and what replicas and quality jobs change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labelyard.domain.quality import choose_ground_truth, file_names, finished_parents, other_annotator, part_of, spread
from labelyard.domain.tasks import Frame, FrameUse, Job, JobKind, JobStatus, Task

NAMES = [f"{number}.jpg" for number in range(40)]


@pytest.mark.parametrize(
    ("portion", "total", "count"), [(5, 100, 5), ("5%", 100, 5), ("5%", 3, 1), ("2.5%", 1000, 25), ("100%", 7, 7)]
)
def test_a_portion_is_a_number_or_a_percentage_and_never_nothing(portion: int | str, total: int, count: int) -> None:
    assert part_of(portion, total) == count


def test_the_same_files_always_get_the_same_ground_truth_and_other_batches_another() -> None:
    first = choose_ground_truth("street-00001", NAMES, "10%", 2, 10)
    assert first == choose_ground_truth("street-00001", NAMES[::-1], "10%", 2, 10)
    other = choose_ground_truth("street-00002", NAMES, "10%", 2, 10)
    assert first is not None
    assert other is not None
    assert (len(first.frames), first.honeypots) == (4, 2)
    assert first.frames != other.frames
    assert first.seed != other.seed


def test_honeypots_leave_a_frame_to_label_and_are_no_more_than_the_pool() -> None:
    assert choose_ground_truth("b", ["1.jpg"], 1, 1, 0) is None
    assert choose_ground_truth("b", ["1.jpg"], 1, None, 0) is not None
    found = choose_ground_truth("b", NAMES[:3], "100%", 5, 0)
    assert found is not None
    assert (len(found.frames), found.honeypots) == (2, 2)


def test_a_percentage_of_honeypots_is_of_a_job() -> None:
    of_jobs = choose_ground_truth("b", NAMES, 10, "20%", 10)
    of_one_job = choose_ground_truth("b", NAMES, 10, "20%", 0)
    assert of_jobs is not None
    assert of_one_job is not None
    assert (of_jobs.honeypots, of_one_job.honeypots) == (2, 6)


def test_a_honeypot_is_no_file() -> None:
    frames = [Frame("a", 1, 1), Frame("b", 1, 1, FrameUse.HONEYPOT), Frame("b", 1, 1, FrameUse.GROUND_TRUTH)]
    assert file_names(frames) == ["a", "b"]


def replica(number: int, parent: int, status: JobStatus = JobStatus.COMPLETED) -> Job:
    return Job(number, 1, parent, parent, status, kind=JobKind.REPLICA, parent=parent)


def test_a_job_is_ready_to_be_merged_once_all_of_its_replicas_are_completed() -> None:
    jobs = (Job(1, 1, 1, 1), Job(2, 1, 2, 2))
    replicas = (replica(3, 1), replica(4, 1), replica(5, 2), replica(6, 2, JobStatus.ANNOTATION))
    task = Task(1, "t", 2, True, JobStatus.ANNOTATION, (), jobs, quality_jobs=replicas)
    assert finished_parents(task) == [jobs[0]]


def test_the_replicas_of_a_job_go_to_different_people() -> None:
    people = spread([replica(3, 1), replica(4, 1), replica(5, 2), replica(6, 2)], ["ann", "bob", "cleo"], 2)
    assert people == {3: "cleo", 4: "ann", 5: "bob", 6: "cleo"}


def test_a_replica_goes_to_who_has_the_fewest_and_to_nobody_who_has_one_of_its_job() -> None:
    others = [(1, "ann"), (2, "bob"), (2, "ann"), (3, "bob")]
    assert other_annotator(1, others, ["ann", "bob", "cleo", "dora"]) == "cleo"
    assert other_annotator(3, others, ["ann", "bob"]) == "ann"
    assert other_annotator(2, others, ["ann", "bob"]) is None


def test_ground_truth_is_no_change_of_the_work() -> None:
    job = Job(1, 1, 0, 0, updated="2026-01-01T10:00:00Z")
    truth = Job(2, 1, 0, 0, kind=JobKind.GROUND_TRUTH, updated="2026-01-01T12:00:00Z")
    task = Task(1, "t", 1, True, JobStatus.ANNOTATION, (), (job,), updated="2026-01-01T12:00:01Z")
    assert task.work_updated == task.updated
    assert replace(task, quality_jobs=(truth,)).work_updated == job.updated
