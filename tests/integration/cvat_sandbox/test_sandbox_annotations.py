"""Annotations: versions, ids, attributes and tracks, and how tasks divide them among jobs."""

from __future__ import annotations

import httpx
import pytest

from tests.support.pictures import jpeg
from tests.support.sandbox_client import body, box, create, job_ids, send, settled, task, uploaded, write

Made = tuple[int, int, list[int], list[int]]
"""A task, its label, its specs and its jobs."""

SPECS = [
    {"name": "fixed", "mutable": False, "input_type": "text", "default_value": "f", "values": ["f"]},
    {"name": "loose", "mutable": True, "input_type": "text", "default_value": "l", "values": ["l"]},
]


@pytest.fixture
def made(alex: httpx.Client) -> Made:
    """A task of six images in two jobs."""
    task_id = uploaded(
        alex, [f"{n}.jpg" for n in range(6)], segment_size=3, labels=[{"name": "car", "attributes": SPECS}]
    )
    (label,) = task(alex, task_id)["labels"]
    return task_id, label["id"], [spec["id"] for spec in label["attributes"]], job_ids(alex, task_id)


def read(http: httpx.Client, job: int) -> dict:
    return http.get(f"/jobs/{job}/annotations").json()


def test_every_write_increments_the_version_whatever_version_it_sends(alex: httpx.Client, made: Made) -> None:
    _, label, _, (job, _) = made
    assert write(alex, job, {**body(box(label)), "version": 77})["version"] == 1
    assert write(alex, job, body())["version"] == 2
    assert read(alex, job)["version"] == 2


def test_a_second_create_adds_a_copy_and_update_keeps_the_id(alex: httpx.Client, made: Made) -> None:
    _, label, _, (job, _) = made
    first = write(alex, job, body(box(label)))["shapes"][0]
    write(alex, job, body(box(label)))
    write(alex, job, body({**first, "points": [1, 1, 2, 2]}), "update")
    found = read(alex, job)["shapes"]
    assert [(s["id"], s["points"][0]) for s in found] == [(first["id"], 1.0), (first["id"] + 1, 10.0)]


def test_missing_attributes_are_read_with_their_defaults(alex: httpx.Client, made: Made) -> None:
    _, label, (fixed, loose), (job, _) = made
    write(alex, job, body(box(label, attributes=[{"spec_id": str(loose), "value": 5}])))
    assert read(alex, job)["shapes"][0]["attributes"] == [
        {"spec_id": loose, "value": "5"},
        {"spec_id": fixed, "value": "f"},
    ]


def test_a_wrong_label_or_spec_rolls_back_the_whole_write(alex: httpx.Client, made: Made) -> None:
    _, label, _, (job, _) = made
    for bad, words in (
        (box(999_999), "label_id `999999` is invalid"),
        (box(label, attributes=[{"spec_id": 999, "value": ""}]), "spec_id `999` is invalid"),
    ):
        answer = alex.patch(f"/jobs/{job}/annotations?action=create", json=body(box(label), bad))
        assert (answer.status_code, answer.json()) == (400, words)
    assert read(alex, job) == {"version": 0, "tags": [], "shapes": [], "tracks": []}


def test_a_track_has_immutable_attributes_and_its_shapes_have_mutable_ones(alex: httpx.Client, made: Made) -> None:
    _, label, (fixed, loose), (job, _) = made
    shape = {"type": "rectangle", "occluded": False, "points": [0, 0, 1, 1], "frame": 0, "outside": False}
    first = {**shape, "attributes": [{"spec_id": loose, "value": "x"}]}
    track = {
        "frame": 0,
        "label_id": label,
        "group": 0,
        "attributes": [{"spec_id": fixed, "value": "y"}],
        "shapes": [first, {**shape, "frame": 2, "attributes": []}],
    }
    write(alex, job, body(tracks=[track]))
    (found,) = read(alex, job)["tracks"]
    assert found["attributes"] == [{"spec_id": fixed, "value": "y"}]
    assert [s["attributes"] for s in found["shapes"]] == [[{"spec_id": loose, "value": "x"}]] * 2
    wrong = {**track, "attributes": [{"spec_id": loose, "value": "y"}]}
    answer = alex.patch(f"/jobs/{job}/annotations?action=create", json=body(tracks=[wrong]))
    assert answer.json() == f"spec_id `{loose}` is invalid"


def test_ids_of_annotations_may_be_larger_than_those_of_tasks(alex: httpx.Client, made: Made) -> None:
    _, label, _, (job, _) = made
    assert write(alex, job, body(box(label, id=2**31)))["shapes"][0]["id"] == 2**31
    answer = alex.patch(f"/jobs/{job}/annotations?action=create", json=body(box(label, id=2**63)))
    assert answer.status_code == 500


def test_an_id_in_a_request_makes_one_later_create_fail(alex: httpx.Client, made: Made) -> None:
    _, label, _, (job, other) = made
    first = write(alex, job, body(box(label)))["shapes"][0]["id"]
    write(alex, other, body(box(label, id=first + 1)), "update")
    answer = alex.patch(f"/jobs/{job}/annotations?action=create", json=body(box(label)))
    assert answer.status_code == 400
    assert answer.json().endswith(f"Key (id)=({first + 1}) already exists.\n")
    assert write(alex, job, body(box(label)))["shapes"][0]["id"] == first + 2


def test_only_a_change_of_annotations_sets_the_updated_date(alex: httpx.Client, made: Made) -> None:
    task_id, label, _, (job, _) = made
    before = task(alex, task_id)["updated_date"]
    write(alex, job, body())
    alex.patch(f"/tasks/{task_id}", json={"name": "x"})
    assert task(alex, task_id)["updated_date"] == before
    write(alex, job, body(box(label)))
    assert task(alex, task_id)["updated_date"] > before


def test_annotations_of_a_task_are_divided_among_its_jobs_and_others_are_dropped(
    alex: httpx.Client, made: Made
) -> None:
    task_id, label, _, (first, second) = made
    answer = alex.patch(
        f"/tasks/{task_id}/annotations?action=create", json=body(*(box(label, frame=n) for n in (0, 4, 99)))
    )
    assert sorted(shape["frame"] for shape in answer.json()["shapes"]) == [0, 4]
    assert [s["frame"] for s in read(alex, first)["shapes"]] == [0]
    assert [s["frame"] for s in read(alex, second)["shapes"]] == [4]


def test_a_track_is_cut_at_the_end_of_a_job_and_continues_in_the_next(alex: httpx.Client, made: Made) -> None:
    task_id, label, _, (first, second) = made
    shape = {"type": "rectangle", "occluded": False, "outside": False, "attributes": []}
    track = {
        "frame": 0,
        "label_id": label,
        "group": 0,
        "attributes": [],
        "shapes": [{**shape, "frame": 0, "points": [0, 0, 5, 5]}, {**shape, "frame": 5, "points": [10, 0, 15, 5]}],
    }
    assert alex.patch(f"/tasks/{task_id}/annotations?action=create", json=body(tracks=[track])).status_code == 200
    cut = [[(s["frame"], s["points"][0]) for s in read(alex, job)["tracks"][0]["shapes"]] for job in (first, second)]
    assert cut[0][0] == (0, 0.0)
    assert cut[1][-1] == (5, 10.0)


def test_equal_boxes_of_two_jobs_on_a_shared_frame_become_one(alex: httpx.Client) -> None:
    task_id = create(alex, segment_size=3, overlap=1)
    send(alex, task_id, {f"{n}.jpg": jpeg() for n in range(5)})
    settled(alex, task_id)
    label, (first, second, _) = task(alex, task_id)["labels"][0]["id"], job_ids(alex, task_id)
    for job in (first, second):
        write(alex, job, body(box(label, frame=2), box(label, frame=2, points=[100 * job, 0, 100 * job + 10, 10])))
    shapes = alex.get(f"/tasks/{task_id}/annotations").json()["shapes"]
    assert sorted(s["points"][0] for s in shapes) == sorted([10.0, 100.0 * first, 100.0 * second])
