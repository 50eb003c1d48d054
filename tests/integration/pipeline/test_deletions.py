"""What a bucket tells of deletions: believed only after a look at the store, and then as the dataset says."""

from __future__ import annotations

import pytest

from labelyard.domain.objects import StoredObject
from labelyard.domain.states import BatchState
from labelyard.errors import StoreUnreachable
from labelyard.ledger import history, objects
from labelyard.ledger.tables import Object
from labelyard.operations import manual
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.register_objects import register_deletions, register_objects, sweep_sources
from labelyard.sources.notifications import NotifiedObject
from tests.support.bench import Bench, draw_and_complete, export, ingest, picture


def told(
    bench: Bench, *keys: str, version: str | None = None, event: str = "ObjectRemoved:Delete"
) -> list[NotifiedObject]:
    return [NotifiedObject(StoredObject(bench.bucket, key, "", version_id=version), event, "aws:s3") for key in keys]


def rows(bench: Bench, key: str) -> list[Object]:
    with bench.context.ledger.read_only() as tx:
        return list(objects.of_key(tx, bench.bucket, key))


def put_again(bench: Bench, key: str) -> None:
    bench.put(key.removeprefix("in/"))
    register_objects(bench.context, told(bench, key, event="ObjectCreated:Put"), "sqs")


def test_what_is_deleted_before_its_upload_is_set_aside_with_its_reason(bench: Bench) -> None:
    keys = [bench.put("1.jpg"), bench.put("22.jpg")]
    sweep_sources(bench.context)
    bench.s3.delete_object(Bucket=bench.bucket, Key=keys[0])
    assert register_deletions(bench.context, told(bench, *keys), "sqs") == 1
    assert [row.quarantine_reason for key in keys for row in rows(bench, key)] == ["deleted before its upload", None]
    assert register_deletions(bench.context, told(bench, *keys), "sqs") == 0


def test_an_old_notification_of_a_key_that_is_back_changes_nothing(bench: Bench) -> None:
    key = bench.put("1.jpg")
    sweep_sources(bench.context)
    assert register_deletions(bench.context, told(bench, key), "sqs") == 0
    (row,) = rows(bench, key)
    assert (row.deleted_at, row.quarantine_reason) == (None, None)


def test_what_is_deleted_and_put_again_lands_again(bench: Bench) -> None:
    key = bench.put("1.jpg")
    sweep_sources(bench.context)
    bench.s3.delete_object(Bucket=bench.bucket, Key=key)
    register_deletions(bench.context, told(bench, key), "sqs")
    put_again(bench, key)
    (row,) = rows(bench, key)
    assert (row.deleted_at, row.quarantine_reason, row.batch_id) == (None, None, "street-00001")


def test_a_key_that_nobody_takes_or_that_never_landed_is_not_looked_at(bench: Bench) -> None:
    bench.s3.delete_bucket(Bucket=bench.bucket)  # so a look would fail
    assert register_deletions(bench.context, told(bench, "elsewhere/1.jpg", "in/never.jpg"), "sqs") == 0


def test_a_deleted_version_is_no_deletion_of_the_key_and_a_delete_marker_is(bench: Bench) -> None:
    bench.s3.put_bucket_versioning(Bucket=bench.bucket, VersioningConfiguration={"Status": "Enabled"})
    key = bench.put("1.jpg")
    old = bench.s3.head_object(Bucket=bench.bucket, Key=key)["VersionId"]
    bench.put("1.jpg", picture(7))
    sweep_sources(bench.context)
    bench.s3.delete_object(Bucket=bench.bucket, Key=key, VersionId=old)
    assert register_deletions(bench.context, told(bench, key, version=old), "sqs") == 0
    bench.s3.delete_object(Bucket=bench.bucket, Key=key)
    assert register_deletions(bench.context, told(bench, key, event="ObjectRemoved:DeleteMarkerCreated"), "sqs") == 1


def test_every_dataset_that_takes_the_key_is_told(bench: Bench) -> None:
    bench.apply(name="lane", export={"prefix": "lane-out"})
    key = bench.put("1.jpg")
    sweep_sources(bench.context)
    bench.s3.delete_object(Bucket=bench.bucket, Key=key)
    assert register_deletions(bench.context, told(bench, key), "sqs") == 2
    assert {row.dataset for row in rows(bench, key) if row.deleted_at is not None} == {"lane", "street"}


def test_what_a_person_set_aside_stays_so_when_it_is_deleted_and_put_again(bench: Bench) -> None:
    key = bench.put("1.jpg")
    bench.put("22.jpg")
    sweep_sources(bench.context)
    manual.quarantine(bench.context, f"s3://{bench.bucket}/{key}", "blurred")
    bench.s3.delete_object(Bucket=bench.bucket, Key=key)
    assert register_deletions(bench.context, told(bench, key), "sqs") == 1
    put_again(bench, key)
    (row,) = rows(bench, key)
    assert row.quarantine_reason == "by hand: blurred"


def test_where_deletions_drop_what_is_put_again_is_in_the_next_export(bench: Bench) -> None:
    bench.apply(deletions="drop")
    keys = [bench.put("1.jpg"), bench.put("22.jpg")]
    sweep_sources(bench.context)
    close_now(bench.context, "street")
    ingest(bench)
    draw_and_complete(bench)
    collect(bench.context)
    assert export(bench).images == 2
    bench.s3.delete_object(Bucket=bench.bucket, Key=keys[0])
    register_deletions(bench.context, told(bench, keys[0]), "sqs")
    assert export(bench).images == 1
    put_again(bench, keys[0])
    assert export(bench).images == 2


@pytest.mark.parametrize(("policy", "state"), [("keep", BatchState.EXPORTED), ("drop", BatchState.COMPLETED)])
def test_after_its_export_a_deletion_means_what_the_dataset_says(bench: Bench, policy: str, state: BatchState) -> None:
    bench.apply(deletions=policy)
    keys = [bench.put("1.jpg"), bench.put("22.jpg")]
    sweep_sources(bench.context)
    close_now(bench.context, "street")
    ingest(bench)
    draw_and_complete(bench)
    collect(bench.context)
    export(bench)
    bench.s3.delete_object(Bucket=bench.bucket, Key=keys[0])
    register_deletions(bench.context, told(bench, keys[0]), "sqs")
    assert bench.line().state is state
    with bench.context.ledger.read_only() as tx:
        (row,) = objects.of_key(tx, bench.bucket, keys[0])
        assert f"deletions: {policy}" in next(e.reason for e in history.of_object(tx, row) if e.what == "deleted")


def test_a_marker_that_is_deleted_and_put_again_closes_again(bench: Bench) -> None:
    bench.apply(batch={"marker": "_SUCCESS"})
    for n in range(2):
        bench.put(f"{n}.jpg")
        sweep_sources(bench.context)
        bench.s3.put_object(Bucket=bench.bucket, Key="in/_SUCCESS", Body=b"")
        register_objects(bench.context, told(bench, "in/_SUCCESS", event="ObjectCreated:Put"), "sqs")
        assert bench.line(f"street-0000{n + 1}").state is BatchState.CLOSED
        bench.s3.delete_object(Bucket=bench.bucket, Key="in/_SUCCESS")
        assert register_deletions(bench.context, told(bench, "in/_SUCCESS"), "sqs") == 1


def test_while_the_store_is_away_nothing_is_noted(bench: Bench) -> None:
    key = bench.put("1.jpg")
    sweep_sources(bench.context)
    at = bench.context.settings.store.model_copy(update={"endpoint_url": "http://127.0.0.1:1"})
    bench.context.store = type(bench.context.store)(at)
    with pytest.raises(StoreUnreachable):
        register_deletions(bench.context, told(bench, key), "sqs")
    assert rows(bench, key)[0].deleted_at is None
