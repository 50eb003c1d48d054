"""COCO files to be merged: valid ones of any content, and what they and a release contain, by names instead of ids."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

SIDE = 100
LABELS = ("car", "person", "Fahrrad ü", "道路")
NAMES = ("a.jpg", "cam1/a.jpg", "cam1/b.jpg", "cam2/ä b.jpg", "cam2/day 1/c.png")

Item = tuple[str, str, str]
"""File name, label, and the other fields as JSON text."""

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "x y", "é"]), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip

boxes = st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(1, 50) | st.just(2.5)] * 2).map(list)


@st.composite
def annotations(draw: st.DrawFn) -> dict[str, Any]:
    """The fields of an annotation, without ids. They are often equal."""
    box = draw(boxes | st.just([1, 2, 3, 4]))
    own = {"bbox": box, "area": box[2] * box[3], "iscrowd": 0, "segmentation": []}
    return own | draw(st.just({}) | st.fixed_dictionaries({"attributes": values, "note": values}))


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A COCO document that has no error by the checks, with ids of its own. An image name has one size everywhere."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4))
    labels = draw(st.lists(st.sampled_from(LABELS), unique=True, min_size=1))
    image_ids = draw(st.lists(st.integers(0, 2**50), unique=True, min_size=len(names), max_size=len(names)))
    label_ids = draw(st.lists(st.integers(1, 9), unique=True, min_size=len(labels), max_size=len(labels)))
    own = draw(st.lists(annotations(), max_size=8)) if names else []
    return {
        "images": [
            {"id": number, "file_name": name, "width": SIDE, "height": SIDE + NAMES.index(name)}
            for number, name in zip(image_ids, names, strict=True)
        ],
        "categories": [{"id": number, "name": name} for number, name in zip(label_ids, labels, strict=True)],
        "annotations": [
            {**one, "id": number, "image_id": draw(st.sampled_from(image_ids)),
             "category_id": draw(st.sampled_from(label_ids))}
            for number, one in enumerate(own, 1)
        ],
    }  # fmt: skip


def document(
    images: Iterable[str], *, boxes_on_each: int = 2, labels: Sequence[str] = ("car",), **others: Any
) -> dict[str, Any]:
    """A simple document: the same boxes on each image, with the labels in turn."""
    names = list(images)
    return {
        "images": [{"id": n, "file_name": name, "width": SIDE, "height": SIDE} for n, name in enumerate(names)],
        "categories": [{"id": n, "name": name, "supercategory": ""} for n, name in enumerate(labels, 1)],
        "annotations": [
            {"id": image * boxes_on_each + n + 1, "image_id": image, "category_id": n % len(labels) + 1,
             "bbox": [n * 10, 1, 9, 8], "area": 72, "iscrowd": 0, "segmentation": [], "attributes": {"n": n}}
            for image in range(len(names)) for n in range(boxes_on_each)
        ],
        **others,
    }  # fmt: skip


def write(path: Path, content: dict[str, Any], **options: Any) -> Path:
    """Write a document as JSON; `options` are those of `json.dumps`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, **options), encoding="utf-8")
    return path


def items(content: dict[str, Any], part: str = "annotations") -> Counter[Item]:
    """What a document contains."""
    names = {one["id"]: one["file_name"] for one in content["images"]}
    labels = {one["id"]: one["name"] for one in content["categories"]}
    ids = ("id", "image_id", "category_id")
    return Counter(
        (names[one["image_id"]], labels[one["category_id"]],
         json.dumps({name: value for name, value in one.items() if name not in ids}, sort_keys=True))
        for one in content[part]
    )  # fmt: skip


def merged_items(contents: Iterable[dict[str, Any]]) -> Counter[Item]:
    """What a merge of documents contains: of equal annotations as many as the file has that has most."""
    merged: Counter[Item] = Counter()
    for content in contents:
        merged |= items(content)
    return merged


def splits_of(folder: Path, *, extra: bool = False) -> dict[str, dict[str, Any]]:
    """The COCO files of a release by split."""
    start = "extra_" if extra else "instances_"
    paths = sorted((folder / "annotations").glob(f"{start}*.json"))
    return {path.stem.removeprefix(start): json.loads(path.read_text("ascii")) for path in paths}


def ids_of(folder: Path, bits: str = "annotations") -> dict[tuple[str, ...], list[int]]:
    """The ids of annotations of a release by what they are, or of images by their name."""
    found: dict[tuple[str, ...], list[int]] = {}
    for content in splits_of(folder).values():
        names = {one["id"]: one["file_name"] for one in content["images"]}
        labels = {one["id"]: one["name"] for one in content["categories"]}
        for one in content[bits]:
            key: tuple[str, ...] = (one["file_name"],) if bits == "images" else (
                names[one["image_id"]], labels[one["category_id"]], json.dumps(one["bbox"]),
                json.dumps([one.get("attributes"), one.get("note")], sort_keys=True),
            )  # fmt: skip
            found.setdefault(key, []).append(one["id"])
    return {key: sorted(numbers) for key, numbers in found.items()}


def content_of(folder: Path) -> dict[str, bytes]:
    """The bytes of every file in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
