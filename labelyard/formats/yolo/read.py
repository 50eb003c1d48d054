"""Reading YOLO datasets that `write_yolo` wrote; any files may be given."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from labelyard.annotations.content import Content, FrameObject, Image
from labelyard.domain.labels import Label
from labelyard.domain.objects import StoredObject
from labelyard.errors import InputError
from labelyard.formats.checks.values import is_whole_number
from labelyard.formats.yolo.paths import is_within, label_path
from labelyard.formats.yolo.rows import Rows
from labelyard.formats.yolo.write import LABELS

_MAX_YAML_BYTES = 4 << 20
_MAX_BYTES = 256 << 20
_MAX_SIZE = 1_000_000
_NUMBER = re.compile(r"-?\d+(\.\d*)?([eE][-+]?\d+)?", re.ASCII)
_CLASS = re.compile(r"\d{1,9}", re.ASCII)

_UNREADABLE = (
    yaml.YAMLError, LookupError, ArithmeticError, AttributeError, TypeError, ValueError, RecursionError,
)  # fmt: skip
"""What the readers of YAML and JSON, and ours of their values, raise for one file or another."""

_Found = TypeVar("_Found")


def read_yolo(rows: Rows, folder: Path) -> Content:
    """Return the content of a dataset, images in the order of `images.json`. Raises InputError for anything else."""
    labels = _parsed(folder, "data.yaml", _MAX_YAML_BYTES, lambda text: _labels(rows, text))
    images = _parsed(folder, "images.json", _MAX_BYTES, _images)
    objects = [
        one
        for image, path in images
        for one in _objects(rows, labels, image, folder, f"{LABELS}/{label_path(path)}")
    ]  # fmt: skip
    return Content(tuple(image for image, _ in images), tuple(labels), tuple(objects))


def _parsed(folder: Path, name: str, most_bytes: int, parse: Callable[[str], _Found]) -> _Found:
    text = _text(folder, name, most_bytes)
    try:
        return parse(text)
    except (
        yaml.YAMLError,
        LookupError,
        ArithmeticError,
        AttributeError,
        TypeError,
        ValueError,
        RecursionError,
    ) as error:
        what = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise InputError(f"not a file that labelyard wrote: {what}", where=str(folder / name)) from error


def _text(folder: Path, name: str, most_bytes: int) -> str:
    """Return the text of a file inside of the folder."""
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise InputError("the file is missing, or outside of the dataset", where=str(path))
        if path.stat().st_size > most_bytes:
            raise InputError(f"the file may have at most {most_bytes} bytes", where=str(path))
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8: {error}", where=str(path)) from error
    except (OSError, RuntimeError, ValueError) as error:  # a loop of symbolic links is a RuntimeError
        raise InputError(f"the file cannot be read: {error}", where=str(path)) from error


# --- labels and images ------------------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """A loader without merge keys: a few nested ones expand to billions of values."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave merge keys as they are, which no constructor knows."""


def _labels(rows: Rows, text: str) -> list[Label]:
    document = yaml.load(text, _Loader)  # noqa: S506 - it is a SafeLoader
    names = document["names"]
    if not isinstance(names, dict) or list(names) != list(range(len(names))):
        raise ValueError("names is not a mapping of the classes 0, 1, 2, … to names")
    found = list(names.values())
    if not all(isinstance(name, str) for name in found) or len(set(found)) < len(found):
        raise ValueError("names are not all texts, or not all different")
    return rows.labels(found, document)


def _images(text: str) -> list[tuple[Image, str]]:
    found = [(_image(raw), str(raw["path"])) for raw in json.loads(text)["images"]]
    for values in ([image.frame for image, _ in found], [label_path(path).casefold() for _, path in found]):
        if len(set(values)) < len(values):
            raise ValueError("two images have the same frame or label file")
    return found


def _image(raw: dict[str, Any]) -> Image:
    name, path, width, height, frame = (raw[key] for key in ("name", "path", "width", "height", "cvat_frame"))
    if not isinstance(name, str) or not isinstance(path, str) or not is_within(path):
        raise ValueError(f"an image has the name {name!r} and the path {path!r}")
    if not all(is_whole_number(value) for value in (width, height, frame)):
        raise ValueError(f"width, height or frame of {path} is not a whole number")
    if not (0 < width <= _MAX_SIZE and 0 < height <= _MAX_SIZE and frame >= 0):
        raise ValueError(f"{path} has {width} x {height} pixels and frame {frame}")
    cvat_name, orientation = raw.get("cvat_name", ""), raw.get("exif_orientation")
    if not isinstance(cvat_name, str) or not (orientation is None or is_whole_number(orientation)):
        raise ValueError(f"{path} has no sound cvat_name or exif_orientation")
    return Image(name, width, height, frame, cvat_name, _stored(raw, path), orientation)


def _stored(raw: dict[str, Any], path: str) -> StoredObject | None:
    if "key" not in raw:
        return None
    bucket, key, etag, version = raw["bucket"], raw["key"], raw["etag"], raw.get("version_id")
    if not all(isinstance(value, str) for value in (bucket, key, etag, version or "")):
        raise ValueError(f"bucket, key, etag or version_id of {path} is not a text")
    return StoredObject(bucket, key, etag, version_id=version)


# --- rows -------------------------------------------------------------------------------------------------------------


def _objects(
    rows: Rows, labels: Sequence[Label], image: Image, folder: Path, name: str
) -> Iterator[FrameObject]:  # fmt: skip
    width = rows.width(labels)
    for number, line in enumerate(_text(folder, name, _MAX_BYTES).split("\n"), 1):
        if words := line.split():
            try:
                label, numbers = _label(words[0], labels), [_number(word) for word in words[1:]]
                if width and len(numbers) != width:
                    raise ValueError(f"a row has {width} numbers after its class, not {len(numbers)}")  # noqa: TRY301
                yield rows.parsed(numbers, label, image)
            except ValueError as error:
                raise InputError(str(error), where=f"{folder / name}:{number}") from error


def _label(word: str, labels: Sequence[Label]) -> Label:
    if not _CLASS.fullmatch(word) or int(word) >= len(labels):
        raise ValueError(f"class {word[:20]!r} is not one of the {len(labels)} in data.yaml")
    return labels[int(word)]


def _number(word: str) -> float:
    if not _NUMBER.fullmatch(word) or not math.isfinite(value := float(word)):
        raise ValueError(f"{word[:20]!r} is not a number")
    return value
