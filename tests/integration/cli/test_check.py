"""`labelyard check`: a COCO file, those of a zip, a folder or a bucket, with their images, for people and programs."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from labelyard.cli import labelyard
from tests.support.coco_faults import Document, first, recorded, without
from tests.support.emulator import StoreServer
from tests.support.image_files import picture
from tests.support.paths import ROOT, recording

CASES = ROOT / "tests" / "cases" / "images"


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(labelyard, ["check", *arguments])


def found(*arguments: str) -> Document:
    document: Document = json.loads(run(*arguments, "--json").stdout)
    return document


def use(server: StoreServer, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"ENDPOINT_URL": server.url, "REGION": "us-east-1", "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}
    for name, value in values.items():
        monkeypatch.setenv(f"LABELYARD_STORE__{name}", value)


def write(path: Path, document: Document | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document or recorded()))
    return path


def faulty() -> Document:
    document = recorded()
    without("iscrowd")(document)
    return document


IS_CROWD = {
    "rule": "iscrowd", "severity": "error", "count": 1,
    "examples": ["annotation 1: its iscrowd is None, neither 0 nor 1"], "fixable": True,
}  # fmt: skip


# --- one file ---------------------------------------------------------------------------------------------------------


def test_a_fit_file_ends_with_status_0_and_a_faulty_one_with_1(tmp_path: Path) -> None:
    write(tmp_path / "good.json")
    write(tmp_path / "bad.json", faulty())
    assert run("good.json").exit_code == 0
    assert found("good.json") == {"fit": True, "faults": [], "images": 4, "annotations": 6, "fixed": []}
    assert run("bad.json").exit_code == 1
    assert found("bad.json") == {"fit": False, "faults": [IS_CROWD], "images": 4, "annotations": 6, "fixed": []}
    assert "error iscrowd: 1, --fix repairs it\n    annotation 1: its iscrowd" in run("bad.json").stdout


def test_a_warning_leaves_a_file_fit(tmp_path: Path) -> None:
    document = recorded()
    first(area=9)(document)
    write(tmp_path / "f.json", document)
    assert run("f.json").exit_code == 0
    answer = found("f.json")
    assert (answer["fit"], [one["severity"] for one in answer["faults"]]) == (True, ["warning"])


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no JSON at line 1"), (b'{"images": [', "no JSON at line 1"), (b"\x89PNG\r\n", "no text at byte 0")],
)
def test_an_unreadable_file_ends_with_status_2_and_says_where(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_bytes(content)
    answer = run("f.json", "--json")
    assert answer.exit_code == 2
    assert message in answer.stderr
    document = json.loads(answer.stdout)
    assert (document["fit"], document["faults"][0]["rule"]) == (False, "unreadable")
    assert "Traceback" not in answer.output


@pytest.mark.parametrize("arguments", [["absent.json"], ["."], ["empty.zip"], ["f.json", "--images", "absent"]])
def test_what_does_not_exist_ends_with_status_2(arguments: list[str], tmp_path: Path) -> None:
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    if "f.json" in arguments:
        write(tmp_path / "f.json")
    answer = run(*arguments)
    assert (answer.exit_code, answer.stderr[:11]) == (2, "labelyard: ")


def test_a_file_that_cannot_be_read_ends_with_status_2(tmp_path: Path) -> None:
    (tmp_path / "f.json").symlink_to("f.json")  # of a file without permissions root could read
    assert run("f.json").exit_code == 2


def test_fix_writes_a_corrected_copy_beside_and_checks_it(tmp_path: Path) -> None:
    path = write(tmp_path / "data" / "f.json", faulty())
    before = path.read_bytes()
    answer = found("data/f.json", "--fix")
    assert answer["faults"] == [IS_CROWD]
    (fixed,) = answer["fixed"]
    assert fixed == {"file": "data/f.fixed.json", "changes": {"iscrowd": 1}, "fit": True, "faults": [], "images": 4,
                     "annotations": 6}  # fmt: skip
    assert json.loads((tmp_path / "data" / "f.fixed.json").read_text()) == recorded()
    assert path.read_bytes() == before
    again = run("data/f.json", "--fix")
    assert again.exit_code == 2
    assert "data/f.fixed.json: it exists, and nothing is overwritten" in again.stderr


def test_fix_writes_nothing_where_nothing_can_be_repaired(tmp_path: Path) -> None:
    write(tmp_path / "f.json")
    assert run("f.json", "--fix").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["f.json"]


def test_every_rule_is_printed_with_what_it_is_good_for() -> None:
    lines = run("--rules").stdout.splitlines()
    assert any(line.startswith("swapped-sides (error): No image has its width") for line in lines)
    assert len(lines) > 40


def test_a_name_from_a_file_cannot_control_the_terminal(tmp_path: Path) -> None:
    document = recorded()
    document["images"][0] |= {"file_name": "\x1b[31m\u202e.jpg", "width": 0}
    write(tmp_path / "f.json", document)
    assert "\x1b[31m" not in run("f.json").stdout


# --- several files ----------------------------------------------------------------------------------------------------


def test_a_folder_has_the_totals_of_its_coco_files_and_examples_that_name_the_file(tmp_path: Path) -> None:
    write(tmp_path / "data" / "annotations" / "train.json", faulty())
    write(tmp_path / "data" / "annotations" / "val.json")
    write(tmp_path / "data" / "manifest.json", {"files": []})
    write(tmp_path / "data" / "annotations" / "train.extra.json", {"images": [], "categories": [], "tags": []})
    answer = found("data")
    assert (answer["images"], answer["annotations"]) == (8, 12)
    example = "annotations/train.json, annotation 1: its iscrowd is None, neither 0 nor 1"
    assert answer["faults"] == [IS_CROWD | {"examples": [example]}]
    assert "manifest.json: no COCO file, not checked" in run("data").stderr


def test_a_broken_file_in_a_folder_ends_with_status_2_and_the_others_are_checked(tmp_path: Path) -> None:
    write(tmp_path / "data" / "a.json")
    (tmp_path / "data" / "b.json").write_text('{"images": [')
    (tmp_path / "data" / "c.json").symlink_to("nowhere.json")
    answer = run("data", "--json")
    assert answer.exit_code == 2
    assert json.loads(answer.stdout)["images"] == 4
    assert "b.json: no JSON at line 1" in answer.stderr
    assert "c.json: the file cannot be read: No such file" in answer.stderr


def a_zip(path: Path, *members: tuple[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_the_members_of_a_zip_are_checked_and_none_is_unpacked_beside_it(tmp_path: Path) -> None:
    content = json.dumps(recording(488)["zip_json"]["annotations/instances_default.json"])
    a_zip(tmp_path / "task.zip", ("annotations/instances_default.json", content), ("images/a.jpg", b"x"))
    answer = run("task.zip", "--json")
    assert answer.exit_code == 0
    document = json.loads(answer.stdout)
    assert (document["images"], document["annotations"]) == (7, 6)
    assert [(one["rule"], one["count"]) for one in document["faults"]] == [("image-without-annotations", 3)]
    assert [path.name for path in tmp_path.iterdir()] == ["task.zip"]


def test_the_corrected_copy_of_a_member_is_written_beside_the_zip(tmp_path: Path) -> None:
    a_zip(tmp_path / "task.zip", ("annotations/f.json", json.dumps(faulty())))
    assert found("task.zip", "--fix")["fixed"][0]["file"] == "f.fixed.json"
    assert json.loads((tmp_path / "f.fixed.json").read_text()) == recorded()


@pytest.mark.parametrize("name", ["../f.json", "/f.json", "a/../../f.json", "..\\f.json", "C:\\f.json"])
def test_a_zip_with_a_path_that_leaves_its_folder_is_not_read(name: str, tmp_path: Path) -> None:
    a_zip(tmp_path / "z.zip", ("good.json", json.dumps(recorded())), (name, json.dumps(recorded())))
    answer = run("z.zip")
    assert answer.exit_code == 2
    assert "leaves the folder of the zip" in answer.stderr


def test_a_zip_bomb_an_encrypted_member_and_a_broken_zip_are_not_read(tmp_path: Path) -> None:
    a_zip(tmp_path / "bomb.zip", ("f.json", b" " * (30 << 20) + b"{}"))
    assert "it may be a zip bomb" in run("bomb.zip").stderr
    content = bytearray(a_zip(tmp_path / "z.zip", ("f.json", json.dumps(recorded()))).read_bytes())
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + flags] |= 1
    (tmp_path / "encrypted.zip").write_bytes(content)
    assert "encrypted.zip, f.json: the member is encrypted" in run("encrypted.zip").stderr
    (tmp_path / "broken.zip").write_bytes(content[:100])
    assert "not a readable zip file" in run("broken.zip").stderr
    assert {run(name).exit_code for name in ("bomb.zip", "encrypted.zip", "broken.zip")} == {2}


def test_a_file_and_a_folder_in_a_bucket_are_checked(
    store_server: StoreServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = store_server.new_bucket()
    use(store_server, monkeypatch)
    store_server.store.write(bucket, "sets/train.json", json.dumps(faulty()).encode())
    store_server.store.write(bucket, "sets/val.zip", a_zip(tmp_path / "v.zip", ("v.json", json.dumps(recorded()))))
    one = found(f"s3://{bucket}/sets/train.json", "--fix")
    assert (one["faults"], one["fixed"][0]["file"]) == ([IS_CROWD], "train.fixed.json")
    assert found(f"s3://{bucket}/sets/")["images"] == 8
    assert run(f"s3://{bucket}/sets/absent.json").exit_code == 2


# --- images -----------------------------------------------------------------------------------------------------------


def turned(size: tuple[int, int], orientation: int) -> bytes:
    image, out = Image.new("RGB", size), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


def with_images(folder: Path) -> Document:
    """A file with an image of every kind of fault, and their files."""
    folder.mkdir()
    (folder / "good.jpg").write_bytes(picture("JPEG"))
    (folder / "size.png").write_bytes(picture("PNG"))
    (folder / "side.jpg").write_bytes(turned((48, 64), 6))
    (folder / "exif.jpg").write_bytes(turned((64, 48), 3))
    shutil.copy(CASES / "hole.jpg", folder / "hole.jpg")
    names = ("good.jpg", "size.png", "side.jpg", "exif.jpg", "hole.jpg", "absent.jpg", "../good.jpg")
    images: list[dict[str, Any]] = [
        {"id": number, "file_name": name, "width": 64, "height": 48} for number, name in enumerate(names)
    ]
    images[1]["width"] = 63
    return {"images": images, "annotations": [], "categories": []}


IMAGE_FAULTS = {
    "image-path": ["image '../good.jpg'"],
    "missing-image": ["image 'absent.jpg'", "image '../good.jpg'"],
    "image-size-differs": ["image 'size.png'"],
    "swapped-sides": ["image 'side.jpg'"],
    "rotated-image": ["image 'exif.jpg'"],
    "broken-image": ["image 'hole.jpg'"],
}


def test_images_are_missing_broken_of_another_size_or_turned(tmp_path: Path) -> None:
    write(tmp_path / "f.json", with_images(tmp_path / "images"))
    answer = found("f.json", "--images", "images")
    wheres = {one["rule"]: [text.partition(":")[0] for text in one["examples"]] for one in answer["faults"]}
    assert wheres == IMAGE_FAULTS
    assert run("f.json", "--images", "images").exit_code == 1


def test_images_in_a_bucket_are_checked_too(
    store_server: StoreServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = store_server.new_bucket()
    use(store_server, monkeypatch)
    write(tmp_path / "f.json", with_images(tmp_path / "images"))
    for path in (tmp_path / "images").iterdir():
        store_server.store.write(bucket, f"raw/{path.name}", path)
    answer = found("f.json", "--images", f"s3://{bucket}/raw")
    wheres = {one["rule"]: [text.partition(":")[0] for text in one["examples"]] for one in answer["faults"]}
    assert wheres == IMAGE_FAULTS


# --- the dataset ------------------------------------------------------------------------------------------------------

DATASET = """
name: street
sources: [{bucket: street-raw}]
task: {labels: [person, car, tree]}
annotators: [ada]
export: {bucket: street-datasets, prefix: street/}
checks:
  annotations_per_image: {least: 2, severity: warning}
  annotations_per_class: {least: 2, severity: error}
"""


def test_a_dataset_file_adds_its_labels_and_checks(tmp_path: Path) -> None:
    (tmp_path / "street.yaml").write_text(DATASET)
    write(tmp_path / "f.json")
    answer = found("f.json", "--dataset", "street.yaml")
    assert {one["rule"]: (one["severity"], one["count"]) for one in answer["faults"]} == {
        "label-set": ("warning", 3),  # two ids that are exchanged, and tree
        "annotations-per-image": ("warning", 2),
        "annotations-per-class": ("error", 1),
    }
