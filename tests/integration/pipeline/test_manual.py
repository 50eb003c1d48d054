"""What a person decides, and what changes in the bucket after an object landed."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from labelyard.domain.tasks import JobStatus
from labelyard.errors import CvatBusy, LabelyardError, LeaseTaken, NotFound
from labelyard.ledger import batches, breakers, objects, outbox
from labelyard.operations import manual
from labelyard.operations.probe_servers import probe
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.register_objects import sweep_sources
from tests.support.bench import Bench, draw_and_complete, export, ingest, picture


def landed(bench: Bench) -> None:
    sweep_sources(bench.context)
    close_now(bench.context, "street")


def address(bench: Bench, key: str) -> str:
    return f"s3://{bench.bucket}/in/{key}"


def exported_keys(bench: Bench, batch: str = "street-00001") -> list[str]:
    url = bench.line(batch).exports[-1]
    document = json.loads(bench.s3.get_object(Bucket=bench.bucket, Key=url.split("/", 3)[3])["Body"].read())
    assert {a["image_id"] for a in document["annotations"]} == {image["id"] for image in document["images"]}
    return sorted(image["file_name"] for image in document["images"])


def done(bench: Bench, batch: str = "street-00001") -> None:
    ingest(bench, batch)
    draw_and_complete(bench, batch)
    collect(bench.context)
    export(bench, batch)


def forget(bench: Bench, key: str) -> None:
    """Delete a file, and let the ledger be told."""
    bench.s3.delete_object(Bucket=bench.bucket, Key=f"in/{key}")
    with bench.context.ledger.transaction() as tx:
        assert objects.mark_deleted(tx, bench.spec, bench.bucket, f"in/{key}") == 1


def test_an_object_set_aside_before_its_upload_is_not_uploaded_and_comes_back_in_the_next_batch(bench: Bench) -> None:
    bench.put("1.jpg")
    bench.put("2.jpg", picture(2))
    landed(bench)
    manual.quarantine(bench.context, address(bench, "2.jpg"), "blurred")
    ingest(bench)
    assert bench.line().jobs[0].frames == (0, 0)
    assert bench.line().set_aside == {address(bench, "2.jpg"): "by hand: blurred"}
    assert manual.restore(bench.context, address(bench, "2.jpg")).batch_id == "street-00002"
    assert bench.line("street-00002").objects == 1


def test_an_object_set_aside_after_its_upload_is_left_out_of_the_next_export_and_may_come_back(bench: Bench) -> None:
    bench.put("1.jpg")
    bench.put("2.jpg", picture(2))
    landed(bench)
    done(bench)
    assert exported_keys(bench) == ["in/1.jpg", "in/2.jpg"]
    manual.quarantine(bench.context, address(bench, "2.jpg"), "a private person")
    export(bench)
    assert exported_keys(bench) == ["in/1.jpg"]
    manual.restore(bench.context, address(bench, "2.jpg"))
    export(bench)
    assert exported_keys(bench) == ["in/1.jpg", "in/2.jpg"]


def test_what_is_not_there_cannot_be_set_aside_or_restored(bench: Bench) -> None:
    with pytest.raises(NotFound, match="no content of it is part of a batch"):
        manual.quarantine(bench.context, address(bench, "1.jpg"), "x")
    with pytest.raises(NotFound, match="no content of it is set aside"):
        manual.restore(bench.context, address(bench, "1.jpg"))
    with pytest.raises(NotFound, match="not the address of an object"):
        manual.restore(bench.context, "1.jpg")


def test_an_abandoned_batch_stops_and_its_objects_come_back_one_by_one(bench: Bench) -> None:
    bench.put("1.jpg")
    landed(bench)
    ingest(bench)
    manual.cancel(bench.context, "street-00001", "wrong labels")
    assert collect(bench.context).completed == ()
    assert bench.line().state == "cancelled"
    assert manual.restore(bench.context, address(bench, "1.jpg")).batch_id == "street-00002"
    close_now(bench.context, "street")
    ingest(bench, "street-00002")
    assert bench.tasks_on_server() == 2


def test_a_paused_dataset_lands_and_closes_and_begins_nothing(bench: Bench) -> None:
    manual.pause(bench.context, "street", "the annotators are away")
    bench.put("1.jpg")
    landed(bench)
    with pytest.raises(LeaseTaken, match=r"paused since .*: the annotators are away"):
        ingest(bench)
    with bench.context.ledger.read_only() as tx:
        assert outbox.unsent(tx) == []
    assert manual.resume(bench.context, "street") == 1
    with bench.context.ledger.read_only() as tx:
        assert len(outbox.unsent(tx)) == 1
    ingest(bench)


def test_a_new_content_of_a_labelled_file_is_labelled_again_by_default(bench: Bench) -> None:
    bench.put("1.jpg")
    landed(bench)
    ingest(bench)
    bench.put("1.jpg", picture(7))
    sweep_sources(bench.context)
    assert (bench.line("street-00002").state, bench.line("street-00002").objects) == ("open", 1)


@pytest.mark.parametrize("policy", ["ignore", "quarantine"])
def test_a_new_content_of_a_labelled_file_is_left_where_the_dataset_says_so(bench: Bench, policy: str) -> None:
    bench.apply(overwrites=policy)
    bench.put("1.jpg")
    landed(bench)
    ingest(bench)
    bench.put("1.jpg", picture(7))
    sweep_sources(bench.context)
    with pytest.raises(NotFound):
        close_now(bench.context, "street")
    with bench.context.ledger.read_only() as tx:
        assert policy in (objects.of_key(tx, bench.bucket, "in/1.jpg")[-1].quarantine_reason or "")
    assert manual.restore(bench.context, address(bench, "1.jpg")).batch_id == "street-00002"


def test_a_new_content_takes_the_place_of_one_that_was_not_uploaded(bench: Bench) -> None:
    bench.put("1.jpg")
    bench.put("2.jpg", picture(2))
    landed(bench)
    bench.put("1.jpg", picture(7))
    landed(bench)
    ingest(bench)
    ingest(bench, "street-00002")
    assert "overwritten before its upload" in bench.line().set_aside[address(bench, "1.jpg")]
    assert bench.line("street-00002").jobs[0].frames == (0, 0)


def test_a_file_deleted_before_its_upload_is_set_aside_and_lands_again_when_it_is_put_again(bench: Bench) -> None:
    bench.put("1.jpg")
    bench.put("2.jpg", picture(2))
    landed(bench)
    forget(bench, "1.jpg")
    ingest(bench)
    assert bench.line().set_aside == {address(bench, "1.jpg"): "deleted before its upload"}
    bench.put("1.jpg")
    landed(bench)
    ingest(bench, "street-00002")
    assert bench.line("street-00002").state == "assigned"


@pytest.mark.parametrize(("policy", "kept"), [("keep", ["in/1.jpg", "in/2.jpg"]), ("drop", ["in/2.jpg"])])
def test_a_file_deleted_after_its_upload_counts_as_the_dataset_says(bench: Bench, policy: str, kept: list[str]) -> None:
    bench.apply(deletions=policy)
    bench.put("1.jpg")
    bench.put("2.jpg", picture(2))
    landed(bench)
    done(bench)
    forget(bench, "1.jpg")
    if policy == "drop":
        export(bench)
    assert exported_keys(bench) == kept


def test_a_cvat_that_is_away_is_left_alone_and_one_run_tries_for_all(bench: Bench) -> None:
    for i in range(6):
        bench.put(f"{i}.jpg", picture(i))
        landed(bench)
    bench.sandbox.faults.set([{"on": "* /*", "status": 503}])
    for i in range(1, breakers.PATIENCE + 1):
        with pytest.raises(CvatBusy):
            ingest(bench, f"street-0000{i}")
    with pytest.raises(LeaseTaken, match="CVAT default failed 3 times, next try at"):
        ingest(bench, "street-00004")
    assert bench.line("street-00004").error is None
    with bench.context.ledger.read_only() as tx:
        assert [row.server for row in breakers.troubled(tx)] == ["default"]
        assert outbox.unsent(tx) == []
        assert batches.unclaimed(tx, quiet=timedelta(0)) == []
    bench.sandbox.faults.clear()
    with bench.context.ledger.transaction() as tx:
        breakers.troubled(tx)[0].open_until = tx.now
    ingest(bench, "street-00004")
    with bench.context.ledger.read_only() as tx:
        assert breakers.troubled(tx) == []
    ingest(bench, "street-00005")


def test_looks_at_the_jobs_count_too_and_one_probe_after_the_wait_finds_out_that_the_server_is_back(
    bench: Bench,
) -> None:
    bench.put("1.jpg", picture(1))
    landed(bench)
    ingest(bench, "street-00001")
    bench.sandbox.faults.set([{"on": "* /*", "status": 503}])
    for _ in range(breakers.PATIENCE):
        assert "street-00001" in (collect(bench.context).failed or {})
    assert not collect(bench.context).failed
    assert "503" in probe(bench.context)["default"]
    for back in (False, True):
        if back:
            bench.sandbox.faults.clear()
        with bench.context.ledger.transaction() as tx:
            breakers.troubled(tx)[0].open_until = tx.now
        assert bool(probe(bench.context)) is not back
    with bench.context.ledger.read_only() as tx:
        assert breakers.troubled(tx) == []


def test_a_failure_of_one_batch_does_not_count_against_the_server(bench: Bench) -> None:
    bench.sandbox.faults.set([{"on": "worker creation", "fail": "OSError: broken"}])
    for i in range(1, 5):
        bench.put(f"{i}.jpg", picture(i))
        landed(bench)
        with pytest.raises(LabelyardError, match="could not make frames"):
            ingest(bench, f"street-0000{i}")
    with bench.context.ledger.read_only() as tx:
        assert breakers.troubled(tx) == []
        assert {b.state for b in batches.in_states(tx, ["failed"])} == {"failed"}  # type: ignore[list-item]


def test_a_look_names_the_batches_of_which_anything_is_new(bench: Bench) -> None:
    bench.put("1.jpg", picture(1))
    landed(bench)
    ingest(bench)
    cvat = bench.context.cvat("default")
    [job] = cvat.jobs(bench.line().task_id or 0)
    bob = next(user.id for user in cvat.users() if user.username == "bob")
    assert collect(bench.context).changed == ()
    cvat.assign(job.id, bob)
    assert collect(bench.context).changed == ("street-00001",)
    assert collect(bench.context).changed == ()
    cvat.set_job_status(job.id, JobStatus.COMPLETED)
    assert collect(bench.context).changed == ("street-00001",)


def test_nothing_more_lands_in_a_retired_dataset_and_what_landed_goes_on(bench: Bench) -> None:
    bench.put("1.jpg", picture(1))
    landed(bench)
    manual.retire(bench.context, "street")
    bench.put("2.jpg", picture(2))
    assert sweep_sources(bench.context).registered == {}
    ingest(bench)
    assert bench.line().state == "assigned"
    bench.apply()
    assert sweep_sources(bench.context).registered["street"].new == 1
    with pytest.raises(NotFound, match="no dataset 'none'"):
        manual.retire(bench.context, "none")
