"""The v2 dialect, stepped with recordings of CVAT 2.54: the pipeline's verbs, and every error response."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from labelyard.cvat.decoding import decode_label
from labelyard.cvat.error_responses import MAX_MESSAGE_LENGTH, error_for
from labelyard.cvat.exchange import Response
from labelyard.cvat.v2 import V2
from labelyard.domain.annotations import Change, ShapeType
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import CreationState, DataSpec, JobStatus, Receipt, Task, TaskChange, TaskSpec, UploadFile
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
from tests.support.dialect_stepping import json_response, play, recorded, recorded_polls, response_of, value
from tests.support.paths import RECORDINGS, recording

v2 = V2()
FAMILY = "cvat-2.54"
LABELS, JOBS, NO_JOBS = 643, 233, 218
CREATION = "action=create&target=task&target_id=1"


def response(number: int) -> Response:
    return recorded(number, FAMILY)


def polled_responses(number: int) -> list[Response]:
    return recorded_polls(number, FAMILY)


def test_a_login_returns_the_token_and_a_wrong_password_is_unauthorized() -> None:
    assert value(v2.login("alex", "pass12345!"), response(3)) == recording(3, FAMILY)["response_body"]["key"]
    with pytest.raises(CvatUnauthorized, match="user 'alex': Unable to log in"):
        value(v2.login("alex", "nope"), response(6))


def test_a_personal_access_token_is_a_bearer_token() -> None:
    pat = recording(33, FAMILY)["request_headers"]["authorization"]
    assert v2.authorization(pat.removeprefix("Bearer ")) == pat
    assert v2.authorization("f028391abc5a9da1478c29d9f120add77007daa0").startswith("Token ")


def test_users_are_ordered_by_id() -> None:
    assert [user.username for user in value(v2.users(), response(25))] == ["root", "alex", "dabai", "carol"]
    assert [user.email for user in value(v2.users(), response(18))] == [""]


def test_a_task_is_combined_from_three_responses() -> None:
    task, requests, _ = play(v2.task(1), [response(231), response(LABELS), response(JOBS)])
    assert [request.path for request in requests] == ["/api/tasks/1", "/api/labels", "/api/jobs"]
    assert (task.size, task.received, task.owner, task.segment_size) == (5, True, 2, 2)
    assert [label.name for label in task.labels] == ["car", "person", "sk"]
    assert [(job.start_frame, job.stop_frame) for job in task.jobs] == [(0, 1), (2, 3), (4, 4)]


def test_a_task_is_created_with_its_labels_and_has_no_data_yet() -> None:
    labels = (
        Label("car", (AttributeSpec("parked", InputType.CHECKBOX, "false", ("false",), mutable=True),), "#ff0000"),
    )
    spec = TaskSpec("multipart", labels, segment_size=2, overlap=0, assignee=2)
    task, requests, _ = play(v2.create_task(spec), [response(200), response(LABELS)])
    sent = requests[0].json
    assert (sent["assignee_id"], sent["labels"][0]["color"]) == (2, "#ff0000")
    assert sent["labels"][0]["attributes"] == recording(200, FAMILY)["request_body_json"]["labels"][0]["attributes"][:1]
    assert (task.size, task.received, task.jobs) == (0, False, ())


def test_a_skeleton_is_sent_with_its_points_and_a_drawing_that_reads_as_its_lines() -> None:
    body = Label("body", type="skeleton", sublabels=(Label("head"), Label('a "hand"')), edges=((1, 0),))
    _, requests, _ = play(v2.create_task(TaskSpec("t", (body,))), [response(200), response(LABELS)])
    sent = requests[0].json["labels"][0]
    assert (sent["type"], [point["type"] for point in sent["sublabels"]]) == ("skeleton", ["points", "points"])
    # The server puts the ids of the points where their names are.
    stored = sent["svg"].replace('data-label-name="head"', 'data-label-id="7"')
    stored = stored.replace('data-label-name="a &quot;hand&quot;"', 'data-label-id="8"')
    points = [point | {"id": number, "attributes": []} for number, point in enumerate(sent["sublabels"], 7)]
    found = decode_label(sent | {"id": 6, "svg": stored, "sublabels": points})
    assert (found, found.edges) == (body, body.edges)


def test_a_change_of_labels_leaves_the_points_of_a_skeleton_alone() -> None:
    task, _, _ = play(v2.task(1), [response(231), response(LABELS), response(JOBS)])
    answers = [response(LABELS), response(231), response(LABELS), response(JOBS)]
    _, requests, _ = play(v2.patch_task(1, TaskChange(labels=task.labels)), answers)
    sent = next(request.json for request in requests if request.method == "PATCH")
    skeleton = next(label for label in sent["labels"] if label["name"] == "sk")
    assert not {"type", "sublabels", "svg"} & set(skeleton)


def test_find_tasks_returns_only_the_exact_name() -> None:
    task = recording(881, FAMILY)["response_body"]["results"][0]
    page = {"next": None, "results": [task | {"id": 5, "name": task["name"].upper()}, task]}
    found = value(v2.find_tasks(task["name"]), json_response(200, page), response(LABELS), response(JOBS))
    assert [one.id for one in found] == [task["id"]]


def test_an_upload_is_one_request_that_returns_an_id() -> None:
    files = [UploadFile("img_00.jpg", 3, lambda: io.BytesIO(b"abc"), "image/jpeg")]
    receipt, (request,), _ = play(v2.upload(1, files, DataSpec(70)), [response(219)])
    assert receipt == Receipt(1, CREATION)
    body = b"".join(request.body.chunks()) if request.body else b""
    assert b'name="image_quality"\r\n\r\n70' in body
    assert b'name="client_files[0]"; filename="img_00.jpg"' in body


def test_the_creation_is_polled_by_its_id() -> None:
    _, (request,), _ = play(v2.creation(Receipt(1, CREATION)), [response(222)])
    assert request.path == "/api/requests/action%3Dcreate%26target%3Dtask%26target_id%3D1"
    states = [value(v2.creation(Receipt(1, CREATION)), polled).state for polled in polled_responses(220)]
    assert [states[0], states[-1]] == [CreationState.STARTED, CreationState.FINISHED]


def test_a_failed_creation_has_its_reason_in_one_line() -> None:
    failed = value(v2.creation(Receipt(12, CREATION)), polled_responses(250)[-1])
    assert failed.state is CreationState.FAILED
    assert "cannot identify image file" in failed.message
    assert "\n" not in failed.message


@pytest.mark.parametrize("number", [217, 930, 938])
def test_a_creation_that_the_server_forgot_is_unknown(number: int) -> None:
    assert value(v2.creation(Receipt(1, CREATION)), response(number)).state is CreationState.UNKNOWN


def test_frames_are_in_order_and_none_before_the_upload() -> None:
    assert [frame.name for frame in value(v2.frames(1), response(232))] == [f"img_0{n}.jpg" for n in range(5)]
    assert value(v2.frames(1), response(216), response(200)) == []


def test_ground_truth_jobs_are_left_out() -> None:
    kinds = [job["type"] for job in recording(856, FAMILY)["response_body"]["results"]]
    assert "ground_truth" in kinds
    assert len(value(v2.jobs(64), response(856))) == kinds.count("annotation")


def test_a_job_is_assigned_and_unassigned() -> None:
    job, (request,), _ = play(v2.assign(31, 3), [response(613)])
    assert request.json == {"assignee": 3}
    assert job.assignee == 3
    assert value(v2.assign(31, None), response(631)).assignee is None


def test_an_unknown_assignee_is_named_although_the_server_crashes() -> None:
    with pytest.raises(CvatCrashed, match="is there a user 99"):
        value(v2.assign(31, 99), response(269))


@pytest.mark.parametrize(
    ("number", "status"),
    [(621, JobStatus.ANNOTATION), (622, JobStatus.COMPLETED), (624, JobStatus.VALIDATION), (631, JobStatus.COMPLETED)],
)
def test_stage_and_state_are_one_status(number: int, status: JobStatus) -> None:
    assert value(v2.set_job_status(31, status), response(number)).status is status


def test_a_worker_completes_a_job_without_touching_its_stage() -> None:
    _, (request,), _ = play(v2.set_job_status(31, JobStatus.COMPLETED), [response(622)])
    assert request.json == recording(622, FAMILY)["request_body_json"]


def test_annotations_have_shape_types_that_v1_lacks() -> None:
    annotations = value(v2.task_annotations(60), response(658))
    assert {shape.type for shape in annotations.shapes} >= {ShapeType.RECTANGLE, ShapeType.SKELETON, ShapeType.POLYGON}
    assert annotations.shapes[0].source == "manual"
    assert value(v2.annotations(60), response(656)).shapes == ()


def test_annotations_are_encoded_as_the_server_requires() -> None:
    annotations = value(v2.annotations(34), response(661))
    written, (request,), _ = play(v2.change_annotations(34, Change.CREATE, annotations), [response(661)])
    assert request.json == recording(661, FAMILY)["request_body_json"] | {"version": 0}
    assert written.shapes[0].id == 12
    assert value(v2.change_annotations(35, Change.CREATE, annotations), response(678)).tracks[0].shapes[1].outside


def test_an_export_is_started_polled_and_downloaded_from_the_same_server() -> None:
    responses = [response(701), *polled_responses(703), response(704)]
    name, requests, pauses = play(v2.export(60, Path("x.zip"), "COCO 1.0"), responses)
    assert requests[0].query["location"] == "local"
    assert requests[-1].path == "/api/tasks/60/dataset/download"
    assert requests[-1].query == {"rq_id": recording(701, FAMILY)["response_body"]["rq_id"]}
    assert requests[-1].save_to == Path("x.zip")
    assert len(pauses) == 1
    assert name == "task_60_annotations_2026_11_23_09_13_27_coco 1.0.zip"


def test_an_export_that_is_already_running_is_polled() -> None:
    value(v2.export(60, Path("x.zip"), "COCO 1.0"), response(702), *polled_responses(703), response(704))


def test_an_export_that_another_client_started_again_is_awaited() -> None:
    running = Response(400, {"content-type": "text/plain"}, b"The request process is not completed")
    responses = [response(701), *polled_responses(703), running, *polled_responses(703), response(704)]
    _, requests, _ = play(v2.export(60, Path("x.zip"), "COCO 1.0"), responses)
    assert [request.path for request in requests].count("/api/tasks/60/dataset/download") == 2


@pytest.mark.parametrize(("number", "words"), [(699, "Invalid RLE mask"), (798, "validation_mode")])
def test_a_failed_export_has_the_servers_message(number: int, words: str) -> None:
    with pytest.raises(ExportFailed, match=words):
        value(v2.export(60, Path("x.zip"), "COCO 1.0"), response(701), *polled_responses(number))


def test_an_unsupported_verb_raises() -> None:
    with pytest.raises(CvatDisagrees, match="not supported for CVAT 2"):
        next(v2.git_repository(1))


ERRORS = {401: CvatUnauthorized, 403: CvatUnauthorized, 404: CvatNotFound, 429: CvatBusy, 500: CvatCrashed}


def error_recordings() -> list[dict[str, Any]]:
    recordings = [json.loads(path.read_text()) for path in sorted((RECORDINGS / FAMILY).glob("*.json"))]
    return [recorded for recorded in recordings if recorded.get("status", 0) >= 400]


def test_every_error_response_becomes_its_error_in_one_line() -> None:
    assert len(error_recordings()) > 100
    for failed in error_recordings():
        error = error_for("", response_of(failed))
        assert type(error) is ERRORS.get(failed["status"], CvatRefused)
        assert 0 < len(error.what) <= MAX_MESSAGE_LENGTH
        assert "\n" not in error.what
        assert "<" not in error.what


def test_a_throttled_login_has_the_seconds_to_wait() -> None:
    error = error_for("", response(919))
    assert isinstance(error, CvatBusy)
    assert error.after == 59


def test_a_deleted_task_is_not_found() -> None:
    with pytest.raises(CvatNotFound, match="No Task matches"):
        value(v2.delete_task(68), response(895))
    with pytest.raises(CvatNotFound, match="there is no task 68"):
        value(v2.task(68), response(896))
    with pytest.raises(CvatHidden, match="task 59 exists"):
        value(v2.task(59), response(620))
    assert list[Task]() == value(v2.find_tasks(" "))
