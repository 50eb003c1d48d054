"""Hugging Face imagefolder: `train/metadata.jsonl` with a line for each image, beside which the images go.

`objects` is a dict of lists with an entry for each object, empty lists for none. Everything that varies from object to
object (outlines, keypoints, attributes) is a JSON text in COCO's form, "" for none: pyarrow takes the type of each
column from the first lines, and fails at later ones that have another. Images with objects come first for that reason.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from labelyard.annotations.content import Content, FrameObject, Image, Kind
from labelyard.annotations.selection import in_order
from labelyard.domain.labels import Label
from labelyard.errors import InputError
from labelyard.formats.checks import check
from labelyard.formats.checks.fault import Severity, summary
from labelyard.formats.checks.values import Document
from labelyard.formats.coco.instances import instance, instance_groups
from labelyard.formats.coco.read import image_of, objects_of
from labelyard.formats.coco.write import AS_DRAWN, image_fields, is_instance
from labelyard.formats.file_paths import file_paths
from labelyard.formats.interface import HELD, DatasetFile, Holding, Written, absent
from labelyard.formats.labels_file import read_labels, write_labels

METADATA = "train/metadata.jsonl"

_NUMBERS = ("id", "bbox", "category", "area", "iscrowd")
_TEXTS = ("segmentation", "keypoints", "attributes")
_MAX_PIXELS = 1 << 28
_HOLDS = {
    Kind.POLYLINE: absent("a line has no area, which the objects of hf need (coco holds it)"),
    Kind.CUBOID: absent("the objects of hf have a flat outline (coco holds it)"),
    Kind.TAG: absent("it has no bbox, which the objects of hf need (coco holds it)"),
}


class HuggingFace:
    """Hugging Face imagefolder as a dataset format (see `formats.interface.Format`)."""

    archive_suffix = ".zip"
    holds: Mapping[Kind, Holding] = {kind: _HOLDS.get(kind, HELD) for kind in Kind}
    holds_attributes = True
    merges_groups = True

    def refusal(self, one: FrameObject, label: Label, image: Image) -> str | None:  # noqa: ARG002 - any image
        """Return why an object has no bbox."""
        return None if is_instance(one, label) else 'the type of its label is not "points" (coco holds it)'

    def write(self, file: DatasetFile, folder: Path, stem: str) -> Written:  # noqa: ARG002 - fixed names
        """Write `train/metadata.jsonl` and `labels.json`."""
        path = folder / METADATA
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = _Lines(file)
        with path.open("w", encoding="ascii", newline="\n") as out:
            for line in lines:
                out.write(f"{as_text(line)}\n")
        return Written((path, write_labels(file, folder)), lines.written)

    def read(self, folder: Path, stem: str) -> Content:  # noqa: ARG002 - fixed names
        """Return the content. Raises InputError for files that `write` did not write."""
        labels, path = read_labels(folder), folder / METADATA
        reader = _Reader(labels)
        try:
            with path.open(encoding="utf-8", newline="\n") as lines:
                for number, line in enumerate(lines, 1):
                    reader.add(line, f"{path}, line {number}")
        except (OSError, UnicodeError) as error:
            raise InputError(f"the file cannot be read: {error}", where=str(path)) from error
        return in_order(Content(tuple(reader.images), labels, tuple(reader.objects)))


# --- writing ----------------------------------------------------------------------------------------------------------


def as_text(value: Any) -> str:
    """Return a value as JSON."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


class _Lines:
    """The lines of a file, as JSON values; `written` counts the objects in them."""

    def __init__(self, file: DatasetFile) -> None:
        self.written: Counter[tuple[Kind, str]] = Counter()
        self._content = file.content
        self._options = file.options
        self._labels = {label.name: label for label in file.content.labels}
        self._classes = {name: number for number, name in enumerate(file.category_ids)}
        self._last_id = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        objects = self._content.by_frame()
        names = file_paths(image.name for image in self._content.images)
        lines = list(zip(self._content.images, names, strict=True))
        for image, name in sorted(lines, key=lambda one: not objects[one[0].frame]):
            yield {
                "file_name": name,
                "width": image.width,
                "height": image.height,
                "objects": columns(self._rows(image, objects[image.frame])),
                "source": as_text(image_fields(image, 1)),
            }

    def _rows(self, image: Image, objects: list[FrameObject]) -> Iterator[dict[str, Any]]:
        for members in instance_groups(objects, self._options.groups):
            self._last_id += 1
            label = self._labels[members[0].label]
            self.written.update((one.kind, one.label) for one in members)
            own = {"id": self._last_id, "category": self._classes[label.name]}
            yield instance(members, label, image, self._options) | own


def columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return `objects` of a line: a list for each field of COCO annotations that have a `category` from 0."""
    found: dict[str, list[Any]] = {name: [] for name in (*_NUMBERS, *_TEXTS)}
    for row in rows:
        numbers = {"bbox": [float(value) for value in row["bbox"]], "area": float(row["area"])}
        for name in _NUMBERS:
            found[name].append(numbers.get(name, row.get(name)))
        for name in _TEXTS:
            found[name].append(as_text(row[name]) if row.get(name) else "")
    return found


# --- reading ----------------------------------------------------------------------------------------------------------


class _Reader:
    def __init__(self, labels: tuple[Label, ...]) -> None:
        self.images: list[Image] = []
        self.objects: list[FrameObject] = []
        self._labels = labels
        self._frames: set[int] = set()
        self._categories = [{"id": number, "name": label.name} for number, label in enumerate(labels)]

    def add(self, text: str, where: str) -> None:
        """Read a line. Its objects are checked as COCO annotations."""
        try:
            document = _coco_document(json.loads(text, parse_constant=_no_number), self._categories)
            errors = [fault for fault in check(document, "", severities=AS_DRAWN) if fault.severity is Severity.ERROR]
            if errors:
                raise InputError(f"the line cannot be used: {summary(errors)}", where=where)
            image = self._image(document["images"][0])
            for one in document["annotations"]:
                self.objects += objects_of(one, image.frame, self._labels[one["category_id"]])
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            what = f"not a line of labelyard ({type(error).__name__}: {error})"
            raise InputError(what, where=where) from error

    def _image(self, raw: Mapping[str, Any]) -> Image:
        image = image_of({"cvat_frame": len(self.images), **raw})
        if type(image.frame) is not int or image.frame in self._frames:
            raise ValueError(f"frame {image.frame!r} is not a whole number of its own")
        self._frames.add(image.frame)
        self.images.append(image)
        return image


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _coco_document(line: Any, categories: list[dict[str, Any]]) -> Document:
    """Return a line as a COCO document of one image. Raises the errors of values that have another form."""
    source = json.loads(line["source"], parse_constant=_no_number) if "source" in line else {}
    image = {"file_name": line["file_name"]} | source | {"id": 1, "width": line["width"], "height": line["height"]}
    columns = line["objects"]
    if line["width"] * line["height"] > _MAX_PIXELS:
        raise ValueError(f"the image has more than {_MAX_PIXELS} pixels")
    rows = zip(*(columns[name] for name in (*_NUMBERS, *_TEXTS)), strict=True)
    objects = [_annotation(dict(zip((*_NUMBERS, *_TEXTS), row, strict=True))) for row in rows]
    return {"images": [image], "categories": categories, "annotations": objects}


def _annotation(values: dict[str, Any]) -> dict[str, Any]:
    found = {name: json.loads(values[name], parse_constant=_no_number) for name in _TEXTS if values[name]}
    numbers = {name: values[name] for name in _NUMBERS}
    return {"segmentation": [], **numbers, "image_id": 1, "category_id": numbers["category"], **found}
