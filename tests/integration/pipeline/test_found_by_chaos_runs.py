"""What benchmarks/faults.py found, each as the shortest way to it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from labelyard.cvat import Cvat
from labelyard.domain.annotations import Annotations, Change, Tag
from labelyard.domain.states import INGESTING, BatchState
from labelyard.domain.tasks import Task, TaskSpec
from labelyard.errors import CvatCrashed, CvatNotFound, LeaseLost
from labelyard.ledger import batches, leases
from labelyard.pipeline import export_annotations, register_objects
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.create_task import create_task
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.pipeline.upload_data import upload_data
from labelyard.pipeline.wait_for_status import wait_for_status
from tests.support.bench import Bench, draw_and_complete, export, ingest, picture


def test_a_listing_that_was_read_before_an_overwrite_loses_neither_content_nor_object(bench: Bench) -> None:
    bench.put("1.jpg")
    read_before = list(bench.context.store.list(bench.bucket, "in/"))
    bench.put("1.jpg", picture(7))
    sweep_sources(bench.context)
    list(register_objects.register_listed(bench.context, [bench.spec], read_before, "a late sweep"))
    sweep_sources(bench.context)
    close_now(bench.context, "street")
    ingest(bench)
    [task] = bench.context.cvat("default").tasks()
    [object_in_it] = [row for row in bench.objects("1.jpg") if row.quarantine_reason is None]
    assert (task.size, object_in_it.etag) == (1, bench.context.store.head(bench.bucket, "in/1.jpg").etag)


def test_a_content_that_is_put_back_after_an_overwrite_is_labelled(bench: Bench) -> None:
    for content in (1, 2, 1):
        bench.put("1.jpg", picture(content))
        sweep_sources(bench.context)
    close_now(bench.context, "street")
    ingest(bench)
    [object_in_it] = [row for row in bench.objects("1.jpg") if row.quarantine_reason is None]
    assert object_in_it.etag == bench.context.store.head(bench.bucket, "in/1.jpg").etag


class Slow:
    """A CVAT for a run that is held up just before it creates its task."""

    def __init__(self, cvat: Cvat, meanwhile: Callable[[], object]) -> None:
        self._cvat, self._meanwhile = cvat, meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cvat, name)

    def create_task(self, spec: TaskSpec) -> Task:
        self._meanwhile()
        return self._cvat.create_task(spec)


def closed_batch(bench: Bench) -> None:
    bench.put("1.jpg")
    sweep_sources(bench.context)
    close_now(bench.context, "street")


def run_out(bench: Bench) -> None:
    with bench.context.ledger.transaction() as tx:
        batches.get(tx, "street-00001").leased_until = tx.now


def create_and_lose_the_claim(bench: Bench, meanwhile: Callable[[], object]) -> None:
    with acquire_batch(bench.context, "street-00001") as late:
        vars(late)["cvat"] = Slow(late.cvat, meanwhile)
        create_task(late)


def test_what_a_run_creates_after_it_lost_its_claim_is_taken_back(bench: Bench) -> None:
    def taken_over() -> None:
        run_out(bench)
        ingest(bench)

    closed_batch(bench)
    with pytest.raises(LeaseLost):
        create_and_lose_the_claim(bench, taken_over)
    assert bench.tasks_on_server() == 1
    assert bench.line().state == "assigned"


def test_a_run_that_lost_its_claim_records_nothing(bench: Bench) -> None:
    def taken_over() -> None:
        run_out(bench)
        with bench.context.ledger.transaction() as tx:
            leases.acquire(tx, "street-00001", "somebody", INGESTING, timedelta(minutes=1))

    closed_batch(bench)
    with pytest.raises(LeaseLost):
        create_and_lose_the_claim(bench, taken_over)
    assert (bench.line().state, bench.line().task_id) == ("closed", None)


def test_a_creation_that_took_effect_long_after_its_answer_was_lost_leaves_no_second_task(bench: Bench) -> None:
    closed_batch(bench)
    ingest(bench)
    cvat, labels = bench.context.cvat("default"), bench.spec.task.cvat_labels()
    given_up = bench.line().task_name or ""
    cvat.delete_task(bench.line().task_id or 0)
    bench.set_state("street-00001", BatchState.CREATED)
    ingest(bench)
    for name in (given_up, bench.line().task_name or ""):
        cvat.create_task(TaskSpec(name, labels))
    draw_and_complete(bench)
    collect(bench.context)
    export(bench)
    assert bench.tasks_on_server() == 1


def deleted(cvat: Cvat, task_id: int) -> bool:
    """Whether it could be deleted: while a worker makes its frames, the server crashes instead."""
    try:
        cvat.delete_task(task_id)
    except CvatCrashed:
        return False
    return True


def test_a_task_that_vanishes_while_its_frames_are_waited_for_is_made_anew_by_the_next_run(bench: Bench) -> None:
    closed_batch(bench)

    def run() -> None:
        with acquire_batch(bench.context, "street-00001") as lease:
            made = create_task(lease)
            upload_data(lease)
            while not deleted(lease.cvat, made.task_id):
                time.sleep(0.02)
            wait_for_status(lease)

    with pytest.raises(CvatNotFound):
        run()
    assert bench.line().state == "uploaded"
    with bench.context.ledger.transaction() as tx:
        batches.get(tx, "street-00001").not_before = None
    ingest(bench)
    assert (bench.line().state, bench.tasks_on_server()) == ("assigned", 1)


def test_the_tag_that_makes_an_export_fresh_goes_though_the_run_that_set_it_died(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(passed: str) -> None:
        if passed == "export_annotations.marker_created":
            raise KeyboardInterrupt

    closed_batch(bench)
    ingest(bench)
    task_id = bench.line().task_id or 0
    person = bench.person("root")
    person.export(task_id, tmp_path / "theirs.zip")
    own_tag = Annotations(tags=(Tag(0, person.task(task_id).labels[0].id),))
    person.change_annotations(person.jobs(task_id)[0].id, Change.CREATE, own_tag)
    draw_and_complete(bench)
    collect(bench.context)
    [kept] = bench.sandbox.sandbox.folder.glob("tasks/*/export_cache/*.zip")
    os.utime(kept)  # as if somebody's export had begun before the boxes, and ended now
    with monkeypatch.context() as patched:
        patched.setattr(export_annotations, "failpoint", die)
        with pytest.raises(KeyboardInterrupt):
            export(bench)
    run_out(bench)
    export(bench)
    assert person.task_annotations(task_id).tags == own_tag.tags
