"""The v2 dialect, stepped with recordings of CVAT 2.73: what has other keys, statuses or texts than 2.54."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from labelyard.cvat.decoding import decode_label
from labelyard.cvat.error_responses import MAX_MESSAGE_LENGTH, error_for
from labelyard.cvat.exchange import Response
from labelyard.cvat.v2 import V2
from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.labels import Label
from labelyard.domain.tasks import CreationState, JobStatus, Receipt, TaskSpec, UploadFile
from labelyard.domain.webhooks import WebhookSpec
from labelyard.errors import CvatBusy, CvatCrashed, CvatNotFound, CvatRefused, CvatUnauthorized, InputError
from tests.support.dialect_stepping import json_response, play, recorded, recorded_polls, response_of, value
from tests.support.paths import RECORDINGS, recording

v2 = V2()
FAMILY = "cvat-2.73"


def response(number: int) -> Response:
    return recorded(number, FAMILY)


def polled_responses(number: int) -> list[Response]:
    return recorded_polls(number, FAMILY)


def test_the_server_says_its_version_without_a_token() -> None:
    assert value(v2.about(), response(1)).version == recording(1, FAMILY)["response_body"]["version"]


def test_a_login_returns_the_token_and_a_wrong_password_is_unauthorized() -> None:
    assert value(v2.login("alex", "a password"), response(4)) == recording(4, FAMILY)["response_body"]["key"]
    with pytest.raises(CvatUnauthorized, match="user 'alex': Unable to log in"):
        value(v2.login("alex", "nope"), response(8))


def test_a_new_task_is_combined_from_two_responses_and_has_no_data() -> None:
    task, requests, _ = play(v2.task(2), [response(77), response(78)])
    assert [request.path for request in requests] == ["/api/tasks/2", "/api/labels"]
    assert (task.size, task.received, task.jobs) == (0, False, ())
    labels = recording(78, FAMILY)["response_body"]["results"]
    assert {label.name for label in task.labels} == {label["name"] for label in labels}


def test_a_task_without_data_has_no_frames() -> None:
    assert value(v2.frames(14), response(108), response(106)) == []
    with pytest.raises(CvatRefused, match="not uploaded"):
        value(v2.frames(14), response(108), json_response(200, recording(106, FAMILY)["response_body"] | {"size": 5}))


def test_an_upload_returns_the_id_of_its_request_and_its_frames_and_jobs_follow() -> None:
    creation = "action=create&target=task&target_id=14"
    request_id = recording(116, FAMILY)["response_body"]["rq_id"]
    assert request_id == creation
    states = [value(v2.creation(Receipt(14, creation)), polled).state for polled in polled_responses(117)]
    assert states == [CreationState.STARTED, CreationState.FINISHED]
    frames = value(v2.frames(14), response(121))
    jobs = value(v2.jobs(14), response(120))
    assert (jobs[0].start_frame, jobs[0].stop_frame) == (0, 2)
    assert jobs[-1].stop_frame == len(frames) - 1


def test_a_failed_import_is_refused_and_a_failed_merge_may_be_tried_again() -> None:
    file = UploadFile("annotations.json", 2, lambda: BytesIO(b"{}"))
    started, failed = json_response(202, {"rq_id": "an import"}), polled_responses(113)[-1]
    with pytest.raises(CvatRefused, match="image_quality"):
        value(v2.import_annotations(1, file, "COCO 1.0"), started, failed)
    with pytest.raises(CvatRefused):
        value(v2.import_annotations(1, file, "COCO 1.0"), json_response(409, {"rq_id": "an import"}))
    with pytest.raises(CvatCrashed, match="image_quality"):
        value(v2.merge_replicas(1), json_response(409, {"rq_id": "a merge"}), failed)


def test_a_creation_without_an_image_quality_fails_with_a_reason_in_one_line() -> None:
    failed = value(v2.creation(Receipt(15, "request")), polled_responses(113)[-1])
    assert failed.state is CreationState.FAILED
    assert "image_quality" in failed.message
    assert "\n" not in failed.message


@pytest.mark.parametrize(
    ("number", "status"),
    [(1119, JobStatus.ANNOTATION), (1120, JobStatus.COMPLETED), (1127, JobStatus.VALIDATION)],
)
def test_stage_and_state_are_one_status_for_an_assignee_too(number: int, status: JobStatus) -> None:
    """An assignee without more rights receives no name of the task."""
    job = value(v2.set_job_status(51, status), response(number))
    assert (job.status, job.assignee) == (status, 3)


def test_ground_truth_jobs_are_left_out() -> None:
    kinds = [job["type"] for job in recording(1184, FAMILY)["response_body"]["results"]]
    assert "ground_truth" in kinds
    assert len(value(v2.jobs(83), response(1184))) == kinds.count("annotation")


def test_annotations_of_every_kind_are_decoded() -> None:
    found = value(v2.annotations(13), response(338))
    saved = recording(338, FAMILY)["response_body"]
    assert {shape.type for shape in found.shapes} == {ShapeType(shape["type"]) for shape in saved["shapes"]}
    assert (len(found.shapes), len(found.tags), len(found.tracks)) == tuple(
        len(saved[kind]) for kind in ("shapes", "tags", "tracks")
    )


def test_an_export_is_started_polled_and_downloaded() -> None:
    responses = [response(419), *polled_responses(422), response(425)]
    name, requests, pauses = play(v2.export(37, Path("x.zip"), "COCO 1.0"), responses)
    assert requests[-1].path == "/api/tasks/37/dataset/download"
    assert requests[-1].query == {"rq_id": recording(419, FAMILY)["response_body"]["rq_id"]}
    assert len(pauses) == 1
    assert name.endswith(".zip")


def test_an_export_that_is_already_running_is_polled() -> None:
    value(v2.export(37, Path("x.zip"), "COCO 1.0"), response(420), *polled_responses(422), response(425))


ERRORS = {401: CvatUnauthorized, 403: CvatUnauthorized, 404: CvatNotFound, 429: CvatBusy, 500: CvatCrashed}


def error_recordings() -> list[dict[str, Any]]:
    recordings = [json.loads(path.read_text()) for path in sorted((RECORDINGS / FAMILY).glob("*.json"))]
    return [recorded for recorded in recordings if recorded.get("status", 0) >= 400]


def test_every_error_response_becomes_its_error_in_one_line() -> None:
    assert len(error_recordings()) > 200
    for failed in error_recordings():
        error = error_for("", response_of(failed))
        assert type(error) is ERRORS.get(failed["status"], CvatRefused), failed["path"]
        assert 0 < len(error.what) <= MAX_MESSAGE_LENGTH, failed["path"]
        assert "\n" not in error.what
        assert "<" not in error.what


def test_the_type_and_the_color_of_a_label_are_sent_and_read() -> None:
    road = Label("lane", color="#00ff00", type="polyline")
    _, requests, _ = play(v2.create_task(TaskSpec("t", (road,))), [response(77), response(78)])
    [sent] = requests[0].json["labels"]
    assert (sent["type"], sent["color"]) == ("polyline", "#00ff00")
    found = decode_label(sent | {"id": 1})
    assert (found.type, found.color) == ("polyline", "#00ff00")


def test_a_changed_label_keeps_its_color_and_takes_another_type() -> None:
    known = [Label("lane", color="#00ff00", type="any", id=7)]
    [sent] = v2._encode_changed_labels([Label("lane", type="polyline")], known)
    assert (sent["id"], sent["color"], sent["type"]) == (7, "#00ff00", "polyline")


@pytest.mark.parametrize("runs", [(0, 3), (0, 5), (5, -1), ()])
def test_a_mask_whose_runs_do_not_fill_its_box_is_not_sent(runs: tuple[float, ...]) -> None:
    def written(points: tuple[float, ...]) -> object:
        mask = Shape(ShapeType.MASK, 0, 1, points)
        return next(v2.change_annotations(1, Change.CREATE, Annotations(shapes=(mask,))))

    box = (10.0, 10.0, 11.0, 11.0)
    written((0.0, 4.0, *box))
    with pytest.raises(InputError, match="its box has 4"):
        written((*runs, *box))


def test_webhooks_of_a_project_and_of_an_organization_and_their_deliveries() -> None:
    def spec(number: int) -> WebhookSpec:
        body = recording(number, FAMILY)["request_body_json"]
        events = frozenset(body["events"])
        return WebhookSpec(body["target_url"], body["description"], events, body.get("project_id"))

    for number in (1013, 1083):
        wanted, sent = spec(number), recording(number, FAMILY)["request_body_json"]
        webhook, [request], _ = play(v2.create_webhook(wanted, "a-throwaway-secret"), [response(number)])
        assert request.json == {**sent, "events": sorted(sent["events"]), "enable_ssl": True}
        assert (webhook.spec, webhook.owner) == (wanted, 6)
        listed = {"results": [recording(number, FAMILY)["response_body"]], "next": None}
        assert value(v2.webhooks(), json_response(200, listed)) == [webhook]
        changed, [request], _ = play(v2.change_webhook(1, wanted, "another secret"), [response(number)])
        assert (request.method, request.path, changed) == ("PATCH", "/api/webhooks/1", webhook)
        assert request.json["secret"] == "another secret"
    latest = value(v2.webhook_deliveries(1, 3), response(1065))[0]
    assert (latest.event, latest.status, latest.has_arrived) == ("update:job", 500, False)
