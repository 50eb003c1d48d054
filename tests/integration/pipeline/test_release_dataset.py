"""release_dataset: the current exports of a dataset become a release in the bucket that one can train on."""

from __future__ import annotations

import hashlib
import json
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pycocotools.coco import COCO

from labelyard.domain.states import BatchState
from labelyard.errors import InputError, LabelyardError, LeaseTaken, NotFound, StoreError
from labelyard.ledger import releases
from labelyard.operations import manual
from labelyard.operations.explain import explain
from labelyard.operations.fetch_release import fetch, find_release
from labelyard.pipeline import release_dataset as step
from labelyard.pipeline.release_dataset import Released, release_dataset
from labelyard.releases.verification import verify
from tests.support.pictures import picture
from tests.support.workspace import AtFailpoint, Workspace, ingest_and_export

SPLITS = {"release": {"splits": {"train": 0.5, "val": 0.25, "test": 0.25}}}


@pytest.fixture
def exported(workspace: Workspace) -> Workspace:
    """Four files in one exported batch."""
    workspace.apply(export={"prefix": "out"})
    add_batch(workspace, *(f"{n}.jpg" for n in range(4)))
    return workspace


def add_batch(workspace: Workspace, *files: str) -> str:
    for file in files:
        workspace.put(file, picture(sum(file.encode())))
    batch = workspace.close_batch()
    ingest_and_export(workspace, batch)
    return batch


def release(workspace: Workspace, **options: Any) -> Released:
    return release_dataset(workspace.context, "street", **options)


def folder(workspace: Workspace, to: Path, number: int = 1) -> Path:
    """Return a folder with the files of a release in the bucket, as any S3 client writes them."""
    prefix = f"releases/street/{number}/"
    for key in keys(workspace, prefix):
        path = to / key.removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body(workspace, key))
    return to


def keys(workspace: Workspace, prefix: str = "releases/") -> list[str]:
    return [one.key for one in workspace.context.store.list(workspace.bucket, prefix)]


def body(workspace: Workspace, key: str) -> bytes:
    found: bytes = workspace.s3.get_object(Bucket=workspace.bucket, Key=key)["Body"].read()
    return found


def latest(workspace: Workspace) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body(workspace, "releases/street/latest.json"))
    return found


def images(at: Path) -> dict[str, tuple[int, str]]:
    """Return id and split of each image by its file name."""
    lines = map(json.loads, (at / "images.jsonl").read_text().splitlines())
    return {line["file_name"]: (line["id"], line["split"]) for line in lines}


def test_a_release_has_every_image_and_annotation_of_the_current_exports(exported: Workspace, tmp_path: Path) -> None:
    add_batch(exported, "5.jpg", "6.jpg")
    released = release(exported)
    assert (released.number, released.images, released.annotations, released.is_new) == (1, 6, 6, True)
    at = folder(exported, tmp_path / "release")
    assert verify(at).faults == ()
    assert subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=at, check=False, capture_output=True).returncode == 0
    found = {file.stem: COCO(str(file)) for file in (at / "annotations").glob("*.json")}
    assert sum(len(coco.imgs) for coco in found.values()) == sum(len(coco.anns) for coco in found.values()) == 6
    assert latest(exported)["prefix"] == "releases/street/1/"
    assert latest(exported)["manifest_sha256"] == hashlib.sha256((at / "manifest.json").read_bytes()).hexdigest()


def test_the_passport_says_where_each_image_and_annotation_comes_from(exported: Workspace, tmp_path: Path) -> None:
    release(exported)
    at = folder(exported, tmp_path / "release")
    lines = [json.loads(line) for line in (at / "passport.jsonl").read_text().splitlines()]
    [batch] = [line for line in lines if "task_id" in line]
    assert (batch["batch"], batch["generation"], batch["cvat"]) == ("street-00001", 1, "default")
    [job] = batch["jobs"]
    assert isinstance(job["assignee"], int)
    of_images = [line for line in lines if "file_name" in line]
    assert {line["registered_via"] for line in of_images} == {"sweep"}
    of_annotations = [line for line in lines if "annotation" in line]
    assert {(line["job"], line["annotator"]) for line in of_annotations} == {(job["id"], job["assignee"])}
    assert {line["image"] for line in of_annotations} == {line["image"] for line in of_images}


def test_people_have_their_names_if_the_dataset_says_so(exported: Workspace, tmp_path: Path) -> None:
    exported.apply(release={"people": "names"})
    release(exported)
    text = (folder(exported, tmp_path / "release") / "passport.jsonl").read_text()
    assert '"assignee":"ann"' in text
    assert '"annotator":"ann"' in text


def test_the_card_names_licence_contact_and_labels(exported: Workspace, tmp_path: Path) -> None:
    exported.apply(release={"licence": "CC-BY-4.0", "contact": "data@example.com | <b>"})
    release(exported)
    card = (folder(exported, tmp_path / "release") / "README.md").read_text()
    assert "`CC-BY-4.0`" in card
    assert "`data@example.com \\| <b>`" in card
    assert "| `car` | 1 |" in card


def test_a_new_batch_changes_no_id_and_moves_no_image(exported: Workspace, tmp_path: Path) -> None:
    release(exported)
    add_batch(exported, *(f"new-{n}.jpg" for n in range(3)))
    second = release(exported)
    assert (second.number, second.images) == (2, 7)
    before, after = images(folder(exported, tmp_path / "1")), images(folder(exported, tmp_path / "2", 2))
    assert before.items() <= after.items()
    assert verify(tmp_path / "2").faults == ()
    changes = json.loads((tmp_path / "2" / "changes.json").read_text())
    assert changes["images"] == {"added": 3, "removed": 0, "changed": 0, "moved": 0}


def test_other_fractions_move_no_image_that_was_released(exported: Workspace, tmp_path: Path) -> None:
    release(exported)
    exported.apply(release={"splits": {"train": 0, "val": 0, "test": 1}})
    add_batch(exported, "9.jpg")
    release(exported)
    before, after = images(folder(exported, tmp_path / "1")), images(folder(exported, tmp_path / "2", 2))
    assert before.items() <= after.items()
    assert {split for name, (_, split) in after.items() if name not in before} == {"test"}


def test_an_image_that_was_absent_returns_to_its_split(exported: Workspace, tmp_path: Path) -> None:
    release(exported)
    add_batch(exported, "5.jpg")
    exported.set_state("street-00001", BatchState.ASSIGNED)
    release(exported)
    exported.apply(release={"splits": {"train": 0, "val": 0, "test": 1}})
    exported.set_state("street-00001", BatchState.EXPORTED)
    release(exported)
    before, after = images(folder(exported, tmp_path / "1")), images(folder(exported, tmp_path / "3", 3))
    assert len(before) == 4
    assert before.items() <= after.items()


def test_without_a_change_there_is_no_other_release(exported: Workspace) -> None:
    first = release(exported)
    again = release(exported)
    assert (again.number, again.is_new, again.url) == (1, False, first.url)
    assert not [key for key in keys(exported) if "/2/" in key]
    add_batch(exported, "5.jpg")
    assert release(exported).number == 2


def test_a_dry_run_says_what_would_be_in_it_and_writes_nothing(exported: Workspace) -> None:
    planned = release(exported, dry_run=True)
    assert (planned.number, planned.images, planned.is_new) == (1, 4, True)
    assert keys(exported) == []
    with exported.context.ledger.read_only() as tx:
        assert releases.unpublished(tx, "street") is None


def test_a_quarantined_object_is_left_out_with_the_reason(exported: Workspace, tmp_path: Path) -> None:
    manual.quarantine(exported.context, exported.url("2.jpg"), "blurred")
    exported.set_state("street-00001", BatchState.EXPORTED)
    released = release(exported)
    assert (released.images, released.left_out) == (3, {"quarantined": 1})
    assert "in/2.jpg" not in images(folder(exported, tmp_path / "release"))


def test_the_same_content_under_two_keys_is_in_it_once(workspace: Workspace, tmp_path: Path) -> None:
    workspace.apply()
    for key in ("a.jpg", "b.jpg"):
        workspace.put(key, picture(7))
    ingest_and_export(workspace, workspace.close_batch())
    released = release(workspace)
    assert (released.images, released.left_out) == (1, {"the same content as another image": 1})
    assert images(folder(workspace, tmp_path / "release")).keys() == {"in/a.jpg"}


def test_a_reopened_batch_is_not_in_it(exported: Workspace) -> None:
    add_batch(exported, "5.jpg")
    exported.set_state("street-00001", BatchState.ASSIGNED)
    assert release(exported).images == 1


def test_a_release_is_rebuilt_byte_for_byte(exported: Workspace, tmp_path: Path) -> None:
    release(exported)
    first = {path: (folder(exported, tmp_path / "1") / path).read_bytes() for path in relative_paths(tmp_path / "1")}
    for key in keys(exported):
        exported.s3.delete_object(Bucket=exported.bucket, Key=key)
    with exported.context.ledger.transaction() as tx:
        row = releases.get(tx, "street", 1)
        row.published_at = row.leased_until = None
    release(exported)
    again = {path: (folder(exported, tmp_path / "2") / path).read_bytes() for path in relative_paths(tmp_path / "2")}
    assert again == first


def relative_paths(at: Path) -> list[str]:
    return sorted(str(path.relative_to(at)) for path in at.rglob("*") if path.is_file())


def test_it_is_signed_where_there_is_a_key(exported: Workspace, tmp_path: Path) -> None:
    key = tmp_path / "release.key"
    private = Ed25519PrivateKey.generate()
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    exported.context.settings.release_key = key
    release(exported)
    at = folder(exported, tmp_path / "release")
    assert verify(at).faults == verify(at, private.public_key()).faults == ()
    [fault] = verify(at, Ed25519PrivateKey.generate().public_key()).faults
    assert str(fault) == "manifest.json.sig: it is not that of manifest.json by the given key"
    (at / "manifest.json").write_bytes((at / "manifest.json").read_bytes() + b" ")
    assert "it is not that of manifest.json" in {fault.message for fault in verify(at).faults}
    (at / "manifest.json.sig").unlink()
    assert "the release is not signed" in {fault.message for fault in verify(at, private.public_key()).faults}


def test_why_names_the_releases_of_an_object_and_the_reason_where_it_is_in_none(exported: Workspace) -> None:
    def why(key: str) -> str:
        [found] = explain(exported.context, exported.url(key))
        return found.now[-1]

    released = release(exported)
    assert why("1.jpg").startswith(f"in release {released.number} (for the first time): image ")
    exported.put("new.jpg", picture(50))
    batch = exported.close_batch()
    assert why("new.jpg") == (
        f"not in release 1: batch {batch} was not exported as coco when the release began; it is closed"
    )
    ingest_and_export(exported, batch)
    manual.quarantine(exported.context, exported.url("2.jpg"), "blurred")
    exported.set_state("street-00001", BatchState.EXPORTED)
    assert release(exported).number == 2
    assert "in release 2 (since release 1)" in why("1.jpg")
    assert why("2.jpg") == "not in release 2, last in release 1: it is quarantined"


def test_copies_of_the_images_stay_when_the_originals_go(exported: Workspace, tmp_path: Path) -> None:
    exported.apply(release={"images": "copy"})
    release(exported)
    copies = keys(exported, "releases/street/images/")
    assert len(copies) == 4
    add_batch(exported, "5.jpg")
    for n in range(4):
        exported.s3.delete_object(Bucket=exported.bucket, Key=f"in/{n}.jpg")
    assert release(exported).images == 5
    assert set(copies) < set(keys(exported, "releases/street/images/"))
    address = find_release(exported.context.store, f"s3://{exported.bucket}/releases/street/")
    found = fetch(exported.context.store, address, tmp_path / "fetched", (), lambda *_: None)
    assert (found.images, found.faults) == (5, ())
    assert (tmp_path / "fetched" / "images" / "in" / "2.jpg").read_bytes() == picture(sum(b"2.jpg"))


def test_an_original_that_is_gone_before_it_was_copied_is_left_out_with_the_reason(exported: Workspace) -> None:
    exported.apply(release={"images": "copy"})
    exported.s3.delete_object(Bucket=exported.bucket, Key="in/2.jpg")
    assert release(exported).left_out == {"it cannot be copied: the object was deleted": 1}


# --- what goes wrong --------------------------------------------------------------------------------------------------


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
    with pytest.raises(InputError, match="its SHA-256 is not that of the ledger") as caught:
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
    with pytest.raises(InputError, match="the bucket has release 2 already") as caught:
        release(exported)
    assert "release.prefix" in caught.value.next_step
    assert {key: body(exported, key) for key in keys(exported)} == before


def test_a_run_that_lost_its_lease_stops_before_the_next_file(exported: Workspace, at_failpoint: AtFailpoint) -> None:
    def taken_over() -> None:
        with exported.context.ledger.transaction() as tx:
            row = releases.unpublished(tx, "street")
            assert row
            row.leased_by, row.leased_until = "another run", tx.now + timedelta(minutes=1)

    at_failpoint(step, "release_dataset.uploading", taken_over)
    with pytest.raises(LabelyardError, match="the lease ran out"):
        release(exported)
    assert len(keys(exported)) == 1
