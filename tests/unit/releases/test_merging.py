"""Merging COCO files: everything is there, ids are unique and stay, and the bytes depend on the content alone."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from labelyard.domain.splits import SplitRule
from labelyard.releases.difference import Difference
from labelyard.releases.ids import BITS
from labelyard.releases.manifest import Manifest
from labelyard.releases.merging import MergeOptions, merge
from labelyard.releases.sources import Placement, SourceFile
from labelyard.releases.verification import verify
from tests.support.coco_files import (
    Item,
    content_of,
    document,
    documents,
    ids_of,
    items,
    merged_items,
    splits_of,
    write,
)

BITS_THAT_COLLIDE = 8

rules = st.sampled_from([SplitRule(), SplitRule({"train": 0.5, "val": 0.5}), SplitRule({"a": 0.3, "b": 0.7}, "folder")])
several = st.lists(documents(), min_size=1, max_size=4, unique_by=lambda content: json.dumps(content, sort_keys=True))


def sources(folder: Path, contents: list[dict[str, Any]]) -> list[SourceFile]:
    return [SourceFile(write(folder / f"{number}.json", content)) for number, content in enumerate(contents)]


def released(folder: Path) -> Counter[Item]:
    return sum((items(content) for content in splits_of(folder).values()), Counter())


@given(contents=several, rule=rules, bits=st.sampled_from([BITS, BITS_THAT_COLLIDE]))
def test_everything_is_there_and_ids_are_unique(
    contents: list[dict[str, Any]], rule: SplitRule, bits: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    merge(sources(folder, contents), folder / "release", MergeOptions(rule, bits=bits))
    assert released(folder / "release") == merged_items(contents)
    found = splits_of(folder / "release")
    assert sorted(found) == sorted(rule.fractions)
    names = [one["file_name"] for content in found.values() for one in content["images"]]
    assert sorted(names) == sorted({one["file_name"] for content in contents for one in content["images"]})
    for part in ("images", "annotations"):
        numbers = [one["id"] for content in found.values() for one in content[part]]
        assert len(set(numbers)) == len(numbers)
        assert all(0 < number < 2**bits for number in numbers)
    assert verify(folder / "release").faults == ()


@given(contents=several, rule=rules, chance=st.randoms(use_true_random=False))
def test_the_same_content_gives_the_same_bytes_in_any_order_and_folder(
    contents: list[dict[str, Any]], rule: SplitRule, chance: random.Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two") / "deeper"
    merge(sources(one, contents), one / "release", MergeOptions(rule))
    others = sources(two, contents)
    chance.shuffle(others)
    merge(others, two / "another name", MergeOptions(rule))
    assert content_of(one / "release") == content_of(two / "another name")


@given(
    contents=several, added=documents(), rule=rules, later=rules, bits=st.sampled_from([BITS, BITS_THAT_COLLIDE]),
    chance=st.randoms(use_true_random=False),
)  # fmt: skip
def test_a_new_file_changes_no_earlier_id_and_moves_no_image(
    contents: list[dict[str, Any]], added: dict[str, Any], rule: SplitRule, later: SplitRule, bits: int,
    chance: random.Random, tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("merge")
    first, second = folder / "first", folder / "second"
    merge(sources(folder, contents), first, MergeOptions(rule, bits=bits))
    every = sources(folder / "all", [*contents, added] if added not in contents else contents)
    chance.shuffle(every)
    merge(every, second, MergeOptions(later, previous=first, bits=bits))
    before, after = ids_of(first), ids_of(second)
    assert all(set(numbers) <= set(after[key]) for key, numbers in before.items())
    images = ids_of(second, "images")
    assert all(images[name] == numbers for name, numbers in ids_of(first, "images").items())
    for split, content in splits_of(first).items():
        stayed = {one["id"] for one in splits_of(second)[split]["images"]}
        assert {one["id"] for one in content["images"]} <= stayed
    labels = {one["name"]: one["id"] for one in splits_of(second).popitem()[1]["categories"]}
    for one in splits_of(first).popitem()[1]["categories"]:
        assert labels[one["name"]] == one["id"]
    assert verify(second).faults == ()


def test_ids_that_were_given_once_stay_where_ids_collide(tmp_path: Path) -> None:
    first, second, alone = (tmp_path / name for name in ("first", "second", "alone"))
    old = document([f"{n}.jpg" for n in range(60)], boxes_on_each=1)
    new = document([f"new/{n}.jpg" for n in range(60)], boxes_on_each=1)
    manifest = merge(sources(tmp_path / "1", [old]), first, MergeOptions(bits=BITS_THAT_COLLIDE)).manifest
    assert manifest.ids.images
    assert manifest.ids.annotations
    both = sources(tmp_path / "2", [new, old])
    later = merge(both, second, MergeOptions(previous=first, bits=BITS_THAT_COLLIDE)).manifest
    merge(both, alone, MergeOptions(bits=BITS_THAT_COLLIDE))
    for part in ("images", "annotations"):
        before, after, without = (ids_of(folder, part) for folder in (first, second, alone))
        assert {key: after[key] for key in before} == before
        assert {key: without[key] for key in before} != before, "nothing would have moved"
    assert manifest.ids.images.items() <= later.ids.images.items()
    assert manifest.ids.annotations.items() <= later.ids.annotations.items()


def test_annotations_and_images_keep_every_byte_but_their_ids(tmp_path: Path) -> None:
    content = document(["a.jpg"], boxes_on_each=1, info={"year": 2026})
    content["images"][0]["date_captured"] = "2026-01-01"
    text = json.dumps(content).replace('"area": 72', '"area": 72.00000000000000001, "score": 1e-3')
    (tmp_path / "a.json").write_text(text)
    merge([SourceFile(tmp_path / "a.json")], tmp_path / "release")
    written = (tmp_path / "release" / "annotations" / "instances_train.json").read_text()
    assert '"area":72.00000000000000001,"score":1e-3,' in written
    assert '"date_captured":"2026-01-01"' in written


def test_pycocotools_loads_the_result(tmp_path: Path) -> None:
    contents = [document([f"{batch}/{n}.jpg" for n in range(5)], labels=("car", "person")) for batch in range(3)]
    rule = SplitRule({"train": 0.5, "val": 0.5})
    merge(sources(tmp_path, contents), tmp_path / "release", MergeOptions(rule))
    loaded = [COCO(str(path)) for path in (tmp_path / "release" / "annotations").iterdir()]
    assert sum(len(coco.getImgIds()) for coco in loaded) == 15
    assert sum(len(coco.getAnnIds(imgIds=coco.getImgIds(), catIds=coco.getCatIds())) for coco in loaded) == 30


def test_an_image_in_two_files_is_one_and_equal_annotations_are_written_once(tmp_path: Path) -> None:
    one, two = document(["a.jpg"], boxes_on_each=2), document(["a.jpg", "b.jpg"], boxes_on_each=3)
    merged = merge(sources(tmp_path, [one, two]), tmp_path / "release")
    [content] = splits_of(tmp_path / "release").values()
    assert [image["file_name"] for image in content["images"]] in (["a.jpg", "b.jpg"], ["b.jpg", "a.jpg"])
    assert len(content["annotations"]) == 6
    assert merged.manifest.annotations.duplicates == 2
    assert merged.manifest.annotations.balances


def test_equal_annotations_of_one_file_stay_apart(tmp_path: Path) -> None:
    content = document(["a.jpg"], boxes_on_each=1)
    content["annotations"] = [{**content["annotations"][0], "id": number} for number in range(1, 4)]
    merged = merge(sources(tmp_path, [content]), tmp_path / "release")
    assert released(tmp_path / "release").total() == 3
    assert merged.manifest.annotations.duplicates == 0


def test_ids_of_categories_are_those_of_the_files_where_they_agree(tmp_path: Path) -> None:
    one = document(["a.jpg"], labels=("car",))
    one["categories"][0]["id"] = 17
    for annotation in one["annotations"]:
        annotation["category_id"] = 17
    two = document(["b.jpg"], labels=("person",))
    two["categories"][0]["id"] = 44
    for annotation in two["annotations"]:
        annotation["category_id"] = 44
    merged = merge(sources(tmp_path, [one, two]), tmp_path / "release")
    assert merged.manifest.categories == {"car": 17, "person": 44}


def test_the_id_of_a_label_that_is_gone_is_not_given_again(tmp_path: Path) -> None:
    merge(sources(tmp_path / "1", [document(["a.jpg"], labels=("car",))]), tmp_path / "first")
    again = sources(tmp_path / "2", [document(["a.jpg"], labels=("person",))])
    merged = merge(again, tmp_path / "second", MergeOptions(previous=tmp_path / "first"))
    assert merged.manifest.categories == {"car": 1, "person": 2}
    assert [one["name"] for one in splits_of(tmp_path / "second")["train"]["categories"]] == ["person"]
    assert merged.changes.labels == {"added": ["person"], "removed": ["car"], "changed": []}


def test_the_rule_of_the_splits_is_that_of_the_previous_release(tmp_path: Path) -> None:
    rule = SplitRule({"train": 0.5, "val": 0.5}, "folder")
    contents = [document([f"cam{n}/a.jpg"]) for n in range(8)]
    merge(sources(tmp_path, contents), tmp_path / "first", MergeOptions(rule))
    more = [*contents, document([f"cam{n}/b.jpg" for n in range(8)])]
    merge(sources(tmp_path, more), tmp_path / "second", MergeOptions(previous=tmp_path / "first"))
    found = splits_of(tmp_path / "second")
    folders = {split: {one["file_name"].split("/")[0] for one in content["images"]} for split, content in found.items()}
    assert sorted(folders) == ["train", "val"]
    assert not folders["train"] & folders["val"]


def test_a_group_stays_in_its_split_when_the_fractions_change(tmp_path: Path) -> None:
    contents = [document([f"cam{n}/a.jpg" for n in range(8)])]
    merge(
        sources(tmp_path, contents), tmp_path / "first", MergeOptions(SplitRule({"train": 0.5, "val": 0.5}, "folder"))
    )
    more = [*contents, document([f"cam{n}/b.jpg" for n in range(8)])]
    later = MergeOptions(SplitRule({"train": 1}, "folder"), tmp_path / "first")
    merge(sources(tmp_path, more), tmp_path / "second", later)
    for content in splits_of(tmp_path / "second").values():
        names = [one["file_name"] for one in content["images"]]
        assert {name.replace("b.jpg", "a.jpg") for name in names} <= set(names)


def test_images_of_one_content_are_in_one_split_where_the_files_say_so(tmp_path: Path) -> None:
    content = document([f"{n}.jpg" for n in range(20)])
    for image in content["images"]:
        image["sha256"] = "ab" * 32
    merge(sources(tmp_path, [content]), tmp_path / "release", MergeOptions(SplitRule({"train": 0.5, "val": 0.5})))
    assert sorted(len(one["images"]) for one in splits_of(tmp_path / "release").values()) == [0, 20]


def test_a_content_stays_in_its_split_under_another_name_when_the_fractions_change(tmp_path: Path) -> None:
    first, second = document([f"a{n}.jpg" for n in range(8)]), document([f"b{n}.jpg" for n in range(8)])
    for content in (first, second):
        for number, image in enumerate(content["images"]):
            image["sha256"] = f"{number:064x}"
    halves = SplitRule({"train": 0.5, "val": 0.5})
    merge(sources(tmp_path, [first]), tmp_path / "first", MergeOptions(halves))
    later = MergeOptions(SplitRule({"test": 1}), tmp_path / "first")
    merge(sources(tmp_path, [first, second]), tmp_path / "second", later)
    found = {one["file_name"]: split for split, content in splits_of(tmp_path / "second").items()
             for one in content["images"]}  # fmt: skip
    assert all(found[f"a{n}.jpg"] == found[f"b{n}.jpg"] for n in range(8))


def test_licences_are_united_and_images_refer_to_them(tmp_path: Path) -> None:
    contents = [
        document([f"{name}.jpg"], licenses=[{"id": 7, "name": name, "url": ""}, {"id": 8, "name": "both", "url": ""}])
        for name in ("one", "two")
    ]
    for content, number in zip(contents, (7, 8), strict=True):
        content["images"][0]["license"] = number
    contents.append(document(["three.jpg"]))
    contents[2]["images"][0]["license"] = 3
    merged = merge(sources(tmp_path, contents), tmp_path / "release")
    content = splits_of(tmp_path / "release")["train"]
    names = {one["id"]: one["name"] for one in content["licenses"]}
    assert sorted(names.values()) == ["both", "one", "two"]
    found = {one["file_name"]: names.get(one.get("license")) for one in content["images"]}
    assert found == {"one.jpg": "one", "two.jpg": "both", "three.jpg": None}
    assert "1 images name a licence that their file does not have: left out" in merged.manifest.warnings


def test_accounts_are_added_up(tmp_path: Path) -> None:
    left = {"kind": "tag", "label": "car", "count": 1, "reason": "no place", "examples": ["frame 3"]}
    account = {"drawn": {"tag": {"car": 1}, "rectangle": {"car": 4}}, "in_file": {"rectangle": {"car": 4}},
               "left_out": [left]}  # fmt: skip
    infos = [{"year": 2025, "account": account}, {"year": 2026, "account": account}, {"year": "", "account": 5}, None]
    contents = [document([f"{n}.jpg"], info=info) for n, info in enumerate(infos)]
    merged = merge(sources(tmp_path, contents), tmp_path / "release", MergeOptions(info={"version": "3"}))
    info = splits_of(tmp_path / "release")["train"]["info"]
    assert (info["year"], info["version"]) == (2026, "3")
    assert info["account"] == merged.manifest.account
    assert info["account"] == {
        "drawn": {"rectangle": {"car": 8}, "tag": {"car": 2}},
        "in_file": {"rectangle": {"car": 8}},
        "left_out": [{**left, "count": 2, "examples": ["frame 3", "frame 3"]}],
    }


def test_extra_files_are_merged_too(tmp_path: Path) -> None:
    for batch in range(2):
        content = document([f"{batch}/a.jpg", f"{batch}/b.jpg"])
        write(tmp_path / f"{batch}.json", content)
        extra = {
            "categories": content["categories"],
            "images": [{"id": one["id"], "file_name": one["file_name"]} for one in content["images"]],
            "tags": [{"id": 1, "image_id": 0, "category_id": 1, "attributes": {}}],
            "polylines": [{"id": 1, "image_id": 1, "category_id": 1, "points": [[1, 2], [3, 4.5]], "attributes": {}}],
        }
        write(tmp_path / f"{batch}.extra.json", extra)
    files = [SourceFile(tmp_path / f"{batch}.json") for batch in range(2)]
    merged = merge(files, tmp_path / "release", MergeOptions(SplitRule({"train": 0.5, "val": 0.5}, r"(a|b)\.jpg")))
    found = splits_of(tmp_path / "release", extra=True)
    tags = sum((items(content, "tags") for content in found.values()), Counter[Item]())
    assert {(name, label) for name, label, _ in tags} == {("0/a.jpg", "car"), ("1/a.jpg", "car")}
    lines = sum((items(content, "polylines") for content in found.values()), Counter[Item]())
    assert {name for name, _, _ in lines} == {"0/b.jpg", "1/b.jpg"}
    numbers = [one["id"] for content in found.values() for part in ("tags", "polylines") for one in content[part]]
    numbers += [one["id"] for content in splits_of(tmp_path / "release").values() for one in content["annotations"]]
    assert len(set(numbers)) == len(numbers) == 12
    assert merged.manifest.annotations.written == 12
    assert verify(tmp_path / "release").faults == ()
    annotations = tmp_path / "release" / "annotations"
    again = merge([SourceFile(path) for path in annotations.glob("instances_*")], tmp_path / "again")
    assert again.manifest.annotations.written == 12


def points_file(name: str, points: int) -> dict[str, Any]:
    content = document([name], boxes_on_each=1)
    keypoints = [str(n) for n in range(1, points + 1)]
    content["categories"][0] |= {"type": "points", "keypoints": keypoints, "skeleton": []}
    content["annotations"][0] |= {"keypoints": [5, 6, 2] * points, "num_keypoints": points}
    return content


def test_numbered_keypoints_are_as_many_as_the_longest_annotation_has_and_change_no_id(tmp_path: Path) -> None:
    merge(sources(tmp_path, [points_file("a.jpg", 1)]), tmp_path / "first")
    both = sources(tmp_path, [points_file("a.jpg", 1), points_file("b.jpg", 3)])
    merge(both, tmp_path / "second", MergeOptions(previous=tmp_path / "first"))
    content = splits_of(tmp_path / "second")["train"]
    assert content["categories"][0]["keypoints"] == ["1", "2", "3"]
    names = {one["id"]: one["file_name"] for one in content["images"]}
    found = {names[one["image_id"]]: one["keypoints"] for one in content["annotations"]}
    assert found == {"a.jpg": [5, 6, 2, 0, 0, 0, 0, 0, 0], "b.jpg": [5, 6, 2] * 3}
    [before] = splits_of(tmp_path / "first")["train"]["annotations"]
    assert before["id"] in [one["id"] for one in content["annotations"]]


def test_the_caller_writes_further_files(tmp_path: Path) -> None:
    def write_more(folder: Path, manifest: Manifest, changes: Difference) -> None:
        text = f"{manifest.counts['train'].images} images, {changes.annotations['added']} annotations are new"
        (folder / "README.md").write_text(text)

    release = tmp_path / "release"
    merged = merge(sources(tmp_path, [document(["a.jpg"])]), release, MergeOptions(write_more=write_more))
    assert (release / "README.md").read_text() == "1 images, 2 annotations are new"
    assert "README.md" in [entry.path for entry in merged.manifest.files]
    assert verify(release).faults == ()


def test_the_caller_places_images(tmp_path: Path) -> None:
    contents = [document(["a.jpg", "b.jpg"]), document(["old/a.jpg"], boxes_on_each=3)]
    hashes = {"a.jpg": "aa" * 32, "old/a.jpg": "aa" * 32}

    def place_image(image: Any) -> Placement:
        name = image["file_name"]
        if name not in hashes:
            return Placement(name, left_out="it is quarantined")
        return Placement(hashes[name], "day 1", {"sha256": hashes[name]})

    files = [SourceFile(one.path, place_image) for one in sources(tmp_path, contents)]
    merged = merge(files, tmp_path / "release")
    content = splits_of(tmp_path / "release")["train"]
    [image] = content["images"]
    assert image["sha256"] == "aa" * 32
    assert len(content["annotations"]) == 3
    [line] = (tmp_path / "release" / "images.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "id": image["id"], "file_name": image["file_name"], "split": "train", "identity": "aa" * 32, "group": "day 1",
        "sha256": "aa" * 32,
    }  # fmt: skip
    assert merged.manifest.images_left_out == {"it is quarantined": 1}
    assert merged.manifest.annotations.left_out == {"it is quarantined": 2}
    assert merged.manifest.annotations.balances
