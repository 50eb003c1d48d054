"""release_dataset: the current exports of a dataset become a release in the bucket that one can train on."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pycocotools.coco import COCO

from labelyard.domain.states import BatchState
from labelyard.ledger import releases
from labelyard.operations import manual
from labelyard.operations.explain import explain
from labelyard.operations.fetch_release import fetch, find_release
from labelyard.releases.verification import verify
from tests.support.pictures import picture
from tests.support.releasing import add_batch, body, folder, images, keys, latest, release
from tests.support.workspace import Workspace, ingest_and_export


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
    assert batch["warnings"] == []
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


def test_two_contents_of_one_key_are_two_images_with_names_of_their_own(exported: Workspace, tmp_path: Path) -> None:
    exported.put("1.jpg", picture(99))
    ingest_and_export(exported, exported.close_batch())
    assert release(exported).images == 5
    address = find_release(exported.context.store, f"s3://{exported.bucket}/releases/street/")
    found = fetch(exported.context.store, address, tmp_path / "f", (), lambda *_: None)
    lines = map(json.loads, (tmp_path / "f" / "images.jsonl").read_text().splitlines())
    names = {line["file_name"]: line["coco_url"].rpartition("/")[2] for line in lines}
    assert names.keys() == {"in/0.jpg", "in/1.jpg", "in/1-2.jpg", "in/2.jpg", "in/3.jpg"}
    assert names["in/1-2.jpg"] == "1.jpg"
    assert (tmp_path / "f" / "images" / "in" / "1-2.jpg").read_bytes() == picture(99)
    assert found.images == 4, "the first content is in the bucket no more"
    assert verify(tmp_path / "f").faults == ()


def test_keys_that_no_disk_can_hold_get_names_that_it_can(workspace: Workspace, tmp_path: Path) -> None:
    workspace.apply()
    for number, key in enumerate(
        ["12:30:05.jpg", "a\\b.jpg", "d.jpg", "d.jpg/x.jpg", f"{'x' * 240}.jpg", "\u3000.jpg"]
    ):
        workspace.put(key, picture(number))
    ingest_and_export(workspace, workspace.close_batch())
    assert release(workspace).images == 6
    address = find_release(workspace.context.store, f"s3://{workspace.bucket}/releases/street/")
    found = fetch(workspace.context.store, address, tmp_path / "f", (), lambda *_: None)
    assert (found.images, found.faults) == (6, ())
    assert verify(tmp_path / "f").faults == ()


def test_of_two_images_of_one_content_the_one_that_the_exports_have_is_in_it(workspace: Workspace) -> None:
    workspace.apply()
    for key in ("a.jpg", "z.jpg"):
        workspace.put(key, picture(ord(key[0])))
    ingest_and_export(workspace, workspace.close_batch())
    workspace.put("b.jpg", picture(ord("a")))
    batch = workspace.close_batch()
    ingest_and_export(workspace, batch)
    workspace.set_state("street-00001", BatchState.ASSIGNED)
    released = release(workspace)
    assert (released.images, released.left_out) == (1, {})


def test_a_dry_run_with_copies_says_that_nothing_has_changed(exported: Workspace) -> None:
    exported.apply(release={"images": "copy"})
    release(exported)
    assert not release(exported, dry_run=True).is_new


def test_a_reopened_batch_is_not_in_it(exported: Workspace) -> None:
    add_batch(exported, "5.jpg")
    exported.set_state("street-00001", BatchState.ASSIGNED)
    assert release(exported).images == 1


def test_a_release_is_rebuilt_byte_for_byte(exported: Workspace, tmp_path: Path) -> None:
    exported.apply(release={"report": True})
    release(exported)
    first = contents(folder(exported, tmp_path / "1"))
    for key in keys(exported):
        exported.s3.delete_object(Bucket=exported.bucket, Key=key)
    with exported.context.ledger.transaction() as tx:
        row = releases.get(tx, "street", 1)
        row.published_at = row.leased_until = None
    release(exported)
    assert "report.html" in first
    assert contents(folder(exported, tmp_path / "2")) == first


def test_it_has_no_report_if_the_dataset_wants_none(exported: Workspace) -> None:
    exported.apply(release={"report": False})
    assert "report.html" not in "".join(release(exported).warnings)
    assert "releases/street/1/report.html" not in keys(exported)


def contents(at: Path) -> dict[str, bytes]:
    return {str(path.relative_to(at)): path.read_bytes() for path in at.rglob("*") if path.is_file()}


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
    exported.put("copy.jpg", body(exported, "in/1.jpg"))
    ingest_and_export(exported, exported.close_batch())
    exported.put("other.jpg", picture(51))
    ingest_and_export(exported, exported.close_batch())
    assert release(exported).number == 3
    assert "in release 3 (since release 1): image " in why("1.jpg")
    assert f"as {exported.url('1.jpg')}, which has the same content: image " in why("copy.jpg")


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
