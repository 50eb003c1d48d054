"""An export is complete up to the last edit, whatever changes while it is written."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType, Tag
from labelyard.domain.formats import CVAT_IMAGES
from labelyard.domain.objects import s3_url
from labelyard.domain.tasks import JobStatus
from labelyard.errors import ExportOutdated
from labelyard.ledger import exports
from labelyard.operations import manual
from labelyard.pipeline import export_annotations, read_task
from labelyard.pipeline.collect_finished import collect
from tests.support.workspace import AtFailpoint, Workspace, draw_and_complete, export, finish_jobs, ingest


def test_an_export_that_misses_an_edit_is_detected_and_repeated(closed: Workspace) -> None:
    ingest(closed)
    draw_and_complete(closed, boxes_per_frame=2)
    collect(closed.context)
    person = closed.person("root")
    task = person.task(closed.line().task_id or 0)
    closed.sandbox.faults.set([{"on": "worker export", "delay": 2.0, "times": 1}])
    with ThreadPoolExecutor(1) as pool:
        # Another client's export runs when the last box is saved; the server caches that file for everybody.
        theirs = closed.context.settings.spool / "theirs.zip"
        running = pool.submit(person.export, task.id, theirs, format_name=CVAT_IMAGES)
        time.sleep(0.7)
        late = Shape(ShapeType.RECTANGLE, 0, task.labels[0].id, (3.0, 3.0, 9.0, 9.0))
        closed.context.cvat("default").change_annotations(task.jobs[0].id, Change.CREATE, Annotations(shapes=(late,)))
        running.result()
    time.sleep(1.5)
    exported = export(closed)
    assert (exported.annotations, exported.exports) == (7, 2)
    assert exported.source == "CVAT's annotations API, equal to CVAT's own export"


@pytest.mark.parametrize(("crashes", "source"), [(4, "equal to"), (6, "not compared with")])
def test_an_exporter_that_fails_is_asked_again_and_the_last_resort_are_the_annotations(
    closed: Workspace, crashes: int, source: str
) -> None:
    ingest(closed)
    finish_jobs(closed)
    closed.sandbox.faults.set([{"on": "worker export", "fail": "KeyError: 7", "times": crashes}])
    exported = export(closed)
    assert (exported.annotations, exported.exports) == (3, 3)
    assert exported.source == f"CVAT's annotations API, {source} CVAT's own export"
    assert ("which failed: CVAT for images 1.1" in (closed.line().warning or "")) is (crashes == 6)
    assert closed.line().state == "exported"


@pytest.mark.parametrize("failpoint", ["export_annotations.file_written", "export_annotations.file_uploaded"])
def test_an_object_quarantined_during_its_export_is_not_in_the_current_export(
    two_files: Workspace, at_failpoint: AtFailpoint, failpoint: str
) -> None:
    ingest(two_files)
    draw_and_complete(two_files)
    collect(two_files.context)

    def quarantine() -> None:
        manual.quarantine(two_files.context, two_files.url("2.jpg"), "a private person")

    at_failpoint(export_annotations, failpoint, quarantine)
    with pytest.raises(ExportOutdated):
        export(two_files)
    two_files.retry()
    exported = export(two_files)
    assert two_files.exported_keys() == ["in/1.jpg"]
    assert (exported.generation, exported.images) == (1, 1)
    with two_files.context.ledger.read_only() as tx:
        unfinished = exports.unfinished(tx, two_files.line().id)
        recorded = {s3_url(one.bucket, one.key) for one in (*unfinished, *exports.of_batch(tx, two_files.line().id))}
    in_bucket = two_files.s3.list_objects_v2(Bucket=two_files.bucket, Prefix=two_files.spec.export.prefix)["Contents"]
    assert {s3_url(two_files.bucket, found["Key"]) for found in in_bucket} <= recorded


def test_a_job_reopened_during_the_export_moves_the_batch_to_assigned_without_a_failure(
    two_files: Workspace, at_failpoint: AtFailpoint
) -> None:
    ingest(two_files)
    draw_and_complete(two_files)
    collect(two_files.context)

    def reopen() -> None:
        two_files.context.cvat("default").set_job_status(two_files.line().jobs[0].id, JobStatus.ANNOTATION)
        collect(two_files.context)

    at_failpoint(export_annotations, "export_annotations.begun", reopen)
    with pytest.raises(ExportOutdated):
        export(two_files)
    assert (two_files.line().state, two_files.line().error) == ("assigned", None)


def test_the_tag_of_the_neutral_write_is_removed_though_the_run_that_created_it_died(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(passed: str) -> None:
        if passed == "export_annotations.marker_created":
            raise KeyboardInterrupt

    workspace.put("1.jpg")
    workspace.close_batch()
    ingest(workspace)
    task_id = workspace.line().task_id or 0
    person = workspace.person("root")
    person.export(task_id, tmp_path / "theirs.zip", format_name=CVAT_IMAGES)
    own_tag = Annotations(tags=(Tag(0, person.task(task_id).labels[0].id),))
    person.change_annotations(person.jobs(task_id)[0].id, Change.CREATE, own_tag)
    draw_and_complete(workspace)
    collect(workspace.context)
    [cached] = workspace.sandbox.sandbox.folder.glob("tasks/*/export_cache/*.zip")
    os.utime(cached)  # as if somebody's export had begun before the boxes, and ended now
    with monkeypatch.context() as patched:
        patched.setattr(read_task, "failpoint", die)
        with pytest.raises(KeyboardInterrupt):
            export(workspace)
    workspace.expire_lease()
    export(workspace)
    assert person.task_annotations(task_id).tags == own_tag.tags
