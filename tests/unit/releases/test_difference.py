"""What differs between two releases."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from labelyard.errors import InputError
from labelyard.releases.difference import compare
from labelyard.releases.merging import MergeOptions, merge
from labelyard.releases.sources import SourceFile
from tests.support.coco_files import document, documents, items, write

Change = Callable[[dict[str, Any]], object]


def release(folder: Path, name: str, content: dict[str, Any], previous: Path | None = None) -> Path:
    merge([SourceFile(write(folder / f"{name}.json", content))], folder / name, MergeOptions(previous=previous))
    return folder / name


def nothing(_content: dict[str, Any]) -> None:
    pass


def relabel(content: dict[str, Any]) -> None:
    content["annotations"][0]["category_id"] = 2


def counts(**found: int) -> dict[str, int]:
    return {kind: found.get(kind, 0) for kind in ("added", "removed", "changed")}


CHANGES: dict[str, tuple[Change, dict[str, int], dict[str, dict[str, int]]]] = {
    "nothing": (nothing, counts(), {}),
    "a box moved a little": (
        lambda c: c["annotations"][0].update(bbox=[1, 1, 9, 8]), counts(), {"car": counts(changed=1)},
    ),
    "a box moved far away": (
        lambda c: c["annotations"][0].update(bbox=[60, 60, 9, 8]), counts(), {"car": counts(added=1, removed=1)},
    ),
    "an attribute": (
        lambda c: c["annotations"][0].update(attributes={"n": 7}), counts(), {"car": counts(changed=1)},
    ),
    "another label": (relabel, counts(), {"car": counts(removed=1), "person": counts(added=1)}),
    "an annotation is gone": (lambda c: c["annotations"].pop(), counts(), {"person": counts(removed=1)}),
    "only its id": (lambda c: c["annotations"][0].update(id=99), counts(), {}),
    "a field of an image": (lambda c: c["images"][0].update(date_captured="2026"), counts(changed=1), {}),
    "an image": (
        lambda c: c["images"][0].update(file_name="z.jpg"), counts(added=1, removed=1),
        {"car": counts(added=1, removed=1), "person": counts(added=1, removed=1)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found_and_counted_by_label(name: str, tmp_path: Path) -> None:
    change, images, by_label = CHANGES[name]
    content = document(["a.jpg", "b.jpg"], labels=("car", "person"))
    old = release(tmp_path, "old", content)
    change(content)
    content["info"] = {"description": "another file"}
    new = release(tmp_path, "new", content, old)
    found = compare(old, new)
    assert found.document()["images"] == images | {"moved": 0}
    assert {label: counts(**one) for label, one in found.document()["by_label"].items()} == by_label
    assert found.is_empty == (name in ("nothing", "only its id"))
    assert json.loads((new / "changes.json").read_text()) == found.document()


def test_labels_that_were_added_removed_or_changed_are_named(tmp_path: Path) -> None:
    content = document(["a.jpg"], labels=("car", "person", "tree"))
    old = release(tmp_path, "old", content)
    content["categories"][0]["color"] = "red"
    content["categories"][1]["name"] = "pedestrian"
    found = compare(old, release(tmp_path, "new", content, old))
    assert found.labels == {"added": ["pedestrian"], "removed": ["person"], "changed": ["car"]}


def test_images_of_another_split_have_moved(tmp_path: Path) -> None:
    old = release(tmp_path, "old", document(["a.jpg", "b.jpg"]))
    new = release(tmp_path, "new", document(["a.jpg", "b.jpg"], info={}))
    (new / "annotations" / "instances_train.json").rename(new / "annotations" / "instances_val.json")
    found = compare(old, new)
    assert (found.images["moved"], found.examples["moved"]) == (2, ["a.jpg", "b.jpg"])


def test_a_first_release_has_added_everything(tmp_path: Path) -> None:
    first = release(tmp_path, "first", document(["a.jpg", "b.jpg"], labels=("car", "person")))
    found = json.loads((first / "changes.json").read_text())
    assert found["images"]["added"] == 2
    assert found["annotations"] == counts(added=4)
    assert found["labels"]["added"] == ["car", "person"]


@given(one=documents(), two=documents())
def test_annotations_that_are_in_both_are_neither_added_nor_removed(
    one: dict[str, Any], two: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("difference")
    found = compare(release(folder, "old", one), release(folder, "new", two)).annotations
    before, after = items(one), items(two)
    assert found["added"] + found["changed"] == (after - before).total()
    assert found["removed"] + found["changed"] == (before - after).total()
    back = compare(folder / "new", folder / "old").annotations
    assert Counter(added=back["removed"], removed=back["added"], changed=back["changed"]) == Counter(
        {kind: found[kind] for kind in ("added", "removed", "changed")}
    )


@pytest.mark.parametrize(
    "content", [b"{}", b'{"categories":[],\n"images":[\n5\n]}\n', b'{"categories":[],\n"annotations":[\n{"id":1}\n]}\n']
)
def test_files_that_no_release_has_are_an_error(content: bytes, tmp_path: Path) -> None:
    old = release(tmp_path, "old", document(["a.jpg"]))
    new = tmp_path / "new"
    (new / "annotations").mkdir(parents=True)
    (new / "annotations" / "instances_train.json").write_bytes(content)
    with pytest.raises(InputError):
        compare(old, new)
