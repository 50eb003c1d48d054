"""What goes wrong while a dataset is released: the last good release stays, and the next call continues."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from labelyard.errors import InputError, LabelyardError, LeaseTaken, NotFound, StoreError
from labelyard.ledger import releases
from labelyard.ledger.release_tables import ReleasedImage
from labelyard.operations.recover_releases import recover_releases
from labelyard.pipeline import release_dataset as step
from labelyard.pipeline.release_dataset import release_dataset
from tests.support.releasing import add_batch, body, folder, images, keys, latest, release
from tests.support.workspace import AtFailpoint, Workspace


def test_without_an_export_there_is_an_error_with_the_next_command(workspace: Workspace) -> None:
    with pytest.raises(NotFound):
        release_dataset(workspace.context, "alley")
    workspace.apply()
    with pytest.raises(InputError, match="no batch is exported") as caught:
        release(workspace)
    assert caught.value.next_step == "labelyard status"
    with workspace.context.ledger.read_only() as tx:
        assert releases.unpublished(tx, "street") is None


def test_an_export_that_somebody_overwrote_is_named_and_the_last_release_stays(exported: Workspace) -> None:
    release(exported)
    before = latest(exported)
    batch = add_batch(exported, "5.jpg")
    key = exported.line(batch).exports[-1].split("/", 3)[3]
    exported.s3.put_object(Bucket=exported.bucket, Key=key, Body=b"{}")
    with pytest.raises(InputError, match="its SHA-256 is not the one that was recorded") as caught:
        release(exported)
    assert key in caught.value.where
    assert latest(exported) == before


def test_two_releases_at_once_do_not_disturb_each_other(exported: Workspace, at_failpoint: AtFailpoint) -> None:
    errors: list[LabelyardError] = []

    def second() -> None:
        try:
            release(exported)
        except LabelyardError as error:
            errors.append(error)

    at_failpoint(step, "release_dataset.uploading", second)
    assert release(exported).number == 1
    [error] = errors
    assert isinstance(error, LeaseTaken)
    assert "builds release 1 until" in error.what


def test_a_bucket_that_refuses_in_the_middle_leaves_the_last_release_and_the_next_call_goes_on(
    exported: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(exported)
    before = latest(exported)
    add_batch(exported, "5.jpg")
    write = exported.context.store.write

    def refusing(bucket: str, key: str, *rest: Any) -> str:
        if key.endswith("manifest.json"):
            raise StoreError("AccessDenied", where=key)
        return write(bucket, key, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(exported.context.store, "write", refusing)
        with pytest.raises(StoreError):
            release(exported)
    assert latest(exported) == before
    assert release(exported).number == 2


def test_a_release_that_the_ledger_does_not_know_is_not_overwritten(exported: Workspace) -> None:
    for number in (1, 2):
        release(exported)
        add_batch(exported, f"more-{number}.jpg")
    with exported.context.ledger.transaction() as tx:  # as a ledger has it that was restored from a backup
        tx.delete(releases.get(tx, "street", 2))
        tx.delete(releases.get(tx, "street", 1))
    before = {key: body(exported, key) for key in keys(exported)}
    with pytest.raises(InputError, match="the bucket has a release 2 that the ledger does not know") as caught:
        release(exported)
    assert "labelyard rebuild" in caught.value.next_step
    assert {key: body(exported, key) for key in keys(exported)} == before


def test_a_ledger_that_reads_the_releases_back_goes_on_with_the_same_ids_and_splits(
    exported: Workspace, tmp_path: Path
) -> None:
    exported.apply(release={"splits": {"train": 0.5, "val": 0.5, "test": 0}})
    for number in (1, 2):
        release(exported)
        add_batch(exported, f"more-{number}.jpg")
    with exported.context.ledger.transaction() as tx:  # as a ledger has it that was rebuilt
        rows = {number: releases.get(tx, "street", number) for number in (1, 2)}
        tx.execute(delete(ReleasedImage))
        for row in rows.values():
            tx.delete(row)
    assert [(one.dataset, one.number) for one in recover_releases(exported.context)] == [("street", 1), ("street", 2)]
    assert recover_releases(exported.context) == []
    with exported.context.ledger.read_only() as tx:
        for number, row in rows.items():
            found = releases.get(tx, "street", number)
            for name in ("previous", "prefix", "exports", "manifest_sha256", "images", "annotations"):
                assert getattr(found, name) == getattr(row, name), name
    exported.apply(release={"splits": {"train": 0, "val": 0.5, "test": 0.5}})
    assert release(exported).number == 3
    before, after = (images(folder(exported, tmp_path / str(number), number)) for number in (2, 3))
    assert len(after) == len(before) + 1
    assert before.items() <= after.items()


def test_a_run_that_lost_its_lease_stops_before_the_next_file(exported: Workspace, at_failpoint: AtFailpoint) -> None:
    def acquired_by_another() -> None:
        with exported.context.ledger.transaction() as tx:
            row = releases.unpublished(tx, "street")
            assert row
            row.leased_by, row.leased_until = "another run", tx.now + timedelta(minutes=1)

    at_failpoint(step, "release_dataset.uploading", acquired_by_another)
    with pytest.raises(LabelyardError, match="the lease ran out"):
        release(exported)
    assert len(keys(exported)) == 1


def test_a_release_of_the_next_number_that_the_ledger_lost_is_not_overwritten(exported: Workspace) -> None:
    release(exported)
    with exported.context.ledger.transaction() as tx:  # as a ledger has it that was restored from a backup
        tx.delete(releases.get(tx, "street", 1))
    add_batch(exported, "more.jpg")
    before = {key: body(exported, key) for key in keys(exported)}
    with pytest.raises(InputError, match="the bucket has a release 1 that the ledger does not know"):
        release(exported)
    assert {key: body(exported, key) for key in keys(exported)} == before


def test_after_an_error_the_next_call_plans_again_with_what_is_current_then(exported: Workspace) -> None:
    [key] = [
        one.key for one in exported.context.store.list(exported.bucket, "out/street-00001") if "extra" not in one.key
    ]
    content = body(exported, key)
    exported.s3.put_object(Bucket=exported.bucket, Key=key, Body=b"{}")
    with pytest.raises(InputError, match="another file was written over it"):
        release(exported)
    with exported.context.ledger.read_only() as tx:
        assert releases.unpublished(tx, "street") is None
    exported.s3.put_object(Bucket=exported.bucket, Key=key, Body=content)
    assert release(exported).number == 1


def test_a_wrong_bucket_can_be_corrected(exported: Workspace) -> None:
    exported.apply(release={"bucket": "no-such-bucket"})
    with pytest.raises(StoreError):
        release(exported)
    exported.apply(release={"bucket": exported.bucket})
    assert release(exported).number == 1
