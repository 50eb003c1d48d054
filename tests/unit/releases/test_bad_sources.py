"""What cannot be merged is an error that names the file, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labelyard.errors import InputError
from labelyard.releases import merging
from labelyard.releases.merging import MergeOptions, merge
from labelyard.releases.sources import SourceFile
from labelyard.releases.verification import verify
from tests.support.coco_files import document, write


def merge_into(folder: Path, *paths: Path, previous: Path | None = None) -> None:
    merge([SourceFile(path) for path in paths], folder, MergeOptions(previous=previous))


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    content = document(["a.jpg"], labels=("car",))
    change(content)
    return content


def with_category(**fields: Any) -> dict[str, Any]:
    return changed(lambda content: content["categories"][0].update(fields))


CONTRADICTIONS = {
    "supercategory": (with_category(supercategory="vehicle"), ["'car' has the supercategory", "vehicle"]),
    "keypoints": (with_category(keypoints=["head"]), ["'car' has the keypoints", "head"]),
    "size": (
        changed(lambda content: content["images"][0].update(width=99)),
        ["a.jpg: it has", "99 x 100", "100 x 100"],
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_files_that_contradict_each_other_are_both_named(name: str, tmp_path: Path) -> None:
    content, words = CONTRADICTIONS[name]
    one, two = write(tmp_path / "one.json", document(["a.jpg"])), write(tmp_path / "two.json", content)
    with pytest.raises(InputError) as caught:
        merge_into(tmp_path / "release", one, two)
    text = str(caught.value)
    assert str(one) in text
    assert str(two) in text
    assert "next: " in text
    assert all(word in text for word in words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.json", "two.json"]


def test_no_pipe_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "one.json")
    with pytest.raises(InputError, match="it is no file, but a pipe"):
        merge_into(tmp_path / "release", tmp_path / "one.json")


@pytest.mark.parametrize("field", ["etag", "coco_url", "sha256"])
def test_two_contents_of_one_name_are_refused(field: str, tmp_path: Path) -> None:
    paths = []
    for number in range(2):
        content = document(["a.jpg"])
        content["images"][0][field] = f"{number}"
        paths.append(write(tmp_path / f"{number}.json", content))
    with pytest.raises(InputError, match=rf"its {field} is . here, . in .*: two contents of one name"):
        merge_into(tmp_path / "release", *paths)
    paths[1] = write(tmp_path / "2.json", document(["a.jpg"], boxes_on_each=1))
    merge_into(tmp_path / "release", *paths[::2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a COCO document"),
        (b"[]", "not a COCO document"),
        (b"\xff\xfe", "not a COCO document"),
        (b'{"images": {}}', "images is not a list"),
        (b'{"images": []}', "annotations is missing"),
        (b'{"images": [], "annotations": [], "categories": [{"id": "1", "name": "car"}]}', "whole number as id"),
        (json.dumps(changed(lambda c: c["annotations"][0].update(id="x"))).encode(), "its id must be a whole number"),
        (json.dumps(changed(lambda c: c["annotations"][0].update(image_id=7))).encode(), "image 7 is not among"),
        (json.dumps(changed(lambda c: c["images"][0].update(file_name=5))).encode(), "has no file_name"),
        (json.dumps(changed(lambda c: c["images"][0].update(file_name="\ud800"))).encode(), "not a COCO document"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good.json", document(["a.jpg"])), tmp_path / "bad.json"
    bad.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        merge_into(tmp_path / "release", good, bad)
    assert "bad.json" in str(caught.value)
    assert f"labelyard check {bad}" in str(caught.value)
    assert not (tmp_path / "release").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda c: (c["images"][0].update(id=2**70), [one.update(image_id=2**70) for one in c["annotations"]]),
        lambda c: (c["categories"][0].update(id=2**70), [one.update(category_id=2**70) for one in c["annotations"]]),
        lambda c: c["annotations"][0].update(note=json.loads("[" * 900 + "]" * 900)),
        lambda c: c["images"][0].update(license=[1]),
        lambda c: c["images"][0].update(license=2**70, size="large", sha256=5, etag=[1]),
        lambda c: c.update(licenses=[5, {"id": "x"}, {"id": 1, "name": [2]}], info=[]),
        lambda c: c["categories"][0].update(keypoints=5, type="points"),
        lambda c: c["categories"][0].update(keypoints=["1"], type="points") or c["annotations"][0].update(keypoints=5),
    ],
)
def test_unusual_values_are_merged_or_an_error_that_names_the_file(
    change: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    path = write(tmp_path / "unusual.json", changed(change))
    errors = []
    try:
        merge_into(tmp_path / "release", path)
    except InputError as error:
        errors.append(str(error))
    assert all(str(path) in error for error in errors)
    assert (tmp_path / "release").exists() == (not errors)
    assert errors or verify(tmp_path / "release").faults == ()


def test_nesting_without_an_end_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text(json.dumps(document(["a.jpg"])).replace('"n": 0', '"n": ' + "[" * 200_000 + "]" * 200_000))
    with pytest.raises(InputError, match="not a COCO document"):
        merge_into(tmp_path / "release", path)


def test_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file to merge"):
        merge([], tmp_path / "release")


def test_a_file_that_is_named_twice_is_an_error(tmp_path: Path) -> None:
    one = write(tmp_path / "one.json", document(["a.jpg"]))
    copy = write(tmp_path / "copy.json", document(["a.jpg"]))
    for other in (one, copy):
        with pytest.raises(InputError, match=r"same content as .*one\.json: name it once"):
            merge_into(tmp_path / "release", one, other)


EXTRAS = {
    "another image": {"images": [{"id": 0, "file_name": "b.jpg"}]},
    "an image without id": {"images": [{"file_name": "b.jpg"}]},
    "an unknown image": {"images": [{"id": 5, "file_name": "a.jpg"}]},
    "no list": {"tags": {}},
    "an unknown category": {"tags": [{"id": 1, "image_id": 0, "category_id": 9}]},
    "an unknown image of a tag": {"tags": [{"id": 1, "image_id": 9, "category_id": 1}]},
    "a tag without image": {"tags": [{"id": 1, "category_id": 1}]},
    "no object": {"tags": [5]},
}


@pytest.mark.parametrize("name", EXTRAS)
def test_an_extra_file_that_does_not_fit_is_named(name: str, tmp_path: Path) -> None:
    main = write(tmp_path / "a.json", document(["a.jpg"]))
    extra = write(tmp_path / "a.extra.json", EXTRAS[name])
    with pytest.raises(InputError) as caught:
        merge_into(tmp_path / "release", main)
    assert caught.value.where == str(extra)


def test_a_folder_that_is_not_empty_stays_as_it_is(tmp_path: Path) -> None:
    one = write(tmp_path / "one.json", document(["a.jpg"]))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty: nothing of a release is overwritten"):
        merge_into(tmp_path / "full", one)
    with pytest.raises(InputError, match="there is a file of this name"):
        merge_into(one, one)
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    merge_into(tmp_path / "empty", one)
    assert (tmp_path / "empty" / "manifest.json").exists()


def test_a_disk_that_refuses_is_named(tmp_path: Path) -> None:
    one = write(tmp_path / "one.json", document(["a.jpg"]))
    with pytest.raises(InputError, match="cannot be written") as caught:
        merge_into(one / "below" / "a file", one)
    assert str(one) in str(caught.value)


def test_a_full_disk_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    one = write(tmp_path / "one.json", document([f"{n}.jpg" for n in range(200)]))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # Python turns the signal into an OSError
    try:
        with pytest.raises(InputError, match="File too large"):
            merge_into(tmp_path / "release", one)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["one.json"]


def test_a_source_that_changes_meanwhile_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = write(tmp_path / "one.json", document(["a.jpg"]))
    unite = merging.unite_licenses

    def change(sources: Any) -> Any:
        write(one, document(["a.jpg", "b.jpg"]))
        return unite(sources)

    monkeypatch.setattr(merging, "unite_licenses", change)
    with pytest.raises(InputError, match="changed while it was merged"):
        merge_into(tmp_path / "release", one)
    assert not (tmp_path / "release").exists()


def test_another_process_that_writes_the_same_release_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = write(tmp_path / "one.json", document(["a.jpg"]))
    unite = merging.unite_licenses
    errors = []

    def merge_at_the_same_time(sources: Any) -> Any:
        monkeypatch.setattr(merging, "unite_licenses", unite)
        with pytest.raises(InputError, match="another process is writing this release") as caught:
            merge_into(tmp_path / "release", one)
        errors.append(caught.value)
        return unite(sources)

    monkeypatch.setattr(merging, "unite_licenses", merge_at_the_same_time)
    merge_into(tmp_path / "release", one)
    assert len(errors) == 1
    assert (tmp_path / "release" / "manifest.json").exists()


def test_a_previous_folder_that_is_no_release_or_was_changed_is_an_error(tmp_path: Path) -> None:
    one = write(tmp_path / "one.json", document(["a.jpg"]))
    with pytest.raises(InputError, match="no such folder"):
        merge_into(tmp_path / "second", one, previous=tmp_path / "absent")
    with pytest.raises(InputError, match=r"no release: it has no manifest\.json"):
        merge_into(tmp_path / "second", one, previous=tmp_path)
    first = tmp_path / "first"
    merge_into(first, one)
    with (first / "images.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(InputError, match=r"images\.jsonl: it has .* bytes instead of .*") as caught:
        merge_into(tmp_path / "second", one, previous=first)
    assert caught.value.next_step == f"labelyard verify {first}"
    merge_into(tmp_path / "other", one)
    manifest = tmp_path / "other" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"car": 1', '"car": 2'))
    with pytest.raises(InputError, match=r"manifest\.json: its SHA-256 is not that of SHA256SUMS"):
        merge_into(tmp_path / "second", one, previous=tmp_path / "other")
    assert not (tmp_path / "second").exists()


def test_no_name_of_a_source_is_a_path_of_this_machine(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"batch{n}" / "instances_default.json", document([f"{n}.jpg"])) for n in range(2)]
    paths.append(write(tmp_path / "other.json", document(["other.jpg"])))
    merge_into(tmp_path / "release", *paths)
    manifest = json.loads((tmp_path / "release" / "manifest.json").read_text("ascii"))
    names = sorted(one["name"] for one in manifest["sources"])
    assert names == ["batch0/instances_default.json", "batch1/instances_default.json", "other.json"]
    for path in (tmp_path / "release").rglob("*"):
        assert path.is_dir() or os.fsencode(tmp_path) not in path.read_bytes()


def test_nothing_is_written_into_a_release(tmp_path: Path) -> None:
    one = write(tmp_path / "one.json", document(["a.jpg"]))
    merge_into(tmp_path / "release", one)
    with pytest.raises(InputError, match="it is in the release"):
        merge_into(tmp_path / "release" / "below", one)
