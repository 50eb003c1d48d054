"""Writing a YOLO dataset: `data.yaml`, `train.txt`, `images.json`, and a file in `labels/train` for each image."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from labelyard.annotations.content import FrameObject, Image, Kind
from labelyard.domain.labels import Label
from labelyard.formats.coco.write import info
from labelyard.formats.interface import MAX_WARNINGS, DatasetFile, Written
from labelyard.formats.yolo.paths import image_paths, label_path
from labelyard.formats.yolo.rows import DECIMALS, Row, Rows

IMAGES = "images/train"
LABELS = "labels/train"


def write_yolo(rows: Rows, file: DatasetFile, folder: Path) -> Written:
    """Write all files. An image without objects has an empty label file."""
    images = file.content.images
    paths = image_paths(image.name for image in images)
    labels = labels_by_class(file)
    lines = LabelLines(rows, labels)
    label_files = []
    objects = file.content.by_frame()
    for image, path in zip(images, paths, strict=True):
        text = lines.of_image(objects[image.frame], image)
        label_files.append(_write(folder / LABELS / label_path(path), text))
    renamed = sum(image.name != path for image, path in zip(images, paths, strict=True))
    warnings = (*rows.warnings(labels), *lines.tally.warnings(), *renaming(renamed, IMAGES, "images.json"))
    main = [
        # Readers insist on `val`, and one batch has no split of its own.
        _write(folder / "data.yaml", data_yaml(rows, labels, {"train": "train.txt", "val": "train.txt"})),
        _write(folder / "train.txt", "".join(f"./{IMAGES}/{path}\n" for path in paths)),
        _write(folder / "images.json", _images(file, paths, warnings)),
    ]
    return Written((*main, *label_files), lines.tally.written, warnings)


def labels_by_class(file: DatasetFile) -> list[Label]:
    """Return the labels in the order of their classes, which is that of their ids."""
    by_name = {label.name: label for label in file.content.labels}
    # A label that the dataset no longer has keeps its number.
    return [by_name.get(name) or Label(name) for name in file.category_ids]


@dataclass
class _Tally:
    """What is counted while rows are written."""

    written: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    cut: int = 0
    repeated: int = 0
    ungrouped: int = 0
    _seen: set[tuple[Any, ...]] = field(default_factory=set)

    def add(self, one: FrameObject, row: Row, key: tuple[Any, ...]) -> None:
        self.written[one.kind, one.label] += 1
        self.cut += row.is_cut
        self.repeated += key in self._seen
        self.ungrouped += one.track is not None or bool(one.group or one.z_order)
        self._seen.add(key)

    def end_image(self) -> None:
        self._seen.clear()

    def warnings(self) -> list[str]:
        found = {
            "reach beyond their image, and are cut at its edge": self.cut,
            "have the class and box of another one in their image: ultralytics removes them": self.repeated,
            "lost their track, group or z-order, which the format does not have": self.ungrouped,
        }
        return [f"{count} objects {what}" for what, count in found.items() if count]


class LabelLines:
    """The lines of label files; `tally` counts what is in them."""

    def __init__(self, rows: Rows, labels: Sequence[Label]) -> None:
        self._rows = rows
        self._labels = {label.name: (number, label) for number, label in enumerate(labels)}
        self._width = rows.width(labels)
        self.tally = _Tally()

    def of_image(self, objects: Sequence[FrameObject], image: Image) -> str:
        """Return the text of an image's label file."""
        text = "".join(f"{self._line(one, image)}\n" for one in objects)
        self.tally.end_image()
        return text

    def _line(self, one: FrameObject, image: Image) -> str:
        number, label = self._labels[one.label]
        row = self._rows.row(one, label, image)
        assert isinstance(row, Row), row  # others are refused before
        numbers = (*row.numbers, *[0.0] * (self._width - len(row.numbers)))
        self.tally.add(one, row, (number, *self._rows.box(numbers)))
        return " ".join([str(number), *map(_number, numbers)])


def _number(value: float) -> str:
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")


def renaming(count: int, folder: str, listing: str) -> list[str]:
    """Return the warning that this many images have another path in a folder than their name, as a file lists them."""
    if not count:
        return []
    return [f"{count} images have another path in {folder} than their name, see {listing}: readers would confuse it"]


def data_yaml(rows: Rows, labels: Sequence[Label], lists: Mapping[str, str]) -> str:
    """Return `data.yaml`, given the list of images of each split."""
    names = {number: label.name for number, label in enumerate(labels)}
    # An empty path is the folder of data.yaml; "." would be the one in which the reader runs.
    fields = {"path": "", **lists, "names": names}
    text: str = yaml.safe_dump({**fields, **rows.fields(labels)}, sort_keys=False, allow_unicode=True, width=1 << 20)
    return text


def _images(file: DatasetFile, paths: Sequence[str], warnings: Sequence[str]) -> str:
    about = info(file)
    about["warnings"] = [*about["warnings"], *warnings][:MAX_WARNINGS]
    images = [_image(image, path) for image, path in zip(file.content.images, paths, strict=True)]
    return json.dumps({"info": about, "images": images}, indent=1, allow_nan=False) + "\n"


def _image(image: Image, path: str) -> Mapping[str, Any]:
    found: dict[str, Any] = {
        "name": image.name, "path": path, "width": image.width, "height": image.height, "cvat_frame": image.frame,
        "cvat_name": image.cvat_name,
    }  # fmt: skip
    if image.stored is not None:
        found |= {"bucket": image.stored.bucket, "key": image.stored.key, "etag": image.stored.etag}
        if image.stored.version_id:
            found["version_id"] = image.stored.version_id
    if image.exif_orientation not in (None, 1):
        found["exif_orientation"] = image.exif_orientation
    return found


def _write(to: Path, text: str) -> Path:
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(text, encoding="utf-8", newline="\n")
    return to
