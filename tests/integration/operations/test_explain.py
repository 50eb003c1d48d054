"""`labelyard why`: an object or a batch is explained in every situation, with the next command."""

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
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.register_objects import sweep_sources
from tests.support.pictures import picture
from tests.support.workspace import Workspace, draw_and_complete, export, ingest


def close_batch(workspace: Workspace, *keys: str) -> None:
    for key in keys:
        workspace.put(key)
    workspace.close_batch()


def now(workspace: Workspace, key: str = "1.jpg") -> str:
    (one,) = explain(workspace.context, workspace.url(key))
    return "\n".join(one.now)


@pytest.mark.parametrize(
    ("key", "reason", "next_step"),
    [
        ("in/notes.txt", "matches no include glob", "labelyard backfill"),
        ("in/day1/", "a folder marker", "labelyard backfill"),
        ("elsewhere/1.jpg", "outside s3://", "labelyard backfill"),
        ("in/1.jpg", "there is no such object", "put it"),
        ("in/there.jpg", "no notification of it has come", "labelyard backfill street"),
    ],
)
def test_an_object_that_was_never_registered_is_explained_with_the_next_command(
    workspace: Workspace, key: str, reason: str, next_step: str
) -> None:
    workspace.put("there.jpg")
    with pytest.raises(NotFound, match=reason) as caught:
        explain(workspace.context, f"s3://{workspace.bucket}/{key}")
    assert next_step in caught.value.next_step


def test_an_open_batch_says_when_it_closes(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    sweep_sources(workspace.context)
    assert "street-00001 is open\nit has 1 of 100 objects and closes at" in now(workspace)
    assert "next: labelyard close street" in now(workspace)


def test_a_waiting_batch_says_what_it_waits_for(workspace: Workspace) -> None:
    close_batch(workspace, "1.jpg")
    assert now(workspace) == "street-00001 is closed"
    manual.pause(workspace.context, "street", "moving house")
    assert "street is paused: moving house\n  next: labelyard resume street" in now(workspace)
    manual.resume(workspace.context, "street")
    with workspace.context.ledger.transaction() as tx:
        for _ in range(breakers.FAILURES_TO_OPEN):
            breakers.record_failure(tx, "default", "no answer")
    assert "CVAT default keeps failing and gets no work for now" in now(workspace)


def test_a_failed_batch_says_why_with_the_next_command(workspace: Workspace) -> None:
    workspace.apply(annotators=["nobody-here"])
    close_batch(workspace, "1.jpg")
    with pytest.raises(SettingsError, match="nobody-here"):
        ingest(workspace)
    explanation = now(workspace)
    assert "default has none of the annotators nobody-here" in explanation
    assert "tried again at" in explanation
    assert "next: " in explanation


def test_a_batch_names_its_assignees_and_its_export(workspace: Workspace) -> None:
    close_batch(workspace, "1.jpg")
    ingest(workspace)
    assert f"street-00001 is assigned: {workspace.line().task_url}, 0/1 done: ann" in now(workspace)
    draw_and_complete(workspace)
    collect(workspace.context)
    url = export(workspace).url
    assert f"1/1 done: ann, {url}" in now(workspace)


def test_a_quarantined_object_names_the_command_that_restores_it(workspace: Workspace) -> None:
    workspace.put("bad.jpg", b"no image")
    close_batch(workspace, "1.jpg", "2.jpg")
    ingest(workspace)
    assert "quarantined: no image: 8 bytes" in now(workspace, "bad.jpg")
    assert "next: upload a good file under the same key" in now(workspace, "bad.jpg")
    with workspace.context.ledger.transaction() as tx:
        objects.quarantine(tx, objects.of_key(tx, workspace.bucket, "in/2.jpg")[0], "archived: cold")
    assert f"bring it back from the archive, then: labelyard restore {workspace.url('2.jpg')}" in now(
        workspace, "2.jpg"
    )
    manual.quarantine(workspace.context, workspace.url("1.jpg"), "blurred")
    assert f"quarantined: manually: blurred\n  next: labelyard restore {workspace.url('1.jpg')}" in now(workspace)


def test_a_deleted_object_and_a_cancelled_batch_are_explained(workspace: Workspace) -> None:
    close_batch(workspace, "1.jpg", "2.jpg")
    workspace.s3.delete_object(Bucket=workspace.bucket, Key="in/1.jpg")
    with workspace.context.ledger.transaction() as tx:
        objects.mark_deleted(tx, workspace.spec, workspace.bucket, "in/1.jpg")
    assert "deleted or overwritten in the bucket at" in now(workspace)
    manual.cancel(workspace.context, "street-00001", "a trial")
    assert "street-00001 is cancelled" in now(workspace, "2.jpg")
    assert "labelyard restore s3://" in now(workspace, "2.jpg")


def test_each_content_of_a_key_has_its_own_explanation(workspace: Workspace) -> None:
    close_batch(workspace, "1.jpg")
    workspace.put("1.jpg", picture(7))
    sweep_sources(workspace.context)
    old, new = explain(workspace.context, workspace.url("1.jpg"))
    assert "quarantined: overwritten before its upload, by" in old.now[-1]
    assert "next:" not in old.now[-1]  # the new content is shown below it
    assert "street-00002 is open" in "\n".join(new.now)


def test_the_command_prints_text_or_json(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    close_batch(workspace, "1.jpg")
    settings = workspace.context.settings
    monkeypatch.setenv("LABELYARD_LEDGER", settings.ledger)
    result = CliRunner().invoke(labelyard, ["why", workspace.url("1.jpg")])
    assert result.exit_code == 0, result.output
    assert result.output.endswith("now: street-00001 is closed\n")
    (one,) = json.loads(CliRunner().invoke(labelyard, ["why", "street-00001", "--json"]).output)
    assert one["about"] == f"street-00001: {BatchState.CLOSED}"
    assert [entry["what"] for entry in one["history"]] == ["closed"]
    assert one["now"] == ["street-00001 is closed"]
