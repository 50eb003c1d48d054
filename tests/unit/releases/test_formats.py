"""The other formats of a release: written from its COCO files, laid out for their readers, verified."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from labelyard.domain.splits import SplitRule
from labelyard.errors import InputError
from labelyard.formats import SPLIT_WRITERS
from labelyard.releases.layout import lay_out
from labelyard.releases.manifest import Manifest
from labelyard.releases.merging import MergeOptions, merge
from labelyard.releases.sources import SourceFile
from labelyard.releases.verification import verify
from tests.judges.dataset import OBJECTS
from tests.support.coco_files import document, write
from tests.support.dataset_writing import write as write_batch
from tests.support.pictures import picture

FORMATS = ("coco", "coco-keypoints", *SPLIT_WRITERS, "cvat:YOLO 1.1")
NAMES = ["in/a.jpg", "in/a.png", "in/b.v1.jpg", "images/c.jpg", "d.jpg"]
RULE = SplitRule({"train": 0.5, "val": 0.5})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "source.json", document(NAMES))


@pytest.fixture
def fetched(source: Path, tmp_path: Path) -> tuple[Path, Manifest]:
    """A release in every format, as `labelyard fetch` leaves it."""
    folder = tmp_path / "release"
    manifest = merge([SourceFile(source)], folder, MergeOptions(RULE, formats=FORMATS)).manifest
    for number, name in enumerate(NAMES):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    for name in SPLIT_WRITERS:
        lay_out(folder, manifest, name, ())
    return folder, manifest


def splits(folder: Path) -> dict[str, str]:
    lines = map(json.loads, (folder / "images.jsonl").read_text().splitlines())
    return {line["file_name"]: line["split"] for line in lines}


def test_yolo_readers_find_each_image_beside_its_label_file(fetched: tuple[Path, Manifest]) -> None:
    folder, _ = fetched
    own = folder / "yolo-detect"
    data = yaml.safe_load((own / "data.yaml").read_text("utf-8"))
    assert {"train": "train.txt", "val": "val.txt"}.items() <= data.items()
    listed = [line for split in ("train", "val") for line in (own / data[split]).read_text("utf-8").splitlines()]
    images = [own / line for line in listed]
    contents = [picture(number) for number in range(len(NAMES))]
    assert sorted(image.read_bytes() for image in images) == sorted(contents)
    for line in listed:  # as ultralytics finds the labels
        start, _, rest = line.rpartition("/images/")
        label = own / f"{start}/labels/{rest}".rsplit(".", 1)[0]
        assert len(label.with_name(f"{label.name}.txt").read_text().splitlines()) == 2
    assert (own / "images" / splits(folder)["d.jpg"] / "d.jpg").samefile(folder / "images" / "d.jpg")


def test_voc_has_a_list_of_each_split(fetched: tuple[Path, Manifest]) -> None:
    folder, _ = fetched
    listed = {
        split: (folder / f"voc/ImageSets/Main/{split}.txt").read_text("utf-8").splitlines()
        for split in ("train", "val")
    }
    assert all((folder / f"voc/Annotations/{one}.xml").is_file() for names in listed.values() for one in names)
    assert {len(names) for names in listed.values()} == {[*splits(folder).values()].count(one) for one in listed}


def test_hf_keeps_the_ids_of_coco(fetched: tuple[Path, Manifest]) -> None:
    folder, _ = fetched
    for split in ("train", "val"):
        rows = list(map(json.loads, (folder / "hf" / split / "metadata.jsonl").read_text().splitlines()))
        coco = json.loads((folder / f"annotations/instances_{split}.json").read_text())
        assert sorted(one for row in rows for one in row["objects"]["id"]) == sorted(
            one["id"] for one in coco["annotations"]
        )
        assert all((folder / "hf" / split / row["file_name"]).is_file() for row in rows)


def test_the_account_of_a_format_names_what_it_leaves_out(tmp_path: Path) -> None:
    write_batch("coco", OBJECTS, tmp_path)
    merged = merge([SourceFile(tmp_path / "street.json")], tmp_path / "release", MergeOptions(formats=FORMATS))
    drawn: dict[str, int] = {}
    for one in OBJECTS:
        drawn[one.kind] = drawn.get(one.kind, 0) + 1
    assert {name: entry.account for name, entry in merged.manifest.formats.items()}.keys() == {*FORMATS[1:-1]}
    for entry in merged.manifest.formats.values():
        account = entry.account
        assert {kind: sum(labels.values()) for kind, labels in account["drawn"].items()} == drawn
        assert all(one["reason"] and one["examples"] for one in account["left_out"])
    assert verify(tmp_path / "release").faults == ()


def test_the_same_content_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    one, two = (merge([SourceFile(source)], tmp_path / name, MergeOptions(RULE, formats=FORMATS)) for name in "ab")
    assert one.manifest == two.manifest
    assert any(entry.path == "formats/yolo-obb/val.tar" for entry in one.manifest.files)


def test_annotations_in_another_order_than_the_images_are_an_error(source: Path, tmp_path: Path) -> None:
    content = json.loads(source.read_text())
    content["annotations"].reverse()
    with pytest.raises(InputError, match="not in the order of the images"):
        merge([SourceFile(write(source, content))], tmp_path / "release", MergeOptions(formats=["voc"]))
    assert not (tmp_path / "release").exists()


def _label(folder: Path) -> Path:
    return next((folder / "yolo-detect" / "labels").rglob("d.txt"))


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # it may be a link to another file
    path.write_text(text)


CHANGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a label file": (
        lambda at: _write(_label(at), "0 1 1 1 1\n"),
        "yolo-detect/labels/SPLIT/d.txt: it is not the file",
    ),
    "a label file that is gone": (
        lambda at: _label(at).unlink(),
        "yolo-detect/labels/SPLIT/d.txt: the file is missing",
    ),
    "a file that all splits share": (lambda at: _write(at / "voc/labelmap.txt", ""), "voc/labelmap.txt: it is not"),
    "a file more": (lambda at: _write(at / "hf/more.jpg", ""), "hf/more.jpg: it is no file of the format"),
    "an image": (lambda at: _write(at / "voc/JPEGImages/d.jpg", ""), "voc/JPEGImages/d.jpg: it is not images/d.jpg"),
    "an archive": (lambda at: _write(at / "formats/voc/val.tar", ""), "formats/voc/val.tar: it has 0 bytes"),
}


def test_a_release_that_was_laid_out_is_intact(fetched: tuple[Path, Manifest]) -> None:
    folder, manifest = fetched
    before = {path: path.stat().st_ino for path in folder.rglob("*")}
    lay_out(folder, manifest, "yolo-pose", ())
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == before
    assert verify(folder).faults == ()


@pytest.mark.parametrize("what", CHANGES)
def test_verify_names_what_was_changed(what: str, fetched: tuple[Path, Manifest]) -> None:
    folder, _ = fetched
    change, expected = CHANGES[what]
    change(folder)
    [fault] = verify(folder).faults
    assert str(fault).startswith(expected.replace("SPLIT", splits(folder)["d.jpg"]))


def test_no_member_of_an_archive_leaves_the_folder(fetched: tuple[Path, Manifest]) -> None:
    folder, manifest = fetched
    for name in ("../../evil.txt", "/tmp/evil.txt"):
        with tarfile.open(folder / "formats/voc/val.tar", "w") as archive:
            entry = tarfile.TarInfo(name)
            archive.addfile(entry, io.BytesIO())
        with pytest.raises(InputError, match="leaves its folder"):
            lay_out(folder, manifest, "voc", ("val",))
    with tarfile.open(folder / "formats/voc/val.tar", "w") as archive:
        link = tarfile.TarInfo("Annotations")
        link.type, link.linkname = tarfile.SYMTYPE, "/tmp"
        archive.addfile(link)
    with pytest.raises(InputError, match="is no file"):
        lay_out(folder, manifest, "voc", ("val",))
