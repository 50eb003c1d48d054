"""COCO 1.0, writing and reading. Only rectangles and polygons are written; the shapes of a group become one."""

from __future__ import annotations

import json
import posixpath
import zipfile
from itertools import groupby
from typing import TYPE_CHECKING, Any, BinaryIO

from cvat_sandbox.errors import WorkerError
from cvat_sandbox.formats import masks
from cvat_sandbox.formats.archive import images as image_files
from cvat_sandbox.formats.archive import write_zip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cvat_sandbox.formats.snapshot import Frame, Snapshot

MEMBER = "annotations/instances_default.json"
MAX_DOCUMENT_BYTES = 2**30


def write(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write the zip of a task, with its images if `images`."""
    content = document(snapshot)
    if images:
        for image in content["images"]:
            image["file_name"] = f"/tmp/cvat/images/{image['file_name']}"  # noqa: S108 - a bug of the real server
    write_zip(out, {MEMBER: json.dumps(content)}, image_files(snapshot, "images/") if images else ())


def document(snapshot: Snapshot) -> dict[str, Any]:
    """Return the JSON document: images by frame id, annotations by frame, numbered from 1.

    Raises what makes the real export fail: KeyError for a frame outside of the task, AssertionError for a polygon of
    fewer than three points, ValueError for a rectangle of other than two.
    """
    categories = {key: number for number, key in enumerate(snapshot.label_names, 1)}
    annotations: list[dict[str, Any]] = []
    images = []
    for _, frame, shapes in snapshot.by_frame():
        images.append(image_entry(frame.id, frame.name, frame.width, frame.height))
        parts = [part for shape in shapes if (part := _part(snapshot, shape))]
        for group in _groups(parts):
            annotations.append({"id": len(annotations) + 1, **_annotation(group, frame, categories)})
    names = snapshot.label_names
    return {
        **empty_document(),
        "categories": [{"id": number, "name": names[key], "supercategory": ""} for key, number in categories.items()],
        "images": images,
        "annotations": annotations,
    }


def empty_document() -> dict[str, Any]:
    """Return a document with its header alone."""
    return {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": "", "date_created": "", "description": "", "url": "", "version": "", "year": ""},
        "categories": [],
        "images": [],
        "annotations": [],
    }


def image_entry(key: int, name: str, width: int, height: int) -> dict[str, Any]:
    """Return the entry of an image."""
    return {"id": key, "width": width, "height": height, "file_name": name, "license": 0, "flickr_url": "",
            "coco_url": "", "date_captured": 0}  # fmt: skip


class _Part:
    """A rectangle or polygon on its frame."""

    def __init__(self, shape: dict[str, Any], attributes: dict[str, Any]) -> None:
        self.is_polygon = shape["type"] == "polygon"
        self.points, self.label, self.group = shape["points"], shape["label_id"], shape["group"] or 0
        self.attributes = attributes
        xs, ys = self.points[::2], self.points[1::2]
        if self.is_polygon:
            self.box = (min(xs), min(ys), max(xs), max(ys))
        else:
            self.box = (xs[0], ys[0], xs[1], ys[1])

    @property
    def area(self) -> float:
        """The area that decides which part leads a group.

        CVAT draws a polygon on a canvas of the size of its box. So a polygon far from the origin has the area 0.
        """
        width, height = self.box[2] - self.box[0], self.box[3] - self.box[1]
        if not self.is_polygon:
            return float(width * height)
        if not int(height) or not int(width):
            return 0  # pycocotools counts pixels outside of a canvas without columns
        return masks.area(masks.draw([self.points], int(height), int(width)))


def _part(snapshot: Snapshot, shape: dict[str, Any]) -> _Part | None:
    """Return the part of a rectangle or polygon, None for other shapes. Attributes are converted in any case."""
    attributes = _attributes(snapshot, shape)
    if shape["type"] == "polygon":
        if len(shape["points"]) % 2 or len(shape["points"]) < 6:
            raise AssertionError(f"Wrong polygon points: {shape['points']}")
        return _Part(shape, attributes)
    if shape["type"] == "rectangle":
        _, _, _, _ = shape["points"]
        return _Part(shape, attributes)
    return None


def _attributes(snapshot: Snapshot, shape: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for attribute in shape["attributes"]:
        spec = snapshot.attributes[attribute["spec_id"]]
        value = attribute["value"]
        try:
            if spec["input_type"] == "number":
                value = float(value)
            elif spec["input_type"] == "checkbox":
                value = value.lower() == "true"
        except ValueError as error:
            raise WorkerError(f"Failed to convert attribute '{spec['name']}'='{value}': {error}") from None
        values[spec["name"]] = value
    return values


def _groups(parts: list[_Part]) -> Iterator[list[_Part]]:
    for number, members in groupby(sorted(parts, key=lambda part: part.group), key=lambda part: part.group):
        if number:
            yield list(members)
        else:
            yield from ([part] for part in members)


def _annotation(group: list[_Part], frame: Frame, categories: dict[int, int]) -> dict[str, Any]:
    """Return the annotation of a group: the label of its leader, the box of all parts, the polygons among them."""
    ordered = [part for part in group if not part.is_polygon] + [part for part in group if part.is_polygon]
    leader = max(ordered, key=lambda part: part.area) if len(ordered) > 1 else ordered[0]
    boxes = [part.box for part in group]
    x, y = min(box[0] for box in boxes), min(box[1] for box in boxes)
    width, height = max(box[2] for box in boxes) - x, max(box[3] for box in boxes) - y
    polygons = [part.points for part in ordered if part.is_polygon]
    is_crowd = bool(polygons) and leader.attributes.get("is_crowd") is True
    segmentation: Any = polygons
    if polygons:
        mask = masks.draw(polygons, frame.height, frame.width)
        area = float(masks.area(mask))
        if is_crowd:
            segmentation = {"counts": masks.run_lengths(mask), "size": [frame.height, frame.width]}
    else:
        segmentation = [[x, y, x + width, y, x + width, y + height, x, y + height]]
        area = float(width * height)
    annotation = {"image_id": frame.id, "category_id": categories[leader.label], "segmentation": segmentation,
                  "area": area, "bbox": [x, y, width, height], "iscrowd": int(is_crowd)}  # fmt: skip
    if "score" in leader.attributes:
        annotation["score"] = _score(leader.attributes["score"])
    return {name: value for name, value in annotation.items() if value is not None}


def _score(value: Any) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


# -- reading


def read(snapshot: Snapshot, source: BinaryIO) -> dict[str, Any]:
    """Return the annotations of a COCO file, or of a zip with one, as shapes of the task.

    Images are matched by file name, categories by label name. Raises WorkerError, ValueError, KeyError.
    """
    content = _load(source)
    names = {name: key for key, name in snapshot.label_names.items()}
    frames = {posixpath.splitext(frame.name)[0]: number for number, frame in enumerate(snapshot.frames.values())}
    images = {image["id"]: _frame_of(image, frames) for image in content["images"]}
    categories = {category["id"]: str(category["name"]) for category in content["categories"]}
    shapes: list[dict[str, Any]] = []
    for annotation in content["annotations"]:
        name = categories[annotation["category_id"]]
        if name not in names:
            raise ValueError(f"Label {name!r} is not registered for this task")
        frame, outlines = images[annotation["image_id"]], _outlines(annotation)
        group = 1 + max((shape["group"] for shape in shapes if shape["frame"] == frame), default=0)
        for kind, points in outlines:
            shapes.append({"type": kind, "occluded": False, "z_order": 0, "points": points, "id": None, "frame": frame,
                           "group": group if len(outlines) > 1 else 0, "label_id": names[name],
                           "attributes": []})  # fmt: skip
    return {"version": 0, "tags": [], "shapes": shapes, "tracks": []}


def _load(source: BinaryIO) -> dict[str, Any]:
    if not zipfile.is_zipfile(source):
        source.seek(0)
        return dict(json.load(source))
    with zipfile.ZipFile(source) as archive:
        member = next((name for name in archive.namelist() if name.endswith(".json")), None)
        if member is None or archive.getinfo(member).file_size > MAX_DOCUMENT_BYTES:
            raise WorkerError("the archive holds no annotations, or too large ones")
        return dict(json.loads(archive.read(member)))


def _frame_of(image: dict[str, Any], frames: dict[str, int]) -> int:
    name = posixpath.splitext(str(image["file_name"]))[0]
    if name not in frames:
        raise WorkerError(f"Could not match item id: '{name}' with any task frame")
    return frames[name]


def _outlines(annotation: dict[str, Any]) -> list[tuple[str, list[float]]]:
    """Return the type and points of each shape. The polygon of a rectangle stays a polygon; masks are dropped."""
    segmentation = annotation.get("segmentation")
    if segmentation is None:
        x, y, width, height = (float(value) for value in annotation["bbox"])
        return [("rectangle", [x, y, x + width, y + height])]
    if not isinstance(segmentation, list):
        return []
    return [("polygon", [float(value) for value in points]) for points in segmentation]
