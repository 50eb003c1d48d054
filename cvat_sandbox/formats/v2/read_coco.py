"""COCO 1.0 of CVAT 2.x, reading: a JSON file or a zip with one."""

from __future__ import annotations

import json
import posixpath
import re
import zipfile
from collections import Counter
from typing import TYPE_CHECKING, Any, BinaryIO

from cvat_sandbox.errors import InvalidDataset
from cvat_sandbox.formats import masks
from cvat_sandbox.formats.coco import MAX_DOCUMENT_BYTES
from cvat_sandbox.formats.v2.read_tracks import Tracks
from cvat_sandbox.formats.v2.reading import Frames, Labels, empty, labeled, shape

if TYPE_CHECKING:
    from cvat_sandbox.formats.v2.snapshot import Shape, Snapshot

FORMAT = "coco_instances"
DOCS = "https://docs.cvat.ai/docs/manual/advanced/formats/format-coco"
KEYS = ("licenses", "info", "categories", "images", "annotations")
Outline = tuple[str, str, list[float]]
"""The type in the messages, the type of the shape, and its points."""


def read(snapshot: Snapshot, source: BinaryIO, folder: str) -> dict[str, Any]:
    """Return the annotations of a file. Raises InvalidDataset and WorkerError.

    Images are matched by name, categories by the name of their label. A segmentation becomes polygons or a mask; an
    annotation without one becomes a rectangle. `folder` is where the real server would have the file.
    """
    text, member = _load(source)
    document = _parsed(text, f"{folder}/annotations/{member}")
    try:
        images = {image["id"]: posixpath.splitext(str(image["file_name"]))[0] for image in document["images"]}
        categories = {category["id"]: str(category["name"]) for category in document["categories"]}
        by_image: dict[Any, list[dict[str, Any]]] = {key: [] for key in images}
        for annotation in document["annotations"]:
            by_image[annotation["image_id"]].append(annotation)
    except (KeyError, TypeError) as error:
        raise InvalidDataset(f"Failed to import dataset '{FORMAT}' at '{folder}': {error!r}") from None
    frames, found = Frames(snapshot, images.values()), empty()
    tracks = Tracks(snapshot)
    for key, name in images.items():
        _Image(snapshot, name, frames.find(name), categories, tracks).read(by_image[key], found["shapes"])
    found["tracks"] = tracks.finished()
    return found


class _Image:
    """An image of a file: its annotations become shapes, or parts of tracks."""

    def __init__(self, snapshot: Snapshot, name: str, frame: int, categories: dict[Any, str], tracks: Tracks) -> None:
        self._labels, self._tracks, self._categories = Labels(snapshot), tracks, categories
        self._name, self._frame = name, frame
        self._size = snapshot.tasks[0].frames[frame].height, snapshot.tasks[0].frames[frame].width

    def read(self, annotations: list[dict[str, Any]], shapes: list[Shape]) -> None:
        """Add the shapes. Parts of one annotation get a group of their own."""
        parts = [(number, outline, a) for number, a in enumerate(annotations) for outline in self._outlines(a)]
        sizes = Counter(number for number, *_ in parts)
        groups = {number: group for group, number in enumerate((n for n in sizes if sizes[n] > 1), 1)}
        for index, (number, outline, annotation) in enumerate(parts):
            try:
                self._add(outline, annotation, groups.get(number, 0), shapes)
            except Exception as error:
                problem = f"can't import annotation #{index} ({outline[0]}): {error}"
                raise InvalidDataset(f"Image {self._name}: {problem}") from error

    def _add(self, outline: Outline, annotation: dict[str, Any], group: int, shapes: list[Shape]) -> None:
        label = self._labels.find(self._categories[annotation["category_id"]])
        given = dict(sorted(annotation.get("attributes", {}).items()))
        _, kind, points = outline
        drawn = shape(
            kind, points, occluded=_is_true(given.pop("occluded", None)), rotation=float(given.pop("rotation", 0.0))
        )
        if "track_id" in given and "keyframe" in given:
            key, keyframe = given.pop("track_id"), _is_true(given["keyframe"])
            self._tracks.add(key, label, {**drawn, "frame": self._frame, "keyframe": keyframe}, given, group)
        else:
            shapes.append({**drawn, **labeled(label, self._frame, given, group), "elements": []})

    def _outlines(self, annotation: dict[str, Any]) -> list[Outline]:
        segmentation = annotation.get("segmentation")
        if isinstance(segmentation, dict):
            mask = masks.from_run_lengths(segmentation["counts"], *self._size)
            return [("mask", "mask", [float(value) for value in masks.to_rows(mask)])]
        if segmentation:
            return [("polygon", "polygon", [float(value) for value in points]) for points in segmentation]
        x, y, width, height = (float(value) for value in annotation["bbox"])
        return [("bbox", "rectangle", [x, y, x + width, y + height])]


def _is_true(value: Any) -> bool:
    return str(value).lower() in {"true", "1", "yes", "on", "t", "y"}


def _load(source: BinaryIO) -> tuple[str, str]:
    """Return the JSON text of a file or zip, and the name of its file."""
    if not zipfile.is_zipfile(source):
        source.seek(0)
        return source.read().decode("utf-8", "replace"), "default.json"
    with zipfile.ZipFile(source) as archive:
        names = (name for name in archive.namelist() if re.search(r"(^|/)annotations/[^/]+\.json$", name))
        member = next(names, None)
        if member is None or archive.getinfo(member).file_size > MAX_DOCUMENT_BYTES:
            raise InvalidDataset(f'Check [format docs]({DOCS}). Dataset must contain a file: "annotations/*_*.json"')
        return archive.read(member).decode("utf-8", "replace"), posixpath.basename(member)


def _parsed(text: str, path: str) -> dict[str, Any]:
    problem = f"Failed to import dataset '{FORMAT}' at '{path}'"
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InvalidDataset(f"{problem}: {error}") from None
    if not isinstance(document, dict):
        raise InvalidDataset(problem)
    unknown = next((key for key in document if key not in KEYS), None)
    if unknown is not None:
        end = _end_of_key(text, unknown)
        raise InvalidDataset(f"{problem}: Unknown key: Matching variant not found at pos: {end}")
    return document


def _end_of_key(text: str, key: str) -> int:
    """Return the position after a key of the outermost object."""
    decoder, position = json.JSONDecoder(), text.index("{") + 1
    while True:
        name, end = decoder.raw_decode(text, text.index('"', position))
        if name == key:
            return end
        start = text.index(":", end) + 1
        start += len(text[start:]) - len(text[start:].lstrip())
        _, position = decoder.raw_decode(text, start)
