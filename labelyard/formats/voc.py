"""Pascal VOC: an XML file with the rectangles of each image, as CVAT and datumaro write it.

Coordinates are floats and count pixels from 0, as in the files of CVAT and datumaro and in what their readers expect;
the original devkit counts whole pixels from 1. Attributes, our own fields among them, stand in CVAT's `<attributes>`.
Text that XML cannot hold, such as control characters, is written as a JSON string, and its element is marked.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, parse
from xml.sax.saxutils import escape

from labelyard.annotations.attributes import typed
from labelyard.annotations.content import Content, FrameObject, Image, Kind, Value
from labelyard.annotations.faults import FARTHEST_COORDINATE
from labelyard.annotations.outlines import extent, turned_corners
from labelyard.domain.labels import Label
from labelyard.errors import InputError
from labelyard.formats.coco.instances import OWN_FIELDS, attributes_of, stored_name
from labelyard.formats.coco.read import built, image_of
from labelyard.formats.coco.write import image_fields
from labelyard.formats.file_paths import file_paths
from labelyard.formats.interface import HELD, DatasetFile, Holding, Written, absent
from labelyard.formats.labels_file import read_labels, write_labels

ANNOTATIONS = "Annotations"
IMAGE_LIST = "ImageSets/Main/train.txt"
LABEL_MAP = "labelmap.txt"

_MAX_BYTES = 1 << 28
Corners = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_XML_TEXT = re.compile("[\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
_ORIGIN = ("coco_url", "etag", "version_id", "exif_orientation", "cvat_name", "cvat_frame")
_WHOLE_NUMBERS = ("exif_orientation", "cvat_frame")

_HOLDS = {
    Kind.RECTANGLE: HELD,
    Kind.POLYGON: absent("voc has only rectangles (coco and hf hold it)"),
    Kind.ELLIPSE: absent("voc has only rectangles (coco and hf hold it)"),
    Kind.MASK: absent("voc has masks only as pictures of whole images (coco and hf hold it)"),
    Kind.POINTS: absent("voc has only rectangles (coco holds it)"),
    Kind.SKELETON: absent("voc has only rectangles (coco and coco-keypoints hold it)"),
}


class Voc:
    """Pascal VOC as a dataset format (see `formats.interface.Format`)."""

    archive_suffix = ".zip"
    holds: Mapping[Kind, Holding] = {
        kind: _HOLDS.get(kind, absent("voc has only rectangles (coco holds it)")) for kind in Kind
    }
    holds_attributes = True
    merges_groups = False

    def refusal(self, one: FrameObject, label: Label, image: Image) -> str | None:  # noqa: ARG002 - any label
        """Return why a rectangle has no bndbox."""
        left, top, right, bottom = cut_off(extent(one.points), image)
        if one.rotation or (left < right and top < bottom):
            return None
        return "no part of it is inside of the image (coco holds it)"

    def write(self, file: DatasetFile, folder: Path, stem: str) -> Written:  # noqa: ARG002 - fixed names
        """Write a file for each image, the list of images, `labelmap.txt` and `labels.json`."""
        texts = AnnotationTexts()
        objects = file.content.by_frame()
        paths = file_paths((image.name for image in file.content.images), ".xml")
        files = [_write(folder / IMAGE_LIST, "".join(f"{path}\n" for path in paths))]
        for path, image in zip(paths, file.content.images, strict=True):
            text = texts.of_image(image, objects[image.frame])
            files.append(_write(folder / ANNOTATIONS / f"{path}.xml", text))
        files.append(_write(folder / LABEL_MAP, label_map(file.category_ids)))
        files.append(write_labels(file, folder))
        return Written(tuple(files), texts.written, (*texts.warnings(), *label_map_warnings(file.category_ids)))

    def read(self, folder: Path, stem: str) -> Content:  # noqa: ARG002 - fixed names
        """Return the content of the images in the list. Raises InputError for files that `write` did not write."""
        labels = read_labels(folder)
        reader = _Reader(labels)
        for frame, path in enumerate(_listed(folder)):
            reader.add(path, frame)
        return Content(tuple(reader.images), labels, tuple(reader.objects))


# --- writing ----------------------------------------------------------------------------------------------------------


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


class AnnotationTexts:
    """The texts of XML files; it counts the objects that are `written`, and what is lost of them."""

    def __init__(self) -> None:
        self.written: Counter[tuple[Kind, str]] = Counter()
        self._turned = self._cut = 0

    def of_image(self, image: Image, objects: list[FrameObject]) -> str:
        """Return the text of an image's file."""
        self.written.update((one.kind, one.label) for one in objects)
        self._turned += sum(bool(one.rotation) for one in objects)
        self._cut += sum(_is_cut(one, image) for one in objects)
        return _annotation_file(image, objects)

    def warnings(self) -> list[str]:
        """Return what is lost."""
        losses = (
            ("a turned rectangle is its box before the turn, with the angle as an attribute", self._turned),
            ("a rectangle is cut off at the edge of the image", self._cut),
        )
        return [f"{what}: {count}" for what, count in losses if count]


def _is_cut(one: FrameObject, image: Image) -> bool:
    return not one.rotation and cut_off(extent(one.points), image) != extent(one.points)


def label_map(names: Iterable[str]) -> str:
    """Return `labelmap.txt`, with the labels that it can have."""
    lines = [f"{name}:::\n" for name in names if _fits_label_map(name)]
    return "".join(["# label:color_rgb:parts:actions\n", *lines])


def label_map_warnings(names: Iterable[str]) -> list[str]:
    """Return which labels it cannot have."""
    return [
        f"{LABEL_MAP} cannot have the label {name!r}: readers that need it refuse its objects"
        for name in names
        if not _fits_label_map(name)
    ]


def _fits_label_map(name: str) -> bool:
    return name == name.strip() and name.isprintable() and ":" not in name and not name.startswith("#") and bool(name)


def _annotation_file(image: Image, objects: list[FrameObject]) -> str:
    fields = image_fields(image, 0)
    lines = [
        "<annotation>", f"  {_element('filename', image.name)}", "  <size>",
        f"    <width>{image.width}</width>", f"    <height>{image.height}</height>", "    <depth></depth>", "  </size>",
        "  <segmented>0</segmented>",
        *(f"  {_element(name, fields[name])}" for name in _ORIGIN if name in fields),
    ]  # fmt: skip
    for one in objects:
        lines += _object(one, image)
    return "\n".join([*lines, "</annotation>", ""])


def _element(name: str, value: Value) -> str:
    text = str(value)
    if _XML_TEXT.fullmatch(text):
        return f"<{name}>{escape(text, {chr(13): '&#13;'})}</{name}>"
    return f'<{name} encoding="json">{escape(json.dumps(text))}</{name}>'


def _object(one: FrameObject, image: Image) -> Iterator[str]:
    box, is_truncated = _box(one, image)
    yield "  <object>"
    yield f"    {_element('name', one.label)}"
    yield f"    <truncated>{int(is_truncated)}</truncated>"
    yield f"    <occluded>{int(one.occluded)}</occluded>"
    yield "    <difficult>0</difficult>"
    yield "    <bndbox>"
    yield from (f"      <{name}>{float(value)}</{name}>" for name, value in zip(_CORNERS, box, strict=True))
    yield "    </bndbox>"
    yield "    <attributes>"
    for name, value in attributes_of(one).items():
        if name != "occluded":
            yield "      <attribute>"
            yield f"        {_element('name', name)}"
            yield f"        {_element('value', value)}"
            yield "      </attribute>"
    yield "    </attributes>"
    yield "  </object>"


def _box(one: FrameObject, image: Image) -> tuple[Corners, bool]:
    """Return the corners of a bndbox, and whether the rectangle reaches out of the image.

    It is cut off there, unless it is turned, which would move it.
    """
    box = extent(one.points)
    left, top, right, bottom = extent(turned_corners(one)) if one.rotation else box
    is_truncated = left < 0 or top < 0 or right > image.width or bottom > image.height
    return box if one.rotation else cut_off(box, image), is_truncated


def cut_off(box: Corners, image: Image) -> Corners:
    """Return the part of a box inside of an image. It may have no area."""
    left, top, right, bottom = box
    return max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)


# --- reading ----------------------------------------------------------------------------------------------------------


def _listed(folder: Path) -> Iterator[Path]:
    """Yield the files of the images in the list."""
    path = folder / IMAGE_LIST
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"the list of images cannot be read: {error}", where=str(path)) from error
    for number, line in enumerate(lines, 1):
        parts = line.split("/")
        if not line.isprintable() or "\\" in line or not set(parts).isdisjoint({"", ".", ".."}):
            raise InputError(f"{line!r} is not the path of an image", where=f"{path}, line {number}")
        yield folder / ANNOTATIONS / f"{line}.xml"


class _Reader:
    def __init__(self, labels: tuple[Label, ...]) -> None:
        self.images: list[Image] = []
        self.objects: list[FrameObject] = []
        self._labels = {label.name: label for label in labels}
        self._frames: set[int] = set()

    def add(self, path: Path, position: int) -> None:
        """Read the file of an image, whose frame is its position in the list if the file has none."""
        root = _root(path)
        with _reading(path, "the image"):
            image = _image(root, position)
            if image.frame in self._frames:
                raise ValueError(f"another file has frame {image.frame} too")
        self._frames.add(image.frame)
        self.images.append(image)
        for number, found in enumerate(root.iterfind("object"), 1):
            with _reading(path, f"object {number}"):
                self.objects.append(self._object(found, image.frame))

    def _object(self, found: Element, frame: int) -> FrameObject:
        name = _text(found, "name")
        if name not in self._labels:
            raise ValueError(f"the label {name!r} is not in labels.json")
        label = self._labels[name]
        attributes = _attributes(found, label) | {"occluded": _flag(_text(found, "occluded"))}
        corners = tuple(_number(_text(found, f"bndbox/{corner}")) for corner in _CORNERS)
        return built(Kind.RECTANGLE, frame, label, corners, attributes)


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    """Turn errors into InputErrors that name the file and the element."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise InputError(f"{what}: {error}", where=str(path)) from error


def _root(path: Path) -> Element:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"a file of annotations may have at most {_MAX_BYTES} bytes", where=str(path))
        root = parse(path).getroot()  # noqa: S314 - expat limits entities
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    except (ParseError, ValueError, LookupError) as error:  # the latter two for an encoding that is wrong or unknown
        raise InputError(f"not valid XML: {error}", where=str(path)) from error
    if root.tag != "annotation":
        raise InputError(f"its root is <{root.tag}> instead of <annotation>", where=str(path))
    return root


def _image(root: Element, position: int) -> Image:
    texts = {name: _text(root, name) for name in _ORIGIN if root.find(name) is not None}
    fields: dict[str, Any] = {name: int(text) if name in _WHOLE_NUMBERS else text for name, text in texts.items()}
    if "coco_url" in fields and "etag" not in fields:
        raise ValueError("it has <coco_url> without <etag>")
    width, height = (int(_text(root, f"size/{name}")) for name in ("width", "height"))
    if width < 0 or height < 0:
        raise ValueError(f"its size is {width} x {height}")
    size = {"id": position + 1, "file_name": _text(root, "filename"), "width": width, "height": height}
    return image_of(fields | size)


def _text(parent: Element, path: str) -> str:
    """Return the text of an element. Raises ValueError if there is none, or its JSON is broken."""
    found = parent.find(path)
    if found is None:
        raise ValueError(f"<{path}> is missing")
    text = found.text or ""
    if found.get("encoding") != "json":
        return text
    value = json.loads(text)
    if not isinstance(value, str):
        raise ValueError(f"the JSON of <{path}> is no text")  # noqa: TRY004 - all faults of a file are ValueErrors
    return value


def _number(text: str) -> float:
    value = float(text)
    if not abs(value) < FARTHEST_COORDINATE:  # NaN, too
        raise ValueError(f"{text} is not a number below a million")
    return value


def _flag(text: str) -> bool:
    found = {"0": False, "1": True, "False": False, "True": True}.get(text)
    if found is None:
        raise ValueError(f"{text!r} is neither 0 nor 1")
    return found


def _attributes(found: Element, label: Label) -> dict[str, Value]:
    specs = {stored_name(spec.name): spec for spec in label.attributes}
    values: dict[str, Value] = {}
    for one in found.iterfind("attributes/attribute"):
        name, text = _text(one, "name"), _text(one, "value")
        if name in OWN_FIELDS:
            values[name] = _OWN_TYPES.get(name, str)(text)
        else:
            values[name] = typed(specs[name], text) if name in specs else text
    return values


_OWN_TYPES: Mapping[str, Callable[[str], Value]] = {
    "rotation": _number, "score": float, "track_id": int, "z_order": int, "group": int, "job": int, "keyframe": _flag,
}  # fmt: skip
"""How the text of each field of our own is read."""
