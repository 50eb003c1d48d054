"""CVAT 1.1, reading: the XML files of `CVAT for images 1.1` and `CVAT for video 1.1`, alone or in a zip."""

from __future__ import annotations

import posixpath
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.etree import ElementTree as ET

from cvat_sandbox.errors import WorkerError
from cvat_sandbox.formats.coco import MAX_DOCUMENT_BYTES
from cvat_sandbox.formats.v2.cvat_xml import CORNERS, CUBOID_CORNERS, TAGS
from cvat_sandbox.formats.v2.reading import SOURCE, Frames, Labels, attributes, empty, labeled, shape

if TYPE_CHECKING:
    from cvat_sandbox.formats.v2.snapshot import Label, Shape, Snapshot

TYPES = {tag: kind for kind, tag in TAGS.items()}
Element = ET.Element


def read(snapshot: Snapshot, source: BinaryIO, folder: str) -> dict[str, Any]:  # noqa: ARG001 - as other importers
    """Return the annotations of a file: tags and shapes of images, tracks. Raises InvalidDataset and ValueError."""
    found = empty()
    for text in _load(source):
        root = ET.fromstring(text)  # noqa: S314 - expat limits the expansion of entities
        names = [posixpath.splitext(image.get("name", ""))[0] for image in root.iter("image")]
        _Document(snapshot, Frames(snapshot, names)).read(root, found)
    return found


def _load(source: BinaryIO) -> list[bytes]:
    if not zipfile.is_zipfile(source):
        source.seek(0)
        return [source.read()]
    with zipfile.ZipFile(source) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".xml")]
        if any(info.file_size > MAX_DOCUMENT_BYTES for info in members):
            raise WorkerError("the archive holds too large annotations")
        return [archive.read(info) for info in members]


class _Document:
    def __init__(self, snapshot: Snapshot, frames: Frames) -> None:
        self._labels, self._frames = Labels(snapshot), frames

    def read(self, root: Element, found: dict[str, Any]) -> None:
        """Add everything of an XML document."""
        for child in root:
            if child.tag == "image":
                name = posixpath.splitext(child.attrib["name"])[0]
                frame = self._frames.find(name, child.get("id", ""))
                found["tags"] += [self._tag(element, frame) for element in child.iter("tag")]
                found["shapes"] += [self._shape(element, frame) for element in child if element.tag in TYPES]
            elif child.tag == "track":
                found["tracks"].append(self._track(child))

    def _tag(self, element: Element, frame: int) -> Shape:
        return labeled(self._labels.find(element.attrib["label"]), frame, _given(element), _group(element))

    def _shape(self, element: Element, frame: int, parent: Label | None = None) -> Shape:
        label = self._labels.find(element.attrib["label"], parent)
        common = labeled(label, frame, _given(element), _group(element))
        drawn = {**_drawn(element), "outside": element.get("outside") == "1"}
        if parent is not None:
            return {**drawn, **common}
        points = [self._shape(child, frame, label) for child in element if child.tag in TYPES]
        return {**drawn, **common, "elements": points}

    def _track(self, element: Element) -> Shape:
        label = self._labels.find(element.attrib["label"])
        shapes = [child for child in element if child.tag in TYPES]
        elements: dict[str, list[Element]] = {}
        for skeleton in shapes:
            for child in skeleton:
                if child.tag in TYPES and child.get("keyframe") == "1":
                    child.set("frame", skeleton.attrib["frame"])
                    elements.setdefault(child.attrib["label"], []).append(child)
        group = _group(element)
        found = self._tracked(label, [child for child in shapes if child.get("keyframe") == "1"], group)
        points = [self._tracked(self._labels.find(name, label), parts, group) for name, parts in elements.items()]
        return {**found, "elements": points}

    def _tracked(self, label: Label, elements: list[Element], group: int) -> Shape:
        """Return a track with a keyframe for each element."""
        shapes = []
        for element in elements:
            given = attributes(label, _given(element), mutable=True)
            own = {"id": None, "frame": self._frames.of_number(int(element.attrib["frame"])), "attributes": given}
            shapes.append({**_drawn(element), **own, "outside": element.get("outside") == "1"})
        fixed = attributes(label, _given(elements[0]), mutable=False) if elements else []
        frame = shapes[0]["frame"] if shapes else 0
        return {"id": None, "label_id": label.id, "frame": frame, "group": group, "source": SOURCE,
                "attributes": fixed, "shapes": shapes}  # fmt: skip


def _given(element: Element) -> dict[str, str]:
    return {child.attrib["name"]: child.text or "" for child in element if child.tag == "attribute"}


def _group(element: Element) -> int:
    return int(element.get("group_id", 0))


def _drawn(element: Element) -> Shape:
    """Return type, points and the flags of a shape."""
    kind = TYPES[element.tag]
    return shape(
        kind, _points(kind, element.attrib), occluded=element.get("occluded") == "1",
        rotation=float(element.get("rotation", 0)), z_order=int(element.get("z_order", 0)),
    )  # fmt: skip


def _points(kind: str, given: dict[str, str]) -> list[float]:
    if kind == "skeleton":
        return []
    if kind == "mask":
        left, top, width, height = (int(given[name]) for name in ("left", "top", "width", "height"))
        runs = [float(value) for value in given["rle"].split(",")]
        return [*runs, float(left), float(top), float(left + width - 1), float(top + height - 1)]
    if kind == "ellipse":
        x, y, rx, ry = (float(given[name]) for name in ("cx", "cy", "rx", "ry"))
        return [x, y, round(x + rx, 2), round(y - ry, 2)]
    if kind in {"rectangle", "cuboid"}:
        return [float(given[name]) for name in (CORNERS if kind == "rectangle" else CUBOID_CORNERS)]
    return [float(value) for pair in given["points"].split(";") for value in pair.split(",")]
