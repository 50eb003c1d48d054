"""Predictions in a new task: imported once, before people; and what the export says that people made of them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest
from pydantic import SecretStr

from labelyard import failpoints
from labelyard.cvat import annotation_writes
from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.preannotation import BESIDE_NAME
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.errors import CvatBusy, UnclearAnswer
from labelyard.ledger import history, preannotations
from labelyard.orchestration.batch_artifact import batch_markdown
from labelyard.orchestration.page_links import PageLinks
from labelyard.pipeline import preannotate_task as step
from labelyard.pipeline.collect_finished import collect
from labelyard.server_settings import ModelSettings
from tests.support.cvat_families import V1, V2, each_cvat
from tests.support.model_server import cars, respond_json, serve_model
from tests.support.own_process import ingest_in_own_process
from tests.support.pictures import picture
from tests.support.workspace import FIRST, AtFailpoint, Workspace, export, ingest

SCORE = {"name": "score", "input_type": "number", "values": [0, 100, 1], "default": 0}


@pytest.fixture
def cvat_version() -> str:
    return V2


def begin(workspace: Workspace, source: str, *, segment_size: int = 0, timeout: str = "30s") -> None:
    """Put three files into a closed batch of a dataset with predictions."""
    task = {"labels": [{"name": "car", "attributes": [SCORE]}, "person"], "segment_size": segment_size}
    workspace.apply(task=task, preannotate={"from": source, "timeout": timeout})
    for i in range(3):
        workspace.put(f"{i}.jpg", picture(i))
    workspace.close_batch()


def shapes(workspace: Workspace) -> Sequence[Shape]:
    cvat = workspace.context.cvat("default")
    return cvat.task_annotations(workspace.line().task_id or 0).shapes


def entries(workspace: Workspace) -> list[str]:
    """Return what the history says about predictions."""
    with workspace.context.ledger.read_only() as tx:
        return [one.reason for one in history.of_batch(tx, FIRST) if one.what == "preannotated"]


def finish(workspace: Workspace) -> dict[str, Any]:
    """Complete the jobs, export, and return `info.preannotation`."""
    cvat = workspace.context.cvat("default")
    for job in cvat.jobs(workspace.line().task_id or 0):
        cvat.set_job_status(job.id, JobStatus.COMPLETED)
    collect(workspace.context)
    export(workspace)
    found: dict[str, Any] = workspace.exported_document()["info"]["preannotation"]
    return found


@each_cvat
def test_a_models_predictions_are_there_before_people_and_the_export_says_what_they_made_of_them(
    workspace: Workspace, cvat_version: str
) -> None:
    with serve_model() as model:
        workspace.context.settings.model["m"] = ModelSettings(
            url=model.url.removesuffix("/predict"), token=SecretStr("t")
        )
        begin(workspace, model.url, segment_size=2)
        ingest(workspace)
        ingest_again(workspace)
    assert (len(model.asked), model.tokens) == (1, ["Bearer t"])
    assert [image["file_name"] for image in model.asked[0]["images"]] == ["in/0.jpg", "in/1.jpg", "in/2.jpg"]
    assert workspace.line().state == "assigned"
    found = sorted(shapes(workspace), key=lambda one: one.frame)
    assert [(one.frame, one.points, one.attributes[0].value) for one in found] == [
        (frame, (10.0, 10.0, 30.0, 30.0), "75") for frame in range(3)
    ]
    if cvat_version == V2:
        assert {(one.source, one.score) for one in found} == {("auto", 0.75)}
    correct(workspace, found)
    said = finish(workspace)
    assert said["total"] == {"kept": 0, "moved": 1, "changed": 1, "removed": 1, "added": 1}
    assert said["by_class"]["person"]["added"] == 1
    assert said["imported"] == 3
    with workspace.context.ledger.read_only() as tx:
        page, _, _ = batch_markdown(tx, FIRST, PageLinks("http://prefect", {}), UTC)
    assert "### Pre-annotation" in page


def ingest_again(workspace: Workspace) -> None:
    """Ingest once more, as a run does that resumes after a crash."""
    workspace.set_state(FIRST, BatchState.READY)
    ingest(workspace)


def preannotation(workspace: Workspace) -> Any:
    with workspace.context.ledger.read_only() as tx:
        return preannotations.of_batch(tx, FIRST)


def correct(workspace: Workspace, found: Sequence[Shape]) -> None:
    """Move the first prediction, give the second another label, delete the third, and draw a person."""
    cvat = workspace.context.cvat("default")
    task = cvat.task(workspace.line().task_id or 0)
    person = next(label.id for label in task.labels if label.name == "person")
    first, last = task.jobs
    changed = (
        replace(found[0], points=(12.0, 10.0, 33.0, 30.0)),
        replace(found[1], label_id=person, attributes=()),
    )
    cvat.change_annotations(first.id, Change.UPDATE, Annotations(shapes=changed))
    cvat.change_annotations(last.id, Change.DELETE, Annotations(shapes=(found[2],)))
    drawn = Shape(ShapeType.RECTANGLE, 2, person, (1.0, 1.0, 5.0, 5.0))
    cvat.change_annotations(last.id, Change.CREATE, Annotations(shapes=(drawn,)))


@pytest.mark.parametrize("beside", [True, False])
def test_coco_files_in_the_bucket(workspace: Workspace, beside: bool) -> None:
    key = f"in/{BESIDE_NAME}" if beside else "predictions/street.json"
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 64, "height": 48} for i in range(3)]
    boxes = [{"id": i + 1, "image_id": i, "category_id": 1, "bbox": [1, 2, 3 + i, 4]} for i in range(3)]
    truck = {"id": 9, "image_id": 0, "category_id": 2, "bbox": [1, 2, 3, 4]}
    document = {
        "images": images, "annotations": [*boxes, truck],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "truck"}],
    }  # fmt: skip
    workspace.s3.put_object(Bucket=workspace.bucket, Key=key, Body=json.dumps(document))
    workspace.s3.put_object(Bucket=workspace.bucket, Key="predictions/broken.json", Body=b"<html>")
    begin(workspace, "coco" if beside else f"s3://{workspace.bucket}/predictions/")
    ingest(workspace)
    assert sorted(one.points[2] for one in shapes(workspace)) == [4, 5, 6]
    warning = workspace.line().preannotation or ""
    assert "1: the dataset has no label 'truck'" in warning
    assert ("1: no COCO file" in warning) is not beside
    assert finish(workspace)["total"]["kept"] == 3


def hang(_handler: object, _request: object) -> None:
    time.sleep(3)


@pytest.mark.parametrize(
    ("respond", "reason"),
    [
        (hang, "no answer within 1 s"),
        (lambda handler, _: respond_json(handler, b"<html>"), "no COCO file and no list of results"),
        pytest.param(
            lambda handler, _: respond_json(handler, []), "there are none for these images", marks=pytest.mark.slow
        ),
        pytest.param(
            lambda handler, asked: respond_json(handler, [{**one, "label": "x"} for one in cars(asked)]),
            "none fits",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_batch_goes_on_without_a_model_that_is_of_no_use_and_says_so(
    workspace: Workspace, respond: Any, reason: str
) -> None:
    with serve_model(respond) as model:
        begin(workspace, model.url, timeout="1s")
        begun = time.monotonic()
        ingest(workspace)
        assert time.monotonic() - begun < 20
    line = workspace.line()
    assert (line.state, shapes(workspace)) == ("assigned", ())
    assert reason in (line.preannotation or "")
    assert [reason in one for one in entries(workspace)] == [True]
    assert reason in finish(workspace)["reason"]


def test_a_batch_without_any_file_beside_its_images_goes_on(workspace: Workspace) -> None:
    begin(workspace, "coco")
    ingest(workspace)
    assert entries(workspace) == [f"without predictions: no {BESIDE_NAME} is beside the images"]


def test_nothing_is_written_where_a_person_has_begun(workspace: Workspace, at_failpoint: AtFailpoint) -> None:
    def draw() -> None:
        cvat = workspace.context.cvat("default")
        task = cvat.task(workspace.line().task_id or 0)
        drawn = Shape(ShapeType.RECTANGLE, 0, task.labels[0].id, (1.0, 1.0, 5.0, 5.0))
        cvat.change_annotations(task.jobs[0].id, Change.CREATE, Annotations(shapes=(drawn,)))

    at_failpoint(step, "preannotate_task.begun", draw)
    with serve_model() as model:
        begin(workspace, model.url)
        ingest(workspace)
    assert (len(shapes(workspace)), model.asked) == (1, [])
    assert "people have begun" in entries(workspace)[0]


def test_a_person_who_begins_while_predictions_are_committed_keeps_a_task_of_their_own(
    workspace: Workspace, at_failpoint: AtFailpoint
) -> None:
    def complete() -> None:
        cvat = workspace.context.cvat("default")
        [job] = cvat.jobs(workspace.line().task_id or 0)
        cvat.set_job_status(job.id, JobStatus.COMPLETED)

    at_failpoint(step, "preannotate_task.committed", complete)
    with serve_model() as model:
        begin(workspace, model.url)
        ingest(workspace)
    assert shapes(workspace) == ()
    assert "people have begun" in entries(workspace)[0]


def test_a_lost_response_of_cvat_doubles_nothing(workspace: Workspace) -> None:
    workspace.set_faults({"on": "PATCH /api/v1/jobs/*/annotations", "cut": True, "when": "after", "times": 1})
    with serve_model() as model:
        begin(workspace, model.url)
        ingest(workspace)
    assert len(shapes(workspace)) == 3


def test_nothing_is_sent_and_nobody_gets_jobs_while_a_request_without_a_response_may_take_effect(
    workspace: Workspace,
) -> None:
    workspace.context.settings.unclear_write_seconds = 60
    workspace.set_faults({"on": "PATCH /api/v1/jobs/*/annotations", "status": 504, "times": 1})
    with serve_model() as model:
        begin(workspace, model.url)
        with pytest.raises(CvatBusy):
            ingest(workspace)
        workspace.retry()
        ingest(workspace)
        assert (workspace.line().state, shapes(workspace)) == ("ready", ())
        assert "may still take effect" in (workspace.line().preannotation or "")
        workspace.context.settings.unclear_write_seconds = 0.001
        workspace.retry()
        ingest(workspace)
    assert (workspace.line().state, len(shapes(workspace))) == ("assigned", 3)
    assert workspace.line().preannotation is None


def test_a_request_that_takes_effect_long_after_its_timeout_doubles_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotation_writes, "SETTLE_SECONDS", 0.01)
    workspace.context.settings.unclear_write_seconds = 2.5
    impatient = workspace.context.settings.cvat["default"].model_copy(update={"timeout_seconds": 0.5})
    workspace.context.settings.cvat["default"] = impatient
    workspace.set_faults({"on": "PATCH /api/v1/jobs/*/annotations", "delay": 1.5, "times": 1})
    with serve_model() as model:
        begin(workspace, model.url)
        with pytest.raises(UnclearAnswer):
            ingest(workspace)
        assert shapes(workspace) == ()
        while workspace.line().state == "ready":
            workspace.retry()
            ingest(workspace)
            time.sleep(0.05)
    assert [one.frame for one in shapes(workspace)] == [0, 1, 2]


def kill_twice_and_finish(workspace: Workspace, name: str) -> None:
    """End two runs at a failpoint, and let a third one finish what is left."""
    assert ingest_in_own_process(workspace, name) == failpoints.EXIT_STATUS
    workspace.expire_lease()
    ingest_in_own_process(workspace, name)
    workspace.expire_lease()
    if workspace.line().state == "ready":
        ingest(workspace)


def check_killed(workspace: Workspace, name: str) -> None:
    with serve_model() as model:
        begin(workspace, model.url, segment_size=2)
        kill_twice_and_finish(workspace, name)
    assert workspace.line().state == "assigned"
    assert sorted(one.frame for one in shapes(workspace)) == [0, 1, 2]
    assert preannotation(workspace).predicted == 3
    assert len(entries(workspace)) == 1


OF_IMPORT = [
    name for name in failpoints.FAILPOINTS if name.startswith("preannotate_task.") and not name.endswith("skipped")
]


def test_a_run_that_dies_between_sending_and_recording_sends_nothing_twice(
    workspace: Workspace, at_failpoint: AtFailpoint
) -> None:
    def die() -> None:
        raise SystemExit

    at_failpoint(step, "preannotate_task.sent", die)
    with serve_model() as model:
        begin(workspace, model.url, segment_size=2)
        with pytest.raises(SystemExit):
            ingest(workspace)
        assert [one.frame for one in shapes(workspace)] == [0, 1]
        ingest(workspace)
    assert sorted(one.frame for one in shapes(workspace)) == [0, 1, 2]
    assert (preannotation(workspace).predicted, len(model.asked)) == (3, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_IMPORT)
def test_a_run_that_is_killed_twice_sends_the_same_predictions_once(workspace: Workspace, name: str) -> None:
    check_killed(workspace, name)


@pytest.mark.parametrize("cvat_version", [V1])
def test_the_same_on_1_0_0_between_sending_and_recording(workspace: Workspace) -> None:
    check_killed(workspace, "preannotate_task.sent")


@pytest.mark.slow
def test_a_run_that_is_killed_after_it_went_on_without_predictions_asks_nobody_again(workspace: Workspace) -> None:
    with serve_model(lambda handler, _: respond_json(handler, b"nonsense")) as model:
        begin(workspace, model.url)
        kill_twice_and_finish(workspace, "preannotate_task.skipped")
    assert (workspace.line().state, len(model.asked)) == ("assigned", 1)
