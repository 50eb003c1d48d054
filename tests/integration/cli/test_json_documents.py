"""What commands print with `--json` is what docs/commands.schema.json says; without a document they print none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from labelyard.cli import labelyard
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import dead_letters
from tests.support.busy_ledger import BusyLedger
from tests.support.coco_files import document as coco
from tests.support.coco_files import write
from tests.support.command_schemas import commands_schema, follow_schema
from tests.support.fresh_ledger import create_ledger
from tests.support.ledger_samples import dataset_spec
from tests.support.paths import recorded_payload
from tests.support.pictures import jpeg


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BusyLedger]:
    """A ledger that the commands use: one batch failed, one exported, one with people."""
    busy = BusyLedger(create_ledger(tmp_path / "ledger.db"))
    monkeypatch.setenv("LABELYARD_LEDGER", busy.url)
    monkeypatch.setenv("LABELYARD_CVAT__DEFAULT__URL", "http://127.0.0.1:1")
    monkeypatch.chdir(tmp_path)
    busy.fail(busy.batch(4, 1), "label car is unknown")
    done = busy.batch(4, 1)
    busy.read_jobs(done, 4, (1,), JobStatus.COMPLETED)
    busy.export(done, 4, {"car": 4})
    busy.batch(4, 2)
    yield busy
    busy.ledger.close()


def run(*words: str) -> Result:
    return CliRunner().invoke(labelyard, list(words))


def document(command: str, *arguments: str, status: int = 0) -> Any:
    """Run a command with --json; return what it prints, which follows the schema of the command."""
    ran = run(*command.split(), *arguments, "--json")
    assert ran.exit_code == status, (ran.output, ran.exception)
    found = json.loads(ran.stdout)
    follow_schema(command, found)
    return found


def test_the_schemas_are_valid() -> None:
    schema = commands_schema()
    for one in (schema, *schema["$defs"].values()):
        Draft202012Validator.check_schema(one)


@pytest.mark.usefixtures("busy")
def test_decisions_about_batches_and_objects() -> None:
    [failed, exported, _] = (f"street-{number:05d}" for number in (1, 2, 3))
    assert document("retry", failed) == {
        "batch": failed, "state": "assigned", "next": "no run is due, it waits for people; collect-finished checks it",
    }  # fmt: skip
    assert document("archive", exported) == [{"batch": exported, "state": "archived"}]
    address = f"s3://b/{failed}/0.jpg"
    assert document("quarantine", address, "--why", "blurred") == {
        "object": address, "quarantined": True, "batch": failed,
    }  # fmt: skip
    assert document("restore", address)["quarantined"] is False
    assert document("cancel", failed, "--why", "no longer wanted") == {"batch": failed, "state": "cancelled"}
    [shown] = document("why", failed)
    assert shown["history"][-1]["what"] == "cancelled"


@pytest.mark.usefixtures("busy")
def test_what_was_archived_before_an_error_is_printed() -> None:
    ran = run("archive", "street-00002", "street-00003", "--json")
    assert ran.exit_code == 1
    assert json.loads(ran.stdout) == [{"batch": "street-00002", "state": "archived"}]


@pytest.mark.usefixtures("busy")
def test_a_command_that_fails_prints_no_document() -> None:
    ran = run("retry", "street-00099", "--json")
    assert (ran.exit_code, ran.stdout) == (1, "")


@pytest.mark.usefixtures("busy")
def test_decisions_about_datasets_and_their_files(tmp_path: Path) -> None:
    assert document("pause", "street")["state"] == "paused"
    assert document("resume", "street") == {"dataset": "street", "state": "active", "waited": 0, "schedules": []}
    file = tmp_path / "street.yaml"
    content = dataset_spec("street").model_dump(mode="json", exclude_unset=True)
    file.write_text(yaml.safe_dump(content | {"annotators": ["anna", "cleo"]}))
    assert document("validate", str(file))["valid"] == [{"file": str(file), "dataset": "street", "dropped": []}]
    [stored] = document("apply", str(file))["files"]
    assert (stored["version"], stored["is_new"]) == (2, True)
    assert {one["where"] for one in stored["differences"]} != set()
    file.write_text("name: 1\nannotators: none\n")
    assert len(document("validate", str(file), status=1)["errors"]) > 1
    assert document("retire", "street")["state"] == "retired"


def test_dead_letters(busy: BusyLedger) -> None:
    with busy.ledger.transaction() as tx:
        for body in (b"no JSON", b"\xff", b"{}"):
            dead_letters.put(tx, body, "sqs", "not a notification")
    assert [one["id"] for one in document("dead-letters list")] == [1, 2, 3]
    assert document("dead-letters show", "2")["body"] == "\\xff"
    [replayed] = document("dead-letters replay", "1", status=1)
    assert replayed["problem"]
    assert document("dead-letters discard", "1", "2") == [{"id": 1}, {"id": 2}]


@pytest.mark.usefixtures("busy")
def test_the_schema_of_the_ledger() -> None:
    assert document("db upgrade")["schema"]


@pytest.mark.usefixtures("busy")
def test_causes() -> None:
    assert [cause["kind"] for cause in document("alerts")["causes"]][:1] == ["failed"]


def test_releases_in_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        write(tmp_path / f"{name}.json", coco([f"{name}/a.jpg"], labels=("car",)))
    first = document("merge", "one.json", "--to", "first")
    assert (first["folder"], first["counts"]["train"]["images"]) == ("first", 1)
    document("merge", "one.json", "two.json", "--to", "second", "--previous", "first")
    assert document("diff", "first", "second", status=1)["images"] == {
        "added": 1, "removed": 0, "changed": 0, "moved": 0,
    }  # fmt: skip
    assert document("verify", "second")["intact"]
    (tmp_path / "second" / "images.jsonl").unlink()
    assert [fault["kind"] for fault in document("verify", "second", status=1)["faults"]] == ["removed"]
    assert not document("verify", "absent", status=2)["intact"]


def test_files_before_they_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "one.json", coco(["a.jpg"], labels=("car",)))
    assert document("check", "one.json")["fit"]
    assert document("check", "absent.json", status=2)["faults"][0]["rule"] == "unreadable"
    (tmp_path / "a.jpg").write_bytes(jpeg())
    (tmp_path / "b.jpg").write_bytes(b"no image")
    assert {one["file"]: one["verdict"] for one in document("inspect", "a.jpg", "b.jpg", status=1)} == {
        "a.jpg": "accept", "b.jpg": "quarantine",
    }  # fmt: skip
    (tmp_path / "message").write_bytes(recorded_payload("moto-5.2.5__sqs_TestEvent"))
    assert document("message", "message")["ignored"]
    (tmp_path / "message").write_bytes(b'{"Records": [7]}')
    assert document("message", "message", status=1)["rejected"]
