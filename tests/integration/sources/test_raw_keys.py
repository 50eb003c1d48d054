"""Stores that send keys unencoded: both readings are looked up in a real store."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from sqlalchemy import select

from labelyard.ledger import dead_letters
from labelyard.ledger.tables import Object
from labelyard.pipeline.handle_notifications import PipelineHandler
from labelyard.sources.watcher import Watcher
from tests.support.paths import ROOT
from tests.support.pictures import picture
from tests.support.workspace import Workspace

CASES = ROOT / "tests" / "cases" / "messages"


class NoEvents:
    """A Prefect that is not asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is not used here")


def handle(workspace: Workspace, case: str, *, key: str = "", source: str = "") -> None:
    """Let the watcher handle a case's message about this workspace's bucket."""
    message = json.loads((CASES / case).read_text())
    [record] = message["Records"]
    if "s3" in record:
        record["s3"]["bucket"]["name"] = workspace.bucket
        record["s3"]["object"]["key"] = key or record["s3"]["object"]["key"]
        record["eventSource"] = source or record["eventSource"]
    watcher = Watcher(PipelineHandler(workspace.context, NoEvents()))
    watcher.handle([json.dumps(message).encode()], "webhook")


def registered(workspace: Workspace) -> list[str]:
    with workspace.context.ledger.read_only() as tx:
        return sorted(tx.scalars(select(Object.key)))


def letters(workspace: Workspace) -> int:
    with workspace.context.ledger.read_only() as tx:
        return dead_letters.count(tx)


NAMES = ["cam 1/2026-11-29T04:11:31+02:00.jpg", "a%2Fb.jpg", "50%.jpg", "%41.jpg", "a+b c%20d.jpg", "é+.jpg"]


def test_the_case_registers_and_deletes_the_key_that_exists(workspace: Workspace) -> None:
    workspace.put("cam 1/2026-11-29T04:11:31+02:00.jpg", picture(1))
    handle(workspace, "put-plus.json")
    assert registered(workspace) == ["in/cam 1/2026-11-29T04:11:31+02:00.jpg"]
    workspace.s3.delete_object(Bucket=workspace.bucket, Key="in/cam 1/2026-11-29T04:11:31+02:00.jpg")
    handle(workspace, "delete-plus.json")
    [row] = workspace.objects("cam 1/2026-11-29T04:11:31+02:00.jpg")
    assert row.deleted_at is not None
    assert letters(workspace) == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("encoded", [False, True])
def test_the_reading_that_exists_is_registered(workspace: Workspace, name: str, encoded: bool) -> None:
    workspace.put(name, picture(1))
    key = f"in/{name}"
    handle(workspace, "put-plus.json", key=quote_plus(key) if encoded else key)
    assert registered(workspace) == [key]
    assert letters(workspace) == 0


def test_a_raw_key_is_found_though_its_store_calls_itself_aws(workspace: Workspace) -> None:
    workspace.put("cam 1/a+b.jpg", picture(1))
    handle(workspace, "put-plus.json", key="in/cam 1/a+b.jpg", source="aws:s3")
    assert registered(workspace) == ["in/cam 1/a+b.jpg"]


def test_a_deletion_of_the_other_reading_deletes_nothing(workspace: Workspace) -> None:
    for name in ("a+b.jpg", "a b.jpg"):
        workspace.put(name, picture(1))
        handle(workspace, "put-plus.json", key=f"in/{name}")
    workspace.s3.delete_object(Bucket=workspace.bucket, Key="in/a+b.jpg")
    handle(workspace, "delete-plus.json", key="in/a+b.jpg")
    assert [workspace.objects(name)[0].deleted_at is None for name in ("a+b.jpg", "a b.jpg")] == [False, True]


def test_the_test_event_is_ignored_without_a_dead_letter(workspace: Workspace) -> None:
    handle(workspace, "test-event.json")
    assert (registered(workspace), letters(workspace)) == ([], 0)
