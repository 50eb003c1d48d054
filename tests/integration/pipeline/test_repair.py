"""Ledger, CVAT and bucket made to disagree, and brought together again."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from labelyard.context import open_context
from labelyard.domain.labels import Label
from labelyard.domain.repair_plan import Action, Finding
from labelyard.domain.tasks import DataSpec, TaskSpec, UploadFile
from labelyard.errors import CvatDisagrees, LedgerError
from labelyard.ledger import batches, breakers, datasets, upgrade
from labelyard.ledger.tables import History
from labelyard.operations import adopt, repair
from labelyard.operations import manual as decide
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.sandbox import serve
from labelyard.settings import CvatSettings
from tests.support.bench import USERS, Bench, draw_and_complete, export, ingest, picture


@pytest.fixture
def assigned(bench: Bench) -> Bench:
    """A batch of two files of equal base names, with people."""
    for camera in ("cam1", "cam2"):
        bench.put(f"{camera}/1.jpg", picture(len(camera) + int(camera[-1])))
    sweep_sources(bench.context)
    close_now(bench.context, "street")
    ingest(bench)
    return bench


def mend(bench: Bench) -> list[Action]:
    plan = repair.survey(bench.context)
    repair.apply(bench.context, plan)
    return [finding.mend for finding in plan]


def task_id(bench: Bench) -> int:
    return bench.line().task_id or 0


def finish(bench: Bench) -> None:
    draw_and_complete(bench)
    collect(bench.context)
    export(bench)


def test_where_all_agree_there_is_nothing_to_mend(assigned: Bench) -> None:
    assert repair.survey(assigned.context) == []


def test_a_task_deleted_by_hand_is_made_anew(assigned: Bench) -> None:
    assigned.context.cvat("default").delete_task(task_id(assigned))
    assert mend(assigned) == [Action.RECREATE_TASK]
    assert (assigned.line().state, assigned.line().jobs) == ("closed", [])
    ingest(assigned)
    assert (assigned.line().state, len(assigned.line().jobs)) == ("assigned", 1)
    assert repair.survey(assigned.context) == []


def test_a_task_that_the_account_may_not_see_is_told_and_never_made_anew(assigned: Bench) -> None:
    root = assigned.context.cvat("default")
    ann = next(user.id for user in root.users() if user.username == "ann")
    root.patch_task(task_id(assigned), assignee=ann)
    for job in root.jobs(task_id(assigned)):
        root.assign(job.id, ann)
    other = CvatSettings(url=assigned.sandbox.url, username="bob", password=SecretStr("bobpass1"))
    with open_context(assigned.context.settings.model_copy(update={"cvat": {"default": other}})) as context:
        [finding] = repair.survey(context)
        assert (finding.mend, "may not see it" in finding.what) == (Action.REPORT, True)
        assert "may not see it" in next(iter((collect(context).failed or {}).values()))
        with context.ledger.read_only() as tx:
            assert breakers.troubled(tx) == []


def test_an_exported_task_that_is_deleted_is_released_or_made_anew(assigned: Bench) -> None:
    finish(assigned)
    assigned.context.cvat("default").delete_task(task_id(assigned))
    assert collect(assigned.context).failed
    assert (assigned.line().next_step or "").startswith("labelyard archive street-00001 if its work is done; else")
    decide.archive(assigned.context, "street-00001")
    assert (collect(assigned.context).failed, assigned.line().state) == ({}, "archived")
    assert repair.survey(assigned.context) == []
    with pytest.raises(LedgerError, match="from released to released"):
        decide.archive(assigned.context, "street-00001")


def test_an_empty_double_is_deleted_and_one_with_frames_is_told(assigned: Bench) -> None:
    cvat, name = assigned.context.cvat("default"), assigned.line().task_name or ""
    cvat.create_task(TaskSpec(name, (Label("car"),)))
    assert mend(assigned) == [Action.DELETE_TASK]
    assert assigned.tasks_on_server() == 1
    full = manual(assigned, name, "1.jpg")
    assert mend(assigned) == [Action.REPORT]
    assert cvat.task(full).size == 1


def test_a_job_that_nobody_has_is_handed_out_and_one_given_by_hand_stays(assigned: Bench) -> None:
    cvat = assigned.context.cvat("default")
    cvat.assign(assigned.line().jobs[0].id, None)
    assert mend(assigned) == [Action.ASSIGN]
    assert cvat.jobs(task_id(assigned))[0].assignee is not None
    assert repair.survey(assigned.context) == []


def test_an_export_that_is_gone_from_the_bucket_is_made_again(assigned: Bench) -> None:
    finish(assigned)
    bucket, key = assigned.line().exports[-1].removeprefix("s3://").split("/", 1)
    assigned.s3.delete_object(Bucket=bucket, Key=key)
    assert mend(assigned) == [Action.EXPORT_AGAIN]
    assert export(assigned).generation == 2
    assert repair.survey(assigned.context) == []


def manual(bench: Bench, name: str, *files: str) -> int:
    """A task as a person makes it in the browser."""
    cvat = bench.context.cvat("default")
    task = cvat.create_task(TaskSpec(name, tuple(bench.spec.task.cvat_labels())))
    images = [picture(i + 50) for i, _ in enumerate(files)]
    cvat.upload(
        task.id,
        [UploadFile(n, len(b), lambda b=b: io.BytesIO(b), "image/jpeg") for n, b in zip(files, images, strict=True)],
        DataSpec(),
    )  # type: ignore[misc]
    while not cvat.task(task.id).size:
        pass
    return task.id


def test_a_task_made_by_hand_is_adopted_and_exported_with_its_keys(bench: Bench) -> None:
    bench.put("a/left.jpg", picture(1))
    bench.put("a/right.jpg", picture(2))
    [taken] = adopt.adopt(
        bench.context, "street", [manual(bench, "made by hand", "left.jpg", "right.jpg", "other.jpg")]
    )
    assert (taken.batch_id, taken.frames, taken.unknown) == ("street-00001", 3, ("other.jpg",))
    assert bench.line().state == "assigned"
    assert sweep_sources(bench.context).registered["street"].new == 0
    finish(bench)
    assert bench.line().state == "exported"
    with pytest.raises(CvatDisagrees, match="it is the task of street-00001 already"):
        adopt.adopt(bench.context, "street", [taken.task_id])


def test_a_lost_ledger_is_made_again_and_nothing_is_labelled_twice(assigned: Bench, tmp_path: Path) -> None:
    finish(assigned)
    assigned.put("3.jpg", picture(3))
    sweep_sources(assigned.context)
    close_now(assigned.context, "street")
    ingest(assigned, "street-00002")
    assigned.put("4.jpg", picture(4))
    url = f"sqlite:///{tmp_path / 'new.db'}"
    upgrade(url)
    with open_context(assigned.context.settings.model_copy(update={"ledger": url})) as context:
        anew = Bench(context, assigned.bucket, assigned.s3, assigned.sandbox)
        anew.apply()
        taken = adopt.rebuild(context)
        assert [(one.batch_id, one.frames, one.unknown) for one in taken] == [
            ("street-00001", 2, ()),
            ("street-00002", 1, ()),
        ]
        assert adopt.rebuild(context) == []
        assert sweep_sources(context).registered["street"].new == 1
        assert collect(context).completed == ("street-00001",)
        exported = export(anew)
        assert exported.images == 2
        with context.ledger.read_only() as tx:
            assert {m.key for m in batches.members(tx, "street-00001")} == {"in/cam1/1.jpg", "in/cam2/1.jpg"}


def test_files_of_a_ledger_that_was_made_again_have_the_ids_of_those_before(
    assigned: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    finish(assigned)  # with car 1, person 2
    later = {"labels": ["truck", "person", "bus"]}
    assigned.apply(task=later)
    assigned.put("3.jpg", picture(3))
    sweep_sources(assigned.context)
    close_now(assigned.context, "street")
    ingest(assigned, "street-00002")
    url = f"sqlite:///{tmp_path / 'new.db'}"
    upgrade(url)
    with open_context(assigned.context.settings.model_copy(update={"ledger": url})) as context:
        anew = Bench(context, assigned.bucket, assigned.s3, assigned.sandbox)
        anew.apply(task=later)
        adopt.rebuild(context)
        draw_and_complete(anew, "street-00002")
        collect(context)
        bucket, key = export(anew, "street-00002").url.removeprefix("s3://").split("/", 1)
        document = json.loads(anew.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        assert [(c["id"], c["name"]) for c in document["categories"]] == [(2, "person"), (3, "truck"), (4, "bus")]
        with context.ledger.read_only() as tx:
            told = tx.scalars(select(History.reason).where(History.what == "numbered")).all()
        assert told == ["labels have the ids of the exports in the bucket: car 1, person 2, truck 3, bus 4"]
        document["categories"][0]["id"] = 9
        document["categories"].append({"id": 4, "name": "kerb"})  # a stranger's
        anew.s3.put_object(Bucket=bucket, Key=f"{key}.old", Body=json.dumps(document))
        anew.s3.put_object(Bucket=bucket, Key=f"{key}.txt", Body=b"{}")
        adopt.rebuild(context)
        with context.ledger.read_only() as tx:
            assert datasets.categories(tx, "street") == {"car": 1, "person": 2, "truck": 3, "bus": 4}
        assert f"{key}.old: other files give person another id" in caplog.text


def test_a_task_that_was_renamed_or_lies_on_an_earlier_cvat_is_not_taken_for_deleted(assigned: Bench) -> None:
    assigned.context.cvat("default").patch_task(task_id(assigned), name="Monday's")
    assert repair.survey(assigned.context) == []
    with serve(USERS) as other:
        at = assigned.context.settings.cvat["default"].model_copy(update={"url": other.url})
        assigned.context.settings.cvat["other"] = at
        assigned.apply(cvat="other")
        assert repair.survey(assigned.context) == []


def test_the_task_of_a_batch_that_was_abandoned_is_no_strangers(assigned: Bench) -> None:
    decide.cancel(assigned.context, "street-00001", "wrong labels")
    assert repair.survey(assigned.context) == []


def test_a_plan_that_time_has_overtaken_does_no_harm(assigned: Bench) -> None:
    cvat, name = assigned.context.cvat("default"), assigned.line().task_name or ""
    double = manual(assigned, name, "1.jpg")
    stale = [
        Finding("here", "deleted", Action.RECREATE_TASK, "street-00001", task_id(assigned)),
        Finding("here", "empty", Action.DELETE_TASK, "street-00001", double),
    ]
    left = repair.apply(assigned.context, stale)
    assert [error.what for _, error in left] == ["it is there again", "it was filled meanwhile"]
    assert assigned.line().state == "assigned"
    assert cvat.task(double).size == 1


def test_an_adopted_task_that_is_deleted_is_made_anew(bench: Bench) -> None:
    bench.put("left.jpg", picture(1))
    adopt.adopt(bench.context, "street", [manual(bench, "made by hand", "left.jpg")])
    bench.context.cvat("default").delete_task(task_id(bench))
    assert mend(bench) == [Action.RECREATE_TASK]
    ingest(bench)
    assert bench.line().state == "assigned"


def test_a_ledger_that_is_made_again_after_files_landed_takes_them_out_of_its_open_batch(
    assigned: Bench, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    upgrade(url)
    with open_context(assigned.context.settings.model_copy(update={"ledger": url})) as context:
        anew = Bench(context, assigned.bucket, assigned.s3, assigned.sandbox)
        anew.apply()
        assert sweep_sources(context).registered["street"].new == 2
        assert [(one.batch_id, one.frames, one.unknown) for one in adopt.rebuild(context)] == [("street-00002", 2, ())]
        with context.ledger.read_only() as tx:
            assert batches.members(tx, "street-00001") == []
            assert batches.get(tx, "street-00001").objects == 0
