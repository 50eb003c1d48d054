"""What people and buckets do while a run is in the middle of its work: nothing is lost, nothing is labelled twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType

import pytest

from labelyard.domain.states import BatchState, TaskState
from labelyard.domain.tasks import JobStatus
from labelyard.errors import LedgerError, SettingsError
from labelyard.ledger import batches, tasks
from labelyard.operations import manual
from labelyard.pipeline import collect_finished, export_annotations, upload_data
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.export_annotations import ReopenedMeanwhile
from labelyard.pipeline.register_objects import sweep_sources
from tests.support.bench import Bench, draw_and_complete, export, ingest, picture

During = Callable[[ModuleType, str, Callable[[], object]], None]


@pytest.fixture
def during(monkeypatch: pytest.MonkeyPatch) -> During:
    """Do something once, when a step of a module passes a crash point."""

    def arrange(module: ModuleType, name: str, act: Callable[[], object]) -> None:
        left = [act]

        def failpoint(passed: str) -> None:
            if passed == name and left:
                left.pop()()

        monkeypatch.setattr(module, "failpoint", failpoint)

    return arrange


@pytest.fixture
def closed(bench: Bench) -> Bench:
    """1.jpg and 2.jpg in a closed batch."""
    bench.put("1.jpg", picture(1))
    bench.put("2.jpg", picture(2))
    land(bench)
    return bench


def land(bench: Bench) -> None:
    sweep_sources(bench.context)
    close_now(bench.context, "street")


def address(bench: Bench, key: str) -> str:
    return f"s3://{bench.bucket}/in/{key}"


def retry(bench: Bench, batch: str = "street-00001") -> None:
    with bench.context.ledger.transaction() as tx:
        batches.retry(tx, batches.get(tx, batch, lock=True))


def frames(bench: Bench, batch: str = "street-00001") -> list[str]:
    return [frame.name for frame in bench.context.cvat("default").frames(bench.line(batch).task_id or 0)]


def exported_keys(bench: Bench) -> list[str]:
    key = bench.line().exports[-1].split("/", 3)[3]
    document = json.loads(bench.s3.get_object(Bucket=bench.bucket, Key=key)["Body"].read())
    return sorted(image["file_name"] for image in document["images"])


def test_an_object_that_moves_to_another_batch_while_it_is_looked_at_is_uploaded_once(
    closed: Bench, during: During
) -> None:
    def out_and_in() -> None:
        manual.quarantine(closed.context, address(closed, "2.jpg"), "blurred")
        assert manual.restore(closed.context, address(closed, "2.jpg")).batch_id == "street-00002"

    during(upload_data, "upload_data.inspected", out_and_in)
    ingest(closed)
    close_now(closed.context, "street")
    ingest(closed, "street-00002")
    assert (frames(closed), frames(closed, "street-00002")) == (["1.jpg"], ["2.jpg"])


def test_an_object_set_aside_while_it_is_looked_at_is_not_uploaded(closed: Bench, during: During) -> None:
    def aside() -> None:
        manual.quarantine(closed.context, address(closed, "2.jpg"), "a private person")

    during(upload_data, "upload_data.inspected", aside)
    ingest(closed)
    assert frames(closed) == ["1.jpg"]


def test_a_batch_of_which_all_was_set_aside_says_so(closed: Bench) -> None:
    for key in ("1.jpg", "2.jpg"):
        manual.quarantine(closed.context, address(closed, key), "blurred")
    with pytest.raises(upload_data.NothingToLabel, match=r"all 2 objects were set aside, such as .*: by hand: blurred"):
        ingest(closed)
    with pytest.raises(LedgerError, match="no run goes on with it") as caught:
        retry(closed)
    assert "labelyard restore" in caught.value.next_step


def test_a_content_that_comes_back_after_it_was_overwritten_lands_again(bench: Bench) -> None:
    for content in (1, 2, 1):
        bench.put("1.jpg", picture(content))
        sweep_sources(bench.context)
    close_now(bench.context, "street")
    ingest(bench)
    assert frames(bench) == ["1.jpg"]


def test_a_content_that_was_found_deleted_at_its_upload_and_is_put_again_lands_again(closed: Bench) -> None:
    closed.s3.delete_object(Bucket=closed.bucket, Key="in/2.jpg")
    ingest(closed)
    assert frames(closed) == ["1.jpg"]
    closed.put("2.jpg", picture(2))
    land(closed)
    ingest(closed, "street-00002")
    assert frames(closed, "street-00002") == ["2.jpg"]


def test_an_object_set_aside_while_its_export_is_written_is_not_in_the_current_export(
    closed: Bench, during: During
) -> None:
    ingest(closed)
    draw_and_complete(closed)
    collect(closed.context)

    def aside() -> None:
        manual.quarantine(closed.context, address(closed, "2.jpg"), "a private person")

    during(export_annotations, "export_annotations.file_written", aside)
    with pytest.raises(ReopenedMeanwhile):
        export(closed)
    retry(closed)
    export(closed)
    assert exported_keys(closed) == ["in/1.jpg"]


def test_a_job_reopened_during_the_export_is_with_people_and_no_failure(closed: Bench, during: During) -> None:
    ingest(closed)
    draw_and_complete(closed)
    collect(closed.context)

    def reopen() -> None:
        closed.context.cvat("default").set_job_status(closed.line().jobs[0].id, JobStatus.ANNOTATION)
        collect(closed.context)

    during(export_annotations, "export_annotations.begun", reopen)
    with pytest.raises(ReopenedMeanwhile):
        export(closed)
    assert (closed.line().state, closed.line().error) == ("assigned", None)


def test_a_look_that_an_export_overtook_does_not_ask_for_another(closed: Bench, during: During) -> None:
    ingest(closed)
    draw_and_complete(closed)
    collect(closed.context)
    export(closed)
    manual.quarantine(closed.context, address(closed, "2.jpg"), "blurred")
    during(collect_finished, "collect_finished.shown", lambda: export(closed))
    assert collect(closed.context).completed == ()
    assert closed.line().state == "exported"


def test_a_task_of_the_batchs_name_that_holds_its_files_is_not_uploaded_to_again(closed: Bench) -> None:
    """As after a power cut that took the ledger's last minute."""
    ingest(closed)
    task = closed.line().task_id or 0
    with closed.context.ledger.transaction() as tx:
        batch = batches.get(tx, "street-00001")
        batch.state, batch.leased_by = BatchState.CLOSED, None
        row = tasks.current(tx, batch.id)
        assert row is not None
        row.server_id = row.upload_begun_at = row.request_id = row.files = None
        row.state = TaskState.PLANNED
        for member in batches.members(tx, batch.id):
            member.upload_name = None
    ingest(closed)
    assert (closed.line().task_id, closed.line().state) == (task, "assigned")
    assert len(closed.context.cvat("default").jobs(task)) == 1
    assert closed.tasks_on_server() == 1


def test_a_task_that_came_to_be_deleted_is_told_where_the_lead_looks(closed: Bench) -> None:
    ingest(closed)
    closed.context.cvat("default").delete_task(closed.line().task_id or 0)
    assert list(collect(closed.context).failed or ()) == ["street-00001"]
    assert "there is no task" in (closed.line().error or "")
    assert closed.line().next_step == "labelyard repair --apply, which makes the task anew"


def test_people_named_after_the_batch_closed_get_its_jobs(bench: Bench) -> None:
    bench.apply(annotators=["nobody-here"])
    bench.put("1.jpg")
    land(bench)
    with pytest.raises(SettingsError, match="none of the annotators"):
        ingest(bench)
    bench.apply(annotators=["bob"])
    retry(bench)
    ingest(bench)
    assert [job.assignee for job in bench.line().jobs] == ["bob"]
