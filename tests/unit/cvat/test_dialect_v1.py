"""The v1 dialect, stepped with recordings of CVAT 1.0.0: its requests, and the values of the responses."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from labelyard.cvat.exchange import Request
from labelyard.cvat.v1 import V1
from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import About, CreationState, DataSpec, JobStatus, Receipt, TaskSpec, UploadFile
from labelyard.errors import (
    CvatCrashed,
    CvatHidden,
    CvatNotFound,
    CvatUnauthorized,
    ExportFailed,
    LabelError,
)
from tests.support.dialect_stepping import json_response, play, recorded, value
from tests.support.paths import recording

v1 = V1()


def test_a_login_returns_the_token() -> None:
    token, (request,), _ = play(v1.login("root", "rootpass"), [recorded(2)])
    assert token == recording(2)["body_json"]["key"]
    assert request.json == recording(2)["request_body"]["json"]
    assert request.anonymous


@pytest.mark.parametrize("number", [4, 5, 6, 7, 8])
def test_a_failed_login_is_unauthorized_although_the_status_is_400(number: int) -> None:
    with pytest.raises(CvatUnauthorized):
        value(v1.login("root", "nope"), recorded(number))


def test_the_repr_of_a_request_has_no_password() -> None:
    request = next(v1.login("root", "rootpass"))
    assert "rootpass" not in repr(request)


def test_users_have_groups_for_staff_and_none_for_other_accounts() -> None:
    assert value(v1.users(), recorded(53))[0].groups == ("admin",)
    assert value(v1.users(), recorded(55))[0].groups == ()


def test_whoami_returns_the_own_user() -> None:
    me = value(v1.whoami(), recorded(31))
    assert (me.id, me.username, me.is_superuser) == (1, "root", True)


def test_the_task_of_the_api_page_is_created_with_the_same_request() -> None:
    spec = TaskSpec(
        "testCreate",
        (
            Label("label1", (AttributeSpec("select", InputType.SELECT, "select", ("select",)),)),
            Label("label2", (AttributeSpec("checkbox", InputType.CHECKBOX, "false", ("false",)),)),
            Label("label3", (AttributeSpec("text", InputType.TEXT, "text", ("text",), mutable=True),)),
        ),
    )
    task, (request,), _ = play(v1.create_task(spec), [recorded(87)])
    assert request.json["labels"] == recording(87)["request_body"]["json"]["labels"]
    assert not request.idempotent
    assert (task.id, task.size, task.received, task.jobs, task.labels) == (1, 0, False, (), spec.labels)


def test_a_name_is_sent_as_the_server_will_store_it() -> None:
    _, (request,), _ = play(v1.create_task(TaskSpec("  e\u0301te\u0301 ", (Label("car"),))), [recorded(87)])
    assert request.json["name"] == "été"


def test_invalid_labels_raise_before_any_request() -> None:
    with pytest.raises(LabelError, match="twice"):
        next(v1.create_task(TaskSpec("t", (Label("car"), Label("car")))))


def test_a_crashed_creation_has_the_servers_message() -> None:
    with pytest.raises(CvatCrashed, match=r"Server Error \(500\)"):
        value(v1.create_task(TaskSpec("t", (Label("car"),))), recorded(122))


def test_a_task_is_read_from_the_list_which_is_never_stale() -> None:
    task, (request,), _ = play(v1.task(70), [recorded(345)])
    assert (request.path, dict(request.query)) == ("/api/v1/tasks", {"id": "70"})
    assert task.id == 70
    assert [(job.start_frame, job.stop_frame) for job in task.jobs] == [(0, 2), (3, 5), (6, 6)]
    assert task.jobs[0].assignee == 3


def test_a_task_that_is_not_listed_is_not_found() -> None:
    with pytest.raises(CvatNotFound, match="there is no task 999999"):
        value(v1.task(999999), recorded(261), recorded(284))


def test_a_forbidden_task_that_is_not_listed_is_hidden_not_deleted() -> None:
    with pytest.raises(CvatHidden, match="task 66 exists, but labelyard's account may not read it"):
        value(v1.task(66), recorded(261), recorded(289))


def test_received_data_shows_before_the_frames_exist() -> None:
    assert not value(v1.create_task(TaskSpec("t", (Label("car"),))), recorded(88)).received
    failed = value(v1.create_task(TaskSpec("t", (Label("car"),))), recorded(178))
    assert (failed.received, failed.size) == (True, 0)


def test_find_tasks_compares_exactly_what_the_servers_filter_matches_loosely() -> None:
    loose = recording(264)["body_json"]
    one = dict(loose["results"][0])
    page = {"count": 3, "next": None, "results": [one | {"id": 9}, one | {"id": 8, "name": one["name"].upper()}, one]}
    tasks, (request,), _ = play(v1.find_tasks(one["name"]), [json_response(200, page)])
    assert [task.id for task in tasks] == [9, one["id"]] if one["id"] > 9 else [one["id"], 9]
    assert request.query["name"] == one["name"]


def test_find_tasks_reads_every_page_and_tolerates_a_missing_one() -> None:
    one = recording(264)["body_json"]["results"][0]
    page = {"count": 2, "next": "http://there/?page=2", "results": [one]}
    tasks, requests, _ = play(v1.find_tasks(one["name"]), [json_response(200, page), recorded(251)])
    assert [task.id for task in tasks] == [one["id"]]
    assert [request.query["page"] for request in requests] == ["1", "2"]


def test_an_upload_has_the_form_fields_that_the_server_reads() -> None:
    files = [
        UploadFile(name, 3, lambda: io.BytesIO(b"abc"), "image/jpeg") for name in ("b.jpg", "图片 一.jpg", 'q".jpg')
    ]
    receipt, (request,), _ = play(v1.upload(36, files, DataSpec(70, use_zip_chunks=True)), [recorded(194)])
    sent = b"".join(request.body.chunks())
    assert receipt == Receipt(36)
    assert not request.idempotent
    assert len(sent) == request.body.length
    assert b'name="use_zip_chunks"\r\n\r\ntrue\r\n' in sent
    assert b'name="client_files[0]"; filename="b.jpg"\r\n' in sent
    assert 'name="client_files[1]"; filename="图片 一.jpg"\r\n'.encode() in sent
    assert b'name="client_files[2]"; filename="q%22.jpg"\r\n' in sent


def test_creation_is_unknown_for_the_moment_of_a_400() -> None:
    response = json_response(400, {"message": ["This field may not be null."]})
    creation = value(v1.creation(Receipt(38)), response)
    assert (creation.state, creation.message) == (CreationState.UNKNOWN, "This field may not be null.")


def test_creation_has_the_last_line_of_a_traceback() -> None:
    trace = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\nOSError: cannot identify image file\n'
    creation = value(v1.creation(Receipt(30)), json_response(200, {"state": "Failed", "message": trace}))
    assert (creation.state, creation.message) == (CreationState.FAILED, "OSError: cannot identify image file")


def test_frames_are_in_the_servers_order() -> None:
    names = [frame.name for frame in value(v1.frames(1), recorded(99))]
    assert names == ["000000000285.jpg", "000000000776.jpg", "000000001296.jpg"]


def test_a_task_without_data_has_no_frames_although_the_server_responds_500() -> None:
    before = json_response(200, {"results": [recording(88)["body_json"]]})
    assert value(v1.frames(66), recorded(294), before) == []


def test_a_job_is_assigned_with_the_field_that_the_server_knows() -> None:
    job, (request,), _ = play(v1.assign(34, 3), [recorded(343)])
    assert request.json == {"assignee": 3}
    assert (job.assignee, job.task_id) == (3, 70)


def test_a_job_is_completed() -> None:
    job, (request,), _ = play(v1.set_job_status(34, JobStatus.COMPLETED), [recorded(366)])
    assert request.json == {"status": "completed"}
    assert job.status is JobStatus.COMPLETED


def test_a_created_annotation_is_sent_without_its_id_and_returned_with_it() -> None:
    shape = value(v1.annotations(37), recorded(385)).shapes[0]
    _, (request,), _ = play(
        v1.change_annotations(37, Change.CREATE, value(v1.annotations(37), recorded(385))),
        [recorded(374)],
    )
    assert shape.id == 2
    assert "id" not in request.json["shapes"][0]
    assert request.query == {"action": "create"}


def test_updates_and_deletions_contain_ids() -> None:
    old = value(v1.annotations(37), recorded(385))
    _, (request,), _ = play(v1.change_annotations(37, Change.DELETE, old), [recorded(385)])
    assert request.json["shapes"] == recording(385)["request_body"]["json"]["shapes"]


def test_source_and_color_are_sent_only_to_a_server_that_stores_them() -> None:
    newer = v1.for_server(About("CVAT", "1.1"))
    shape = Shape(ShapeType.RECTANGLE, 0, 1, (1.0, 2.0, 3.0, 4.0), source="auto")
    for dialect, sent in ((v1, {}), (newer, {"source": "auto"})):
        request = next(dialect.change_annotations(37, Change.CREATE, Annotations((shape,))))
        assert isinstance(request, Request)
        assert request.json["shapes"][0].items() >= sent.items()
        assert ("source" in request.json["shapes"][0]) == bool(sent)
        created = next(dialect.create_task(TaskSpec("t", (Label("car", color="#ff0000"),))))
        assert isinstance(created, Request)
        assert ("color" in created.json["labels"][0]) == bool(sent)


def test_users_are_decoded_from_newer_servers_too() -> None:
    job = recording(343)["body_json"] | {"assignee": {"id": 3, "username": "dabai"}}
    assert value(v1.assign(34, 3), json_response(200, job)).assignee == 3
    task = recording(345)["body_json"]["results"][0]
    newer = {name: part for name, part in task.items() if name != "z_order"} | {"owner": {"id": 2}}
    assert value(v1.task(70), json_response(200, {"results": [newer]})).owner == 2


def test_an_export_polls_until_the_file_comes() -> None:
    name, requests, pauses = play(v1.export(74, Path("x.zip"), "COCO 1.0"), [recorded(484), recorded(488)])
    assert [request.query["action"] for request in requests] == ["download", "download"]
    assert requests[1].save_to == Path("x.zip")
    assert name == 'task_dump тест 图 a/b"q-2026_11_23_09_15_53-coco 1.0.zip'
    assert len(pauses) == 1


def test_an_export_that_fails_twice_raises_the_servers_message() -> None:
    with pytest.raises(ExportFailed, match="get_frame_step"):
        value(
            v1.export(75, Path("x.zip"), "COCO 1.0"),
            recorded(531),
            recorded(532),
            recorded(533),
            recorded(532),
        )


def test_a_task_without_a_git_repository_has_only_nones() -> None:
    repository = value(v1.git_repository(67), recorded(302))
    assert (repository.url, repository.status, repository.error) == (None, None, None)


def test_a_redirect_to_the_login_page_is_unauthorized() -> None:
    with pytest.raises(CvatUnauthorized):
        value(v1.git_repository(67), recorded(296))
