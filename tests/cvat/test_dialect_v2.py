"""CVAT 2.54 as recorded: the chain, step by step, and every refusal."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from stepping import RECORDINGS, answer_of, play, recorded, recording, said, value

from labelyard.cvat.refusals import LONGEST, refusal
from labelyard.cvat.v2 import V2
from labelyard.cvat.wire import Answer
from labelyard.domain.annotations import Change, ShapeType
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import CreationState, DataSpec, JobStatus, Receipt, Task, TaskSpec, UploadFile
from labelyard.errors import (
    CvatBusy,
    CvatCrashed,
    CvatDisagrees,
    CvatHidden,
    CvatNotFound,
    CvatRefused,
    CvatUnauthorized,
    ExportFailed,
)

v2 = V2()
FAMILY = "cvat-2.54"
LABELS, JOBS, NO_JOBS = 643, 233, 218
CREATION = "action=create&target=task&target_id=1"


def answer(number: int) -> Answer:
    return recorded(number, FAMILY)


def moments(number: int) -> list[Answer]:
    """The answers of a recorded wait, one after the other."""
    headers = {"content-type": "application/vnd.cvat+json"}
    told = recording(number, FAMILY)["distinct"]
    return [Answer(moment["status"], headers, json.dumps(moment["body"]).encode()) for moment in told]


def test_a_login_gives_the_token_and_a_wrong_password_is_unauthorized() -> None:
    assert value(v2.login("alex", "pass12345!"), answer(3)) == recording(3, FAMILY)["response_body"]["key"]
    with pytest.raises(CvatUnauthorized, match="user 'alex': Unable to log in"):
        value(v2.login("alex", "nope"), answer(6))


def test_a_personal_access_token_is_shown_in_another_way() -> None:
    pat = recording(33, FAMILY)["request_headers"]["authorization"]
    assert v2.authorization(pat.removeprefix("Bearer ")) == pat
    assert v2.authorization("f028391abc5a9da1478c29d9f120add77007daa0").startswith("Token ")


def test_users_are_read_by_id() -> None:
    assert [user.username for user in value(v2.users(), answer(25))] == ["root", "alex", "dabai", "carol"]
    assert [user.email for user in value(v2.users(), answer(18))] == [""]


def test_a_task_is_put_together_from_three_answers() -> None:
    task, asked, _ = play(v2.task(1), [answer(231), answer(LABELS), answer(JOBS)])
    assert [request.path for request in asked] == ["/api/tasks/1", "/api/labels", "/api/jobs"]
    assert (task.size, task.received, task.owner, task.segment_size) == (5, True, 2, 2)
    assert [label.name for label in task.labels] == ["car", "person", "sk"]
    assert [(job.start_frame, job.stop_frame) for job in task.jobs] == [(0, 1), (2, 3), (4, 4)]


def test_a_task_is_created_with_its_labels_and_has_no_data_yet() -> None:
    labels = (
        Label("car", (AttributeSpec("parked", InputType.CHECKBOX, "false", ("false",), mutable=True),), "#ff0000"),
    )
    spec = TaskSpec("multipart", labels, segment_size=2, overlap=0, assignee=2)
    task, asked, _ = play(v2.create_task(spec), [answer(200), answer(LABELS)])
    sent = asked[0].json
    assert (sent["assignee_id"], sent["labels"][0]["color"]) == (2, "#ff0000")
    assert sent["labels"][0]["attributes"] == recording(200, FAMILY)["request_body_json"]["labels"][0]["attributes"][:1]
    assert (task.size, task.received, task.jobs) == (0, False, ())


def test_find_tasks_keeps_the_exact_name() -> None:
    task = recording(881, FAMILY)["response_body"]["results"][0]
    page = {"next": None, "results": [task | {"id": 5, "name": task["name"].upper()}, task]}
    found = value(v2.find_tasks(task["name"]), said(200, page), answer(LABELS), answer(JOBS))
    assert [one.id for one in found] == [task["id"]]


def test_an_upload_is_one_request_that_answers_with_an_id() -> None:
    files = [UploadFile("img_00.jpg", 3, lambda: io.BytesIO(b"abc"), "image/jpeg")]
    receipt, (asked,), _ = play(v2.upload(1, files, DataSpec(70)), [answer(219)])
    assert receipt == Receipt(1, CREATION)
    body = b"".join(asked.body.chunks()) if asked.body else b""
    assert b'name="image_quality"\r\n\r\n70' in body
    assert b'name="client_files[0]"; filename="img_00.jpg"' in body


def test_the_creation_is_asked_for_by_its_id() -> None:
    _, (asked,), _ = play(v2.creation(Receipt(1, CREATION)), [answer(222)])
    assert asked.path == "/api/requests/action%3Dcreate%26target%3Dtask%26target_id%3D1"
    states = [value(v2.creation(Receipt(1, CREATION)), moment).state for moment in moments(220)]
    assert [states[0], states[-1]] == [CreationState.STARTED, CreationState.FINISHED]


def test_a_failed_creation_says_why_in_one_line() -> None:
    failed = value(v2.creation(Receipt(12, CREATION)), moments(250)[-1])
    assert failed.state is CreationState.FAILED
    assert "cannot identify image file" in failed.message
    assert "\n" not in failed.message


@pytest.mark.parametrize("number", [217, 930, 938])
def test_a_creation_that_is_forgotten_is_unknown(number: int) -> None:
    assert value(v2.creation(Receipt(1, CREATION)), answer(number)).state is CreationState.UNKNOWN


def test_frames_come_in_order_and_before_data_there_are_none() -> None:
    assert [frame.name for frame in value(v2.frames(1), answer(232))] == [f"img_0{n}.jpg" for n in range(5)]
    assert value(v2.frames(1), answer(216), answer(200)) == []


def test_ground_truth_is_no_work_to_hand_out() -> None:
    kinds = [job["type"] for job in recording(856, FAMILY)["response_body"]["results"]]
    assert "ground_truth" in kinds
    assert len(value(v2.jobs(64), answer(856))) == kinds.count("annotation")


def test_a_job_is_assigned_and_taken_back() -> None:
    job, (asked,), _ = play(v2.assign(31, 3), [answer(613)])
    assert asked.json == {"assignee": 3}
    assert job.assignee == 3
    assert value(v2.assign(31, None), answer(631)).assignee is None


def test_an_assignee_who_crashes_the_server_is_named() -> None:
    with pytest.raises(CvatRefused, match="is there a user 99"):
        value(v2.assign(31, 99), answer(269))


@pytest.mark.parametrize(
    ("number", "status"),
    [(621, JobStatus.ANNOTATION), (622, JobStatus.COMPLETED), (624, JobStatus.VALIDATION), (631, JobStatus.COMPLETED)],
)
def test_stage_and_state_are_one_status(number: int, status: JobStatus) -> None:
    assert value(v2.set_job_status(31, status), answer(number)).status is status


def test_a_worker_completes_a_job_without_touching_its_stage() -> None:
    _, (asked,), _ = play(v2.set_job_status(31, JobStatus.COMPLETED), [answer(622)])
    assert asked.json == recording(622, FAMILY)["request_body_json"]


def test_annotations_are_read_with_kinds_that_v1_does_not_have() -> None:
    annotations = value(v2.task_annotations(60), answer(658))
    assert {shape.type for shape in annotations.shapes} >= {ShapeType.RECTANGLE, ShapeType.SKELETON, ShapeType.POLYGON}
    assert annotations.shapes[0].source == "manual"
    assert value(v2.annotations(60), answer(656)).shapes == ()


def test_annotations_are_written_as_the_server_wants_them() -> None:
    annotations = value(v2.annotations(34), answer(661))
    written, (asked,), _ = play(v2.change_annotations(34, Change.CREATE, annotations), [answer(661)])
    assert asked.json == recording(661, FAMILY)["request_body_json"] | {"version": 0}
    assert written.shapes[0].id == 12
    assert value(v2.change_annotations(35, Change.CREATE, annotations), answer(678)).tracks[0].shapes[1].outside


def test_an_export_is_started_waited_for_and_fetched_from_our_own_server() -> None:
    answers = [answer(701), *moments(703), answer(704)]
    name, asked, pauses = play(v2.export(60, Path("x.zip"), "COCO 1.0"), answers)
    assert asked[0].query["location"] == "local"
    assert asked[-1].path == "/api/tasks/60/dataset/download"
    assert asked[-1].query == {"rq_id": recording(701, FAMILY)["response_body"]["rq_id"]}
    assert asked[-1].save_to == Path("x.zip")
    assert len(pauses) == 1
    assert name == "task_60_annotations_2026_11_23_09_13_27_coco 1.0.zip"


def test_an_export_that_runs_already_is_waited_for() -> None:
    value(v2.export(60, Path("x.zip"), "COCO 1.0"), answer(702), *moments(703), answer(704))


@pytest.mark.parametrize(("number", "words"), [(699, "Invalid RLE mask"), (798, "validation_mode")])
def test_a_failed_export_is_told_in_the_servers_words(number: int, words: str) -> None:
    with pytest.raises(ExportFailed, match=words):
        value(v2.export(60, Path("x.zip"), "COCO 1.0"), answer(701), *moments(number))


def test_what_is_not_spoken_yet_says_so() -> None:
    with pytest.raises(CvatDisagrees, match="not spoken with CVAT 2"):
        next(v2.git_repository(1))


KINDS = {401: CvatUnauthorized, 403: CvatUnauthorized, 404: CvatNotFound, 429: CvatBusy, 500: CvatCrashed}


def refused() -> list[dict[str, Any]]:
    exchanges = [json.loads(path.read_text()) for path in sorted((RECORDINGS / FAMILY).glob("*.json"))]
    return [exchange for exchange in exchanges if exchange.get("status", 0) >= 400]


def test_every_refusal_becomes_its_error_in_one_line() -> None:
    assert len(refused()) > 100
    for exchange in refused():
        error = refusal("", answer_of(exchange))
        assert type(error) is KINDS.get(exchange["status"], CvatRefused)
        assert 0 < len(error.what) <= LONGEST
        assert "\n" not in error.what
        assert "<" not in error.what


def test_a_throttled_login_says_how_long_to_wait() -> None:
    error = refusal("", answer(919))
    assert isinstance(error, CvatBusy)
    assert error.after == 59


def test_a_deleted_task_is_not_found() -> None:
    with pytest.raises(CvatNotFound, match="No Task matches"):
        value(v2.delete_task(68), answer(895))
    with pytest.raises(CvatNotFound, match="there is no task 68"):
        value(v2.task(68), answer(896))
    with pytest.raises(CvatHidden, match="task 59 is there"):
        value(v2.task(59), answer(620))
    assert list[Task]() == value(v2.find_tasks(" "))
