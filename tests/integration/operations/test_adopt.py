"""Tasks that a person created, and tasks of a lost ledger, become batches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from labelyard.context import open_context
from labelyard.errors import CvatDisagrees
from labelyard.ledger import batches, datasets
from labelyard.ledger.tables import History
from labelyard.operations import adopt
from labelyard.operations.apply import carry_out
from labelyard.operations.plan import survey_tasks
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.register_objects import sweep_sources
from tests.support.fresh_ledger import create_ledger
from tests.support.pictures import picture
from tests.support.workspace import Workspace, complete_and_export, draw_and_complete, export, ingest


def test_a_task_that_a_person_created_is_adopted_and_exported_with_its_keys(workspace: Workspace) -> None:
    workspace.put("a/left.jpg", picture(1))
    workspace.put("a/right.jpg", picture(2))
    [adopted] = adopt.adopt(
        workspace.context, "street", [workspace.create_task("a person's", "left.jpg", "right.jpg", "other.jpg")]
    )
    assert (adopted.batch_id, adopted.frames, adopted.unknown) == ("street-00001", 3, ("other.jpg",))
    assert workspace.line().state == "assigned"
    assert sweep_sources(workspace.context).registered["street"].new == 0
    complete_and_export(workspace)
    assert workspace.line().state == "exported"
    with pytest.raises(CvatDisagrees, match="it is the task of street-00001 already"):
        adopt.adopt(workspace.context, "street", [adopted.task_id])


def test_an_adopted_task_that_is_deleted_is_created_again(workspace: Workspace) -> None:
    workspace.put("left.jpg", picture(1))
    adopt.adopt(workspace.context, "street", [workspace.create_task("a person's", "left.jpg")])
    workspace.context.cvat("default").delete_task(workspace.line().task_id or 0)
    carry_out(workspace.context, survey_tasks(workspace.context), allow_loss=True)
    ingest(workspace)
    assert workspace.line().state == "assigned"


def test_a_lost_ledger_is_rebuilt_and_nothing_is_labelled_twice(assigned: Workspace, tmp_path: Path) -> None:
    complete_and_export(assigned)
    assigned.put("3.jpg", picture(3))
    assigned.close_batch()
    ingest(assigned, "street-00002")
    assigned.put("4.jpg", picture(4))
    url = create_ledger(tmp_path / "new.db")
    with open_context(assigned.context.settings.model_copy(update={"ledger": url})) as context:
        rebuilt = Workspace(context, assigned.bucket, assigned.s3, assigned.sandbox)
        rebuilt.apply()
        adopted = adopt.rebuild(context)
        assert [(one.batch_id, one.frames, one.unknown) for one in adopted] == [
            ("street-00001", 2, ()),
            ("street-00002", 1, ()),
        ]
        assert adopt.rebuild(context) == []
        assert sweep_sources(context).registered["street"].new == 1
        assert collect(context).completed == ("street-00001",)
        exported = export(rebuilt)
        assert exported.images == 2
        with context.ledger.read_only() as tx:
            assert {m.key for m in batches.members(tx, "street-00001")} == {"in/cam1/1.jpg", "in/cam2/1.jpg"}


def test_exports_of_a_rebuilt_ledger_keep_the_ids_of_earlier_exports(
    assigned: Workspace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    complete_and_export(assigned)  # with car 1, person 2
    later = {"labels": ["truck", "person", "bus"]}
    assigned.apply(task=later)
    assigned.put("3.jpg", picture(3))
    assigned.close_batch()
    ingest(assigned, "street-00002")
    url = create_ledger(tmp_path / "new.db")
    with open_context(assigned.context.settings.model_copy(update={"ledger": url})) as context:
        rebuilt = Workspace(context, assigned.bucket, assigned.s3, assigned.sandbox)
        rebuilt.apply(task=later)
        adopt.rebuild(context)
        draw_and_complete(rebuilt, "street-00002")
        collect(context)
        bucket, key = export(rebuilt, "street-00002").url.removeprefix("s3://").split("/", 1)
        document = json.loads(rebuilt.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        assert [(c["id"], c["name"]) for c in document["categories"]] == [(2, "person"), (3, "truck"), (4, "bus")]
        with context.ledger.read_only() as tx:
            reasons = tx.scalars(select(History.reason).where(History.what == "numbered")).all()
        assert reasons == ["labels have the ids of the exports in the bucket: car 1, person 2, truck 3, bus 4"]
        document["categories"][0]["id"] = 9
        document["categories"].append({"id": 4, "name": "kerb"})  # of another file
        old = key.replace(".json", "-old.json")
        rebuilt.s3.put_object(Bucket=bucket, Key=old, Body=json.dumps(document))
        rebuilt.s3.put_object(Bucket=bucket, Key=f"{key}.txt", Body=b"{}")
        adopt.rebuild(context)
        with context.ledger.read_only() as tx:
            assert datasets.categories(tx, "street") == {"car": 1, "person": 2, "truck": 3, "bus": 4}
        assert f"{old}: other files give person another id" in caplog.text


def test_a_rebuild_takes_registered_files_out_of_the_open_batch(assigned: Workspace, tmp_path: Path) -> None:
    url = create_ledger(tmp_path / "new.db")
    with open_context(assigned.context.settings.model_copy(update={"ledger": url})) as context:
        rebuilt = Workspace(context, assigned.bucket, assigned.s3, assigned.sandbox)
        rebuilt.apply()
        assert sweep_sources(context).registered["street"].new == 2
        assert [(one.batch_id, one.frames, one.unknown) for one in adopt.rebuild(context)] == [("street-00002", 2, ())]
        with context.ledger.read_only() as tx:
            assert batches.members(tx, "street-00001") == []
            assert batches.get(tx, "street-00001").objects == 0
