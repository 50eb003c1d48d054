"""Bad input stops only itself, says why where the lead looks, and loses nothing."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from labelyard.domain.objects import StoredObject
from labelyard.errors import CreationFailed, CvatUnauthorized, SettingsError, StoreError, StoreUnreachable
from labelyard.ledger import batches, history, objects
from labelyard.pipeline.close_batches import close_due, close_now
from labelyard.pipeline.register_objects import register_listed, register_objects, sweep_sources
from labelyard.pipeline.upload_data import NothingToLabel
from labelyard.settings import StoreSettings
from labelyard.sources.notifications import NotifiedObject
from labelyard.storage import Store
from tests.support.bench import Bench, ingest, picture

ODD_KEYS = [
    "dir/sub dir/a b+c.jpg",
    "100% sure.jpg",
    "ünï/cödé.jpg",
    "quote'\".jpg",
    "tilde~amp&.jpg",
    "a//b.jpg",
    "dots/..jpg",
    "nbsp\u00a0.jpg",
    "emoji-🦊.jpg",
    "UPPER.JPG",
    "two.dots.in.name.jpeg",
    "no/../up.jpg",
    "[brackets]{}^`.jpg",
    "semi;colon=.jpg",
]


def landed(bench: Bench) -> None:
    sweep_sources(bench.context)
    close_now(bench.context, "street")


def told(bench: Bench, key: str) -> list[str]:
    with bench.context.ledger.read_only() as tx:
        [obj] = objects.of_key(tx, bench.bucket, key)
        return [f"{entry.what}: {entry.reason}" for entry in history.of_object(tx, obj)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"this is not a jpeg", "no image"), (b"", "empty"), (picture(1, (640, 480))[:2000], "truncated")],
    ids=["no image", "empty", "truncated"],
)
def test_a_bad_file_is_set_aside_with_its_reason_and_the_rest_goes_on(bench: Bench, body: bytes, reason: str) -> None:
    bench.put("good.jpg")
    bad = bench.put("bad.jpg", body)
    landed(bench)
    ingest(bench)
    line = bench.line()
    assert line.state == "assigned"
    assert line.jobs[0].frames == (0, 0)
    assert list(line.set_aside) == [f"s3://{bench.bucket}/{bad}"]
    assert reason in line.set_aside[f"s3://{bench.bucket}/{bad}"]
    assert any(entry.startswith("set aside:") for entry in told(bench, bad))


def test_an_image_deleted_before_the_upload_is_set_aside(bench: Bench) -> None:
    bench.put("good.jpg")
    gone = bench.put("gone.jpg")
    landed(bench)
    bench.s3.delete_object(Bucket=bench.bucket, Key=gone)
    ingest(bench)
    assert "deleted" in bench.line().set_aside[f"s3://{bench.bucket}/{gone}"]
    assert bench.line().state == "assigned"


def test_an_image_overwritten_before_the_upload_is_labelled_in_its_new_content(bench: Bench) -> None:
    bench.put("good.jpg")
    key = bench.put("again.jpg", picture(1))
    landed(bench)
    bench.put("again.jpg", picture(2))
    ingest(bench)
    assert "another content" in bench.line().set_aside[f"s3://{bench.bucket}/{key}"]
    landed(bench)
    ingest(bench, "street-00002")
    assert bench.line("street-00002").state == "assigned"


def test_a_batch_without_a_single_image_is_set_aside_and_leaves_no_task(bench: Bench) -> None:
    bench.put("bad.jpg", b"nothing")
    landed(bench)
    with pytest.raises(NothingToLabel, match=r"all 1 objects were set aside, such as s3://.*bad\.jpg: no image"):
        ingest(bench)
    assert bench.line().state == "quarantined"
    assert bench.tasks_on_server() == 0
    with bench.context.ledger.read_only() as tx:
        *_, given_up, aside = history.of_batch(tx, "street-00001")
    assert (given_up.what, given_up.reason.partition(": ")[2]) == ("abandoned", "no usable image")
    assert (aside.what, aside.reason) == ("quarantined", "no usable image in it")


def test_keys_with_every_odd_character_become_frames_and_keep_their_names_in_the_ledger(bench: Bench) -> None:
    keys = [bench.put(key, picture(i)) for i, key in enumerate(ODD_KEYS)]
    landed(bench)
    ingest(bench)
    line = bench.line()
    assert (line.state, line.objects, line.set_aside) == ("assigned", len(keys), {})
    frames = {frame.name for frame in bench.context.cvat("default").frames(line.task_id or 0)}
    with bench.context.ledger.read_only() as tx:
        names = {m.key: m.upload_name for m in batches.members(tx, line.id)}
    assert set(names) == set(keys)
    assert set(names.values()) == frames


def test_an_image_without_a_suffix_is_given_one(bench: Bench) -> None:
    bench.apply(sources=[{"bucket": bench.bucket, "prefix": "in/", "include": ["*"]}])
    bench.put("scan0001", picture(1, kind="PNG"))
    landed(bench)
    ingest(bench)
    [frame] = bench.context.cvat("default").frames(bench.line().task_id or 0)
    assert frame.name.endswith(".png")


def test_a_wrong_password_is_told_and_waited_out(bench: Bench) -> None:
    bench.put("1.jpg")
    landed(bench)
    right = bench.context.settings.cvat["default"]
    bench.context.settings.cvat["default"] = right.model_copy(update={"password": SecretStr("wrong")})
    with pytest.raises(CvatUnauthorized) as caught:
        ingest(bench)
    assert "wrong" not in str(caught.value).replace("wrong password", "")
    assert bench.line().not_before is not None
    bench.context.settings.cvat["default"] = right
    with bench.context.ledger.transaction() as tx:
        batches.retry(tx, batches.get(tx, "street-00001"))
    ingest(bench)
    assert bench.line().state == "assigned"


def test_an_annotator_who_does_not_exist_gets_no_job_and_is_named_and_the_others_go_on(bench: Bench) -> None:
    bench.apply(annotators=["ann", "nobody-here"], task={"segment_size": 1})
    bench.put("1.jpg")
    bench.put("2.jpg", picture(9))
    landed(bench)
    ingest(bench)
    line = bench.line()
    assert {job.assignee for job in line.jobs} == {"ann"}
    assert "nobody-here" in (line.warning or "")


def test_when_no_annotator_exists_the_batch_waits_with_the_command_that_mends_it(bench: Bench) -> None:
    bench.apply(annotators=["nobody-here"])
    bench.put("1.jpg")
    landed(bench)
    with pytest.raises(SettingsError, match="none of the annotators nobody-here"):
        ingest(bench)
    assert "labelyard apply" in (bench.line().next_step or "")
    assert bench.line().state == "ready"


def test_data_that_cvat_cannot_take_fails_with_its_words_and_retries_clean(bench: Bench) -> None:
    bench.put("1.jpg")
    landed(bench)
    bench.sandbox.faults.set([{"on": "worker creation", "fail": "OSError: image file is truncated", "times": 1}])
    with pytest.raises(CreationFailed, match="image file is truncated"):
        ingest(bench)
    line = bench.line()
    assert line.state == "failed"
    assert "labelyard retry street-00001" in (line.next_step or "")
    assert bench.tasks_on_server() == 0
    with bench.context.ledger.transaction() as tx:
        batches.retry(tx, batches.get(tx, "street-00001"))
    ingest(bench)
    assert (bench.line().state, bench.tasks_on_server()) == ("assigned", 1)


def test_a_store_that_is_away_loses_nothing(bench: Bench) -> None:
    bench.put("1.jpg")
    landed(bench)
    nowhere = StoreSettings(
        endpoint_url="http://127.0.0.1:1", region="x", access_key_id="x", secret_access_key=SecretStr("x")
    )
    store, bench.context.store = bench.context.store, Store(nowhere)
    with pytest.raises(StoreUnreachable):
        ingest(bench)
    assert "street: s3://" in sweep_sources(bench.context).failed[0]
    assert bench.line().not_before is not None
    bench.context.store = store
    with bench.context.ledger.transaction() as tx:
        batches.retry(tx, batches.get(tx, "street-00001"))
    ingest(bench)
    assert bench.line().state == "assigned"


def test_what_the_store_refuses_is_waited_out_and_not_failed_batch_by_batch(bench: Bench) -> None:
    key = bench.put("1.jpg")
    landed(bench)
    bench.s3.delete_object(Bucket=bench.bucket, Key=key)
    bench.s3.delete_bucket(Bucket=bench.bucket)
    with pytest.raises(StoreError, match="NoSuchBucket"):
        ingest(bench)
    line = bench.line()
    assert (line.state, line.not_before is not None) == ("created", True)
    assert "create the bucket" in (line.next_step or "")


def test_files_of_nobody_and_exports_do_not_land(bench: Bench) -> None:
    bench.s3.put_object(Bucket=bench.bucket, Key="out/coco.json", Body=b"{}")
    bench.s3.put_object(Bucket=bench.bucket, Key="elsewhere/1.jpg", Body=picture())
    bench.put("notes.txt", b"text")
    bench.put("folder/", b"")
    assert sweep_sources(bench.context).registered["street"].new == 0
    assert register_objects(bench.context, [], "event").new == 0


def test_a_marker_waits_for_the_files_it_overtook(bench: Bench) -> None:
    bench.apply(batch={"quiet": None, "max_age": None, "marker": "_SUCCESS"})
    for i in range(3):
        bench.put(f"day1/{i}.jpg", picture(i))
    marker = bench.put("day1/_SUCCESS", b"")
    event = NotifiedObject(StoredObject(bench.bucket, marker, ""), "ObjectCreated:Put", "aws:s3")
    register_objects(bench.context, [event], "event")
    assert (bench.line().state, bench.line().objects) == ("closed", 3)
    register_objects(bench.context, [event], "event")
    sweep_sources(bench.context)
    assert close_due(bench.context) is None
    assert (bench.line().state, bench.line().objects) == ("closed", 3)


def test_a_marker_waits_for_its_whole_folder_however_large_and_closes_before_the_next(bench: Bench) -> None:
    bench.apply(batch={"max_objects": 5000, "quiet": None, "max_age": None, "marker": "_SUCCESS"})
    keys = [
        "in/day1/_SUCCESS",
        *(f"in/day1/{i:04d}.jpg" for i in range(1500)),
        *(f"in/day2/{i}.jpg" for i in range(999)),
    ]
    listed = [StoredObject(bench.bucket, key, "e", 10) for key in keys]
    assert sum(landed.new for landed in register_listed(bench.context, [bench.spec], listed, "sweep")) == 2499
    assert bench.line().state == "closed"
    assert bench.line().objects >= 1500
