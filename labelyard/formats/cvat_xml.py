"""Reading `CVAT for images 1.1` and `CVAT for video 1.1`, CVAT's own XML, which keeps every shape and attribute."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError, iterparse

from labelyard.annotations.attributes import typed_texts
from labelyard.annotations.content import Attributes, FrameObject, Keypoint, Kind
from labelyard.annotations.witness import NOT_IN_XML
from labelyard.domain.labels import Label
from labelyard.errors import ExportFailed
from labelyard.formats.archive import read_member

MEMBER = "annotations.xml"
"""The file in CVAT's zip that has the annotations."""

_KINDS = {"box": Kind.RECTANGLE, "tag": Kind.TAG} | {
    kind.value: kind for kind in Kind if kind not in (Kind.RECTANGLE, Kind.TAG)
}
_CUBOID = tuple(f"{axis}{corner}{side}" for side in "12" for corner in ("tl", "bl", "tr", "br") for axis in "xy")
_STEP = re.compile(r"step=(\d+)")


@dataclass(frozen=True, slots=True)
class CvatExport:
    """The content of an export. `frames` are the numbers of its images, None for the video format."""

    objects: tuple[FrameObject, ...]
    frames: frozenset[int] | None


class _Numbering(NamedTuple):
    """How the export numbers frames: by their place in the uploaded video or list of files."""

    start: int = 0
    step: int = 1

    def frame(self, number: str) -> int:
        return (int(number) - self.start) // self.step


def read_cvat_xml(path: Path, labels: Sequence[Label]) -> CvatExport:
    """Return the shapes and tags of CVAT's zip; those of a track where they are not outside.

    Raises ExportFailed for anything else.
    """
    reader = _Reader(labels)
    try:
        for _, element in iterparse(io.BytesIO(_readable(read_member(path, MEMBER)))):  # noqa: S314 - expat limits entities
            reader.see(element)
    except ParseError as error:
        raise ExportFailed(f"{MEMBER} in the export is not valid XML: {error}", where=str(path)) from error
    except (KeyError, ValueError) as error:
        what = f"{MEMBER} in the export has an unknown form ({type(error).__name__}: {error})"
        raise ExportFailed(what, where=str(path)) from error
    return CvatExport(tuple(reader.objects), frozenset(reader.frames) if reader.frames else None)


def _readable(content: bytes) -> bytes:
    """Return XML without the characters that it cannot hold, which CVAT writes as they are."""
    return NOT_IN_XML.sub("\ufffd", content.decode(errors="replace")).encode()


class _Reader:
    def __init__(self, labels: Sequence[Label]) -> None:
        self.objects: list[FrameObject] = []
        self.frames: set[int] = set()
        self._labels: Mapping[str, Label] = {label.name: label for label in labels}
        self._numbering = _Numbering()

    def see(self, element: Element) -> None:
        """Read an element at its end. Elements that have been read are emptied, so that memory stays small."""
        if element.tag == "meta":
            start, step = element.findtext(".//start_frame"), _STEP.search(element.findtext(".//frame_filter") or "")
            self._numbering = _Numbering(int(start or 0), int(step[1]) if step else 1)
        elif element.tag == "image":
            frame = self._numbering.frame(element.attrib["id"])
            self.frames.add(frame)
            self.objects += (self._object(one, frame, one.attrib["label"]) for one in element)
            element.clear()
        elif element.tag == "track":
            self.objects += self._tracked(element)
            element.clear()

    def _tracked(self, track: Element) -> Iterator[FrameObject]:
        for one in track:
            parts = list(one.iterfind("points")) if one.tag == "skeleton" else [one]
            if not all(part.get("outside") == "1" for part in parts):
                frame = self._numbering.frame(one.attrib["frame"])
                yield self._object(one, frame, track.attrib["label"], track)

    def _object(self, one: Element, frame: int, label: str, track: Element | None = None) -> FrameObject:
        kind, owner = _KINDS[one.tag], one if track is None else track
        known = self._labels.get(label)
        return FrameObject(
            kind, frame, label, _points(kind, one), float(one.get("rotation") or 0),
            keypoints=self._keypoints(one, known) if kind is Kind.SKELETON else (),
            attributes=_attributes(one, known), occluded=one.get("occluded") == "1",
            z_order=int(one.get("z_order") or 0), group=int(owner.get("group_id") or 0),
            source=owner.get("source") or "manual",
            track=None if track is None else int(track.attrib["id"]), keyframe=one.get("keyframe") == "1",
        )  # fmt: skip

    def _keypoints(self, skeleton: Element, label: Label | None) -> tuple[Keypoint, ...]:
        known = {sublabel.name: sublabel for sublabel in label.sublabels} if label else {}
        return tuple(_keypoint(part, known.get(part.attrib["label"])) for part in skeleton.iterfind("points"))


def _keypoint(part: Element, label: Label | None) -> Keypoint:
    x, y = _pairs(part.attrib["points"])[:2]
    outside, occluded = part.get("outside") == "1", part.get("occluded") == "1"
    return Keypoint(part.attrib["label"], x, y, outside, occluded, _attributes(part, label))


def _attributes(one: Element, label: Label | None) -> Attributes:
    texts = {found.attrib["name"]: found.text or "" for found in one.iterfind("attribute")}
    return typed_texts(label.attributes, texts) if label else texts


def _points(kind: Kind, one: Element) -> tuple[float, ...]:
    """Return the points in the form that the annotations API has."""

    def number(name: str) -> float:
        return float(one.attrib[name])

    match kind:
        case Kind.TAG | Kind.SKELETON:
            return ()
        case Kind.RECTANGLE:
            return number("xtl"), number("ytl"), number("xbr"), number("ybr")
        case Kind.ELLIPSE:
            return number("cx"), number("cy"), number("cx") + number("rx"), number("cy") - number("ry")
        case Kind.MASK:
            left, top = number("left"), number("top")
            runs = tuple(float(value) for value in one.attrib["rle"].split(","))
            return *runs, left, top, left + number("width") - 1, top + number("height") - 1
        case Kind.CUBOID if "points" not in one.attrib:
            return tuple(number(name) for name in _CUBOID)
        case _:
            return _pairs(one.attrib["points"])


def _pairs(text: str) -> tuple[float, ...]:
    return tuple(float(value) for pair in text.split(";") for value in pair.split(",")) if text else ()
