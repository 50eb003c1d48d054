"""`labelyard why`: an absent image is explained in every situation, with the next command."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from labelyard.cli import labelyard
from labelyard.domain.states import BatchState
from labelyard.errors import NotFound, SettingsError
from labelyard.ledger import breakers, objects
from labelyard.operations import manual
from labelyard.operations.explain import explain
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.register_objects import sweep_sources
from tests.support.bench import Bench, draw_and_complete, export, ingest, picture


def address(bench: Bench, key: str = "1.jpg") -> str:
    return f"s3://{bench.bucket}/in/{key}"


def closed(bench: Bench, *keys: str) -> None:
    for key in keys:
        bench.put(key)
    sweep_sources(bench.context)
    close_now(bench.context, "street")


def now(bench: Bench, key: str = "1.jpg") -> str:
    (story,) = explain(bench.context, address(bench, key))
    return "\n".join(story.now)


@pytest.mark.parametrize(
    ("key", "reason", "next_step"),
    [
        ("in/notes.txt", "fits no include glob", "labelyard backfill"),
        ("in/day1/", "a folder marker", "labelyard backfill"),
        ("elsewhere/1.jpg", "outside s3://", "labelyard backfill"),
        ("in/1.jpg", "there is no such object", "put it"),
        ("in/there.jpg", "no notification of it has come", "labelyard backfill street"),
    ],
)
def test_what_never_landed(bench: Bench, key: str, reason: str, next_step: str) -> None:
    bench.put("there.jpg")
    with pytest.raises(NotFound, match=reason) as caught:
        explain(bench.context, f"s3://{bench.bucket}/{key}")
    assert next_step in caught.value.next_step


def test_an_open_batch_tells_when_it_closes(bench: Bench) -> None:
    bench.put("1.jpg")
    sweep_sources(bench.context)
    assert "street-00001 is open\nit holds 1 of 100 objects and closes at" in now(bench)
    assert "next: labelyard close street" in now(bench)


def test_a_batch_that_waits_tells_what_for(bench: Bench) -> None:
    closed(bench, "1.jpg")
    assert now(bench) == "street-00001 is closed"
    manual.pause(bench.context, "street", "moving house")
    assert "street is paused: moving house\n  next: labelyard resume street" in now(bench)
    manual.resume(bench.context, "street")
    with bench.context.ledger.transaction() as tx:
        for _ in range(breakers.FAILURES_TO_OPEN):
            breakers.record_failure(tx, "default", "gone fishing")
    assert "CVAT default keeps failing and gets no work for now" in now(bench)


def test_a_batch_that_failed_tells_why_and_the_next_command(bench: Bench) -> None:
    bench.apply(annotators=["nobody-here"])
    closed(bench, "1.jpg")
    with pytest.raises(SettingsError, match="nobody-here"):
        ingest(bench)
    told = now(bench)
    assert "default has none of the annotators nobody-here" in told
    assert "tried again after" in told
    assert "next: " in told


def test_who_has_it_and_where_it_was_exported(bench: Bench) -> None:
    closed(bench, "1.jpg")
    ingest(bench)
    assert f"street-00001 is assigned: {bench.line().task_url}, 0/1 done: ann" in now(bench)
    draw_and_complete(bench)
    collect(bench.context)
    url = export(bench).url
    assert f"1/1 done: ann, {url}" in now(bench)


def test_what_was_set_aside_is_put_again_or_restored(bench: Bench) -> None:
    bench.put("bad.jpg", b"no image")
    closed(bench, "1.jpg", "2.jpg")
    ingest(bench)
    assert "set aside: no image: 8 bytes" in now(bench, "bad.jpg")
    assert "next: put the right file" in now(bench, "bad.jpg")
    with bench.context.ledger.transaction() as tx:
        objects.quarantine(tx, objects.of_key(tx, bench.bucket, "in/2.jpg")[0], "archived: cold")
    assert f"bring it back from the archive, then: labelyard restore {address(bench, '2.jpg')}" in now(bench, "2.jpg")
    manual.quarantine(bench.context, address(bench), "blurred")
    assert f"set aside: by hand: blurred\n  next: labelyard restore {address(bench)}" in now(bench)


def test_what_was_deleted_or_given_up(bench: Bench) -> None:
    closed(bench, "1.jpg", "2.jpg")
    bench.s3.delete_object(Bucket=bench.bucket, Key="in/1.jpg")
    with bench.context.ledger.transaction() as tx:
        objects.mark_deleted(tx, bench.spec, bench.bucket, "in/1.jpg")
    assert "deleted or overwritten in the bucket at" in now(bench)
    manual.cancel(bench.context, "street-00001", "a trial")
    assert "street-00001 is cancelled" in now(bench, "2.jpg")
    assert "labelyard restore s3://" in now(bench, "2.jpg")


def test_each_content_of_a_key_has_its_own_story(bench: Bench) -> None:
    closed(bench, "1.jpg")
    bench.put("1.jpg", picture(7))
    sweep_sources(bench.context)
    old, new = explain(bench.context, address(bench))
    assert "set aside: overwritten before its upload, by" in old.now[-1]
    assert "next:" not in old.now[-1]  # the new content stands below it
    assert "street-00002 is open" in "\n".join(new.now)


def test_the_command_prints_it_and_its_json(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    closed(bench, "1.jpg")
    settings = bench.context.settings
    monkeypatch.setenv("LABELYARD_LEDGER", settings.ledger)
    told = CliRunner().invoke(labelyard, ["why", address(bench)])
    assert told.exit_code == 0, told.output
    assert told.output.endswith("now: street-00001 is closed\n")
    (story,) = json.loads(CliRunner().invoke(labelyard, ["why", "street-00001", "--json"]).output)
    assert story["about"] == f"street-00001: {BatchState.CLOSED}"
    assert [entry["what"] for entry in story["history"]] == ["closed"]
    assert story["now"] == ["street-00001 is closed"]
