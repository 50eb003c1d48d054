"""`labelyard status`: one line for each thing, however many objects and whatever their keys."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from labelyard.cli import labelyard
from labelyard.errors import NoUsableImage
from labelyard.operations import manual
from labelyard.operations.explain import explain
from labelyard.operations.figures import read_figures
from labelyard.operations.status import problems, read_status
from labelyard.orchestration.operations_artifact import operations_markdown
from labelyard.orchestration.page_links import PageLinks
from tests.support.pictures import picture
from tests.support.workspace import Workspace, ingest

EVIL = "line\nbreak\x1b[31m\r\u2028.jpg"
SHOWN = "line\\nbreak\\x1b[31m\\r\\u2028.jpg"


def call(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setenv("LABELYARD_LEDGER", workspace.context.settings.ledger)
    result = CliRunner().invoke(labelyard, arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def bad_drop(workspace: Workspace) -> Workspace:
    """A batch of 120 files of which one is an image."""
    workspace.apply(batch={"max_objects": 500})
    for number in range(119):
        workspace.put(f"{number:03d}.jpg", b"x" * (number + 1))
    workspace.put("good.jpg", picture(1))
    workspace.close_batch()
    ingest(workspace)
    return workspace


def test_a_bad_drop_is_one_line_with_examples_and_all_lists_every_file(
    bad_drop: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = call(bad_drop, monkeypatch, "status").output
    assert len(short.splitlines()) <= 15
    assert "119 files quarantined in street-00001: no image:" in short
    assert "each of the 119 quarantined files: labelyard status --all" in short
    every = call(bad_drop, monkeypatch, "status", "--all").output
    assert sum("quarantined: no image" in line for line in every.splitlines()) == 119
    assert len(json.loads(call(bad_drop, monkeypatch, "status", "--json").output)["batches"][0]["quarantined"]) == 119
    page = operations_markdown(read_figures(bad_drop.context.ledger), PageLinks(""))
    assert page.count("no image") == 1
    assert "119 files quarantined" in page


def test_quarantined_files_do_not_count_as_objects_of_the_task(
    bad_drop: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    [batch] = json.loads(call(bad_drop, monkeypatch, "status", "--json").output)["batches"]
    task = bad_drop.context.cvat("default").task(batch["task_id"])
    assert batch["objects"] == task.size == 1
    manual.quarantine(bad_drop.context, bad_drop.url("good.jpg"), "a private person")  # after its upload: in the task
    assert bad_drop.line().objects == 1


def test_other_reasons_are_other_lines(bad_drop: Workspace) -> None:
    manual.quarantine(bad_drop.context, bad_drop.url("good.jpg"), "a private person")
    lines = list(problems(read_status(bad_drop.context.ledger)))
    assert [line.partition(":")[0] for line in lines[:2]] == [
        "119 files quarantined in street-00001",
        "1 file quarantined in street-00001",
    ]
    assert "next: upload a good file under the same key: it is labelled with the next batch" in lines[0]
    assert f"next: labelyard restore {bad_drop.url('good.jpg')}" in lines[1]


def test_control_characters_of_a_key_are_shown_escaped_everywhere(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    workspace.put(EVIL, b"no image")
    workspace.close_batch()
    with pytest.raises(NoUsableImage) as caught, caplog.at_level("INFO"):
        ingest(workspace)
    address = f"s3://{workspace.bucket}/in/{SHOWN}"
    assert address in str(caught.value)
    for arguments in (["status"], ["status", "--all"], ["why", address], ["why", workspace.url(EVIL)]):
        shown = call(workspace, monkeypatch, *arguments).output
        assert address in shown.replace("\n", "")
        assert not any(mark in shown for mark in ("\x1b", "\r", "\u2028"))
    assert any(address in message for message in caplog.messages)
    assert all(message.replace("\n", "").isprintable() for message in caplog.messages)
    page = operations_markdown(read_figures(workspace.context.ledger), PageLinks(""))
    assert SHOWN in page


def test_an_address_is_understood_as_it_is_shown(workspace: Workspace) -> None:
    workspace.put(EVIL, picture(1))
    workspace.put("good.jpg", picture(2))
    workspace.close_batch()
    address = f"s3://{workspace.bucket}/in/{SHOWN}"
    manual.quarantine(workspace.context, address, "blurred\x1b[31m")
    [one] = explain(workspace.context, address)
    assert "blurred\\x1b[31m" in one.now[-1]
    assert manual.restore(workspace.context, address).key == f"in/{EVIL}"
