"""What a bucket tells of deletions: believed only after a look at the store, and then as the dataset says."""

from __future__ import annotations

import pytest
from step_bench import Bench, draw_and_complete, export, ingest, picture

from labelyard.errors import StoreUnreachable
from labelyard.events import EventObject
from labelyard.ledger import history, objects
from labelyard.ledger.tables import Object
from labelyard.model import StoredObject
from labelyard.plan.lifecycle import BatchState
from labelyard.steps import by_hand
from labelyard.steps.closing import close_now
from labelyard.steps.collecting import collect
from labelyard.steps.landing import gone, land, sweep


def told(
    bench: Bench, *keys: str, version: str | None = None, event: str = "ObjectRemoved:Delete"
) -> list[EventObject]:
    return [EventObject(StoredObject(bench.bucket, key, "", version_id=version), event, "aws:s3") for key in keys]


def rows(bench: Bench, key: str) -> list[Object]:
    with bench.place.ledger.read() as session:
        return list(objects.named(session, bench.bucket, key))


def put_again(bench: Bench, key: str) -> None:
    bench.put(key.removeprefix("in/"))
    land(bench.place, told(bench, key, event="ObjectCreated:Put"), "sqs")


def test_what_is_deleted_before_its_upload_is_set_aside_with_its_reason(bench: Bench) -> None:
    keys = [bench.put("1.jpg"), bench.put("22.jpg")]
    sweep(bench.place)
    bench.s3.delete_object(Bucket=bench.bucket, Key=keys[0])
    assert gone(bench.place, told(bench, *keys), "sqs") == 1
    assert [row.refused for key in keys for row in rows(bench, key)] == ["deleted before its upload", None]
    assert gone(bench.place, told(bench, *keys), "sqs") == 0


def test_an_old_notification_of_a_key_that_is_back_changes_nothing(bench: Bench) -> None:
    key = bench.put("1.jpg")
    sweep(bench.place)
    assert gone(bench.place, told(bench, key), "sqs") == 0
    (row,) = rows(bench, key)
    assert (row.gone_at, row.refused) == (None, None)


def test_what_is_deleted_and_put_again_lands_again(bench: Bench) -> None:
    key = bench.put("1.jpg")
    sweep(bench.place)
    bench.s3.delete_object(Bucket=bench.bucket, Key=key)
    gone(bench.place, told(bench, key), "sqs")
    put_again(bench, key)
    (row,) = rows(bench, key)
    assert (row.gone_at, row.refused, row.batch_id) == (None, None, "street-00001")


def test_a_key_that_nobody_takes_or_that_never_landed_is_not_looked_at(bench: Bench) -> None:
    bench.s3.delete_bucket(Bucket=bench.bucket)  # so a look would fail
    assert gone(bench.place, told(bench, "elsewhere/1.jpg", "in/never.jpg"), "sqs") == 0


def test_a_deleted_version_is_no_deletion_of_the_key_and_a_delete_marker_is(bench: Bench) -> None:
    bench.s3.put_bucket_versioning(Bucket=bench.bucket, VersioningConfiguration={"Status": "Enabled"})
    key = bench.put("1.jpg")
    old = bench.s3.head_object(Bucket=bench.bucket, Key=key)["VersionId"]
    bench.put("1.jpg", picture(7))
    sweep(bench.place)
    bench.s3.delete_object(Bucket=bench.bucket, Key=key, VersionId=old)
    assert gone(bench.place, told(bench, key, version=old), "sqs") == 0
    bench.s3.delete_object(Bucket=bench.bucket, Key=key)
    assert gone(bench.place, told(bench, key, event="ObjectRemoved:DeleteMarkerCreated"), "sqs") == 1


def test_every_dataset_that_takes_the_key_is_told(bench: Bench) -> None:
    bench.apply(name="lane", export={"prefix": "lane-out"})
    key = bench.put("1.jpg")
    sweep(bench.place)
    bench.s3.delete_object(Bucket=bench.bucket, Key=key)
    assert gone(bench.place, told(bench, key), "sqs") == 2
    assert {row.dataset for row in rows(bench, key) if row.gone_at is not None} == {"lane", "street"}


def test_what_a_person_set_aside_stays_so_when_it_is_deleted_and_put_again(bench: Bench) -> None:
    key = bench.put("1.jpg")
    bench.put("22.jpg")
    sweep(bench.place)
    by_hand.set_aside(bench.place, f"s3://{bench.bucket}/{key}", "blurred")
    bench.s3.delete_object(Bucket=bench.bucket, Key=key)
    assert gone(bench.place, told(bench, key), "sqs") == 1
    put_again(bench, key)
    (row,) = rows(bench, key)
    assert row.refused == "by hand: blurred"


def test_where_deletions_drop_what_is_put_again_is_in_the_next_export(bench: Bench) -> None:
    bench.apply(deletions="drop")
    keys = [bench.put("1.jpg"), bench.put("22.jpg")]
    sweep(bench.place)
    close_now(bench.place, "street")
    ingest(bench)
    draw_and_complete(bench)
    collect(bench.place)
    assert export(bench).images == 2
    bench.s3.delete_object(Bucket=bench.bucket, Key=keys[0])
    gone(bench.place, told(bench, keys[0]), "sqs")
    assert export(bench).images == 1
    put_again(bench, keys[0])
    assert export(bench).images == 2


@pytest.mark.parametrize(("policy", "state"), [("keep", BatchState.EXPORTED), ("drop", BatchState.COMPLETED)])
def test_after_its_export_a_deletion_means_what_the_dataset_says(bench: Bench, policy: str, state: BatchState) -> None:
    bench.apply(deletions=policy)
    keys = [bench.put("1.jpg"), bench.put("22.jpg")]
    sweep(bench.place)
    close_now(bench.place, "street")
    ingest(bench)
    draw_and_complete(bench)
    collect(bench.place)
    export(bench)
    bench.s3.delete_object(Bucket=bench.bucket, Key=keys[0])
    gone(bench.place, told(bench, keys[0]), "sqs")
    assert bench.line().state is state
    with bench.place.ledger.read() as session:
        (row,) = objects.named(session, bench.bucket, keys[0])
        assert f"deletions: {policy}" in next(e.reason for e in history.of_object(session, row) if e.what == "deleted")


def test_a_marker_that_is_deleted_and_put_again_closes_again(bench: Bench) -> None:
    bench.apply(batch={"marker": "_SUCCESS"})
    for n in range(2):
        bench.put(f"{n}.jpg")
        sweep(bench.place)
        bench.s3.put_object(Bucket=bench.bucket, Key="in/_SUCCESS", Body=b"")
        land(bench.place, told(bench, "in/_SUCCESS", event="ObjectCreated:Put"), "sqs")
        assert bench.line(f"street-0000{n + 1}").state is BatchState.CLOSED
        bench.s3.delete_object(Bucket=bench.bucket, Key="in/_SUCCESS")
        assert gone(bench.place, told(bench, "in/_SUCCESS"), "sqs") == 1


def test_while_the_store_is_away_nothing_is_noted(bench: Bench) -> None:
    key = bench.put("1.jpg")
    sweep(bench.place)
    at = bench.place.settings.store.model_copy(update={"endpoint_url": "http://127.0.0.1:1"})
    bench.place.store = type(bench.place.store)(at)
    with pytest.raises(StoreUnreachable):
        gone(bench.place, told(bench, key), "sqs")
    assert rows(bench, key)[0].gone_at is None
