"""Objects, markers and sources: which objects are registered, and when a marker closes their batch."""

from __future__ import annotations

from collections.abc import Sequence

from labelyard.domain.causes import Kind
from labelyard.domain.objects import StoredObject
from labelyard.ledger import datasets, problems
from labelyard.ledger.alert_tables import Problem
from labelyard.pipeline.close_batches import close_due
from labelyard.pipeline.register_objects import register_listed, register_objects, sweep_sources
from labelyard.sources.notifications import NotifiedObject
from tests.support.pictures import picture
from tests.support.workspace import Workspace


def test_files_outside_all_datasets_and_exports_are_not_registered(workspace: Workspace) -> None:
    workspace.s3.put_object(Bucket=workspace.bucket, Key="out/coco.json", Body=b"{}")
    workspace.s3.put_object(Bucket=workspace.bucket, Key="elsewhere/1.jpg", Body=picture())
    workspace.put("notes.txt", b"text")
    workspace.put("folder/", b"")
    assert sweep_sources(workspace.context).registered["street"].new == 0
    assert register_objects(workspace.context, [], "event").new == 0


def test_a_marker_that_arrives_before_its_files_closes_the_batch_with_them(workspace: Workspace) -> None:
    workspace.apply(batch={"quiet": None, "max_age": None, "marker": "_SUCCESS"})
    for i in range(3):
        workspace.put(f"day1/{i}.jpg", picture(i))
    marker = workspace.put("day1/_SUCCESS", b"")
    event = NotifiedObject(StoredObject(workspace.bucket, marker, ""), "ObjectCreated:Put", "aws:s3")
    register_objects(workspace.context, [event], "event")
    assert (workspace.line().state, workspace.line().objects) == ("closed", 3)
    register_objects(workspace.context, [event], "event")
    sweep_sources(workspace.context)
    assert close_due(workspace.context) is None
    assert (workspace.line().state, workspace.line().objects) == ("closed", 3)


def test_a_marker_closes_the_batch_after_its_whole_folder_and_before_the_next_one(workspace: Workspace) -> None:
    workspace.apply(batch={"max_objects": 5000, "quiet": None, "max_age": None, "marker": "_SUCCESS"})
    keys = [
        "in/day1/_SUCCESS",
        *(f"in/day1/{i:04d}.jpg" for i in range(1500)),
        *(f"in/day2/{i}.jpg" for i in range(999)),
    ]
    listed = [StoredObject(workspace.bucket, key, "e", 10) for key in keys]
    assert sum(chunk.new for chunk in register_listed(workspace.context, [workspace.spec], listed, "sweep")) == 2499
    assert workspace.line().state == "closed"
    assert workspace.line().objects >= 1500


def test_a_missing_bucket_stops_only_its_own_source_and_is_reported_with_the_next_command(workspace: Workspace) -> None:
    workspace.apply(
        sources=[{"bucket": "no-such-bucket", "prefix": "in/"}, {"bucket": workspace.bucket, "prefix": "in/"}]
    )
    other = workspace.spec.model_copy(update={"name": "zoo", "sources": workspace.spec.sources[1:]})
    with workspace.context.ledger.transaction() as tx:
        datasets.apply(tx, other)
    workspace.put("1.jpg")
    swept = sweep_sources(workspace.context)
    assert {name: found.new for name, found in swept.registered.items()} == {"street": 1, "zoo": 1}
    [failure] = swept.failed
    assert failure.startswith("street: s3://no-such-bucket/in/: NoSuchBucket")
    assert "next: create the bucket" in failure


def test_a_source_that_a_person_must_fix_is_named_once_and_is_no_problem_when_it_can_be_listed(
    workspace: Workspace,
) -> None:
    missing = f"missing-{workspace.bucket}"
    workspace.apply(
        sources=[{"bucket": missing, "prefix": "in/"}], export={"bucket": workspace.bucket, "prefix": "out"}
    )
    found = [sweep_sources(workspace.context) for _ in range(2)]
    assert [(len(one.failed), len(one.needs_person)) for one in found] == [(1, 1), (1, 0)]
    assert [(row.dataset, missing in row.what) for row in source_problems(workspace)] == [("street", True)]
    workspace.s3.create_bucket(Bucket=missing)
    assert sweep_sources(workspace.context).failed == []
    assert source_problems(workspace) == []


def source_problems(workspace: Workspace) -> Sequence[Problem]:
    with workspace.context.ledger.read_only() as tx:
        return problems.present(tx, Kind.SOURCE)
