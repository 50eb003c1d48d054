"""PASCAL VOC 1.1 and Segmentation mask 1.1 of CVAT 2.x."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image

from cvat_sandbox.formats import masks
from cvat_sandbox.formats.archive import voc_color, write_zip
from cvat_sandbox.formats.v2 import ellipse
from cvat_sandbox.formats.v2.coco import area, grouped
from cvat_sandbox.formats.v2.dataset import Annotation, Dataset, Item
from cvat_sandbox.formats.v2.yolo import turned_corners

if TYPE_CHECKING:
    from cvat_sandbox.formats.v2.snapshot import Snapshot

Color = tuple[int, int, int]
Members = dict[str, str | bytes]
BACKGROUND = "background"
HEAD = "# label:color_rgb:parts:actions\n"
OWN_ELEMENTS = {"difficult", "pose", "truncated", "occluded"}
"""Attributes that PASCAL VOC has elements for."""


def write(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write an XML file for each image with boxes, two pictures for each with masks, and the lists of images."""
    dataset = Dataset(snapshot)
    names = _with_background([label.name for label in dataset.labels])
    members: Members = {"labelmap.txt": HEAD + "".join(f"{name}:::\n" for name in names)}
    colors = {name: voc_color(number) for number, name in enumerate(names)}
    for subset, items in dataset.subsets.items():
        drawn = _draw_masks(dataset, items, colors, _own_masks, members)
        for item in items:
            if any(annotation.kind == "bbox" for annotation in item.annotations):
                members[f"Annotations/{item.id}.xml"] = _annotation_file(dataset, item)
        _write_lists(dataset, subset, items, drawn, names, members)
    _write(dataset, out, members, images=images)


def write_masks(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write the pictures of classes and of instances. Boxes, polygons and ellipses are filled."""
    dataset = Dataset(snapshot)
    colors = {label.name: _rgb(label.color) for label in dataset.labels}
    colors = dict(sorted(({BACKGROUND: (0, 0, 0)} | colors).items()))
    lines = "".join(f"{name}:{','.join(map(str, color))}::\n" for name, color in colors.items())
    members: Members = {"labelmap.txt": HEAD + lines}
    for subset, items in dataset.subsets.items():
        drawn = _draw_masks(dataset, items, colors, _filled, members)
        listed = [item.id for item in items if item.id in drawn or not item.annotations]
        _list(members, f"ImageSets/Segmentation/{subset}.txt", listed)
    _write(dataset, out, members, images=images)


def _write(dataset: Dataset, out: BinaryIO, members: Members, *, images: bool) -> None:
    write_zip(out, members, [(f"JPEGImages/{item.name}", item.file) for item in dataset.items] if images else ())


def _with_background(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names if BACKGROUND in names else [BACKGROUND, *names]))


def _rgb(color: str) -> Color:
    digits = color.lstrip("#") or "000000"
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def _list(members: Members, path: str, names: list[str]) -> None:
    """Add a list of images, unless it is empty."""
    if names:
        members[path] = "".join(f"{name}\n" for name in names)


def _write_lists(
    dataset: Dataset, subset: str, items: list[Item], drawn: set[str], names: list[str], members: Members
) -> None:
    empty = [item.id for item in items if not item.annotations]
    _list(members, f"ImageSets/Main/{subset}.txt", [item.id for item in items])
    _list(members, f"ImageSets/Action/{subset}.txt", empty)
    _list(members, f"ImageSets/Layout/{subset}.txt", empty)
    segmented = [item.id for item in items if item.id in drawn or not item.annotations]
    _list(members, f"ImageSets/Segmentation/{subset}.txt", segmented)
    tagged = {item.id: {dataset.labels[a.label].name for a in item.annotations if a.kind == "label"} for item in items}
    for name in names if any(tagged.values()) else []:
        members[f"ImageSets/Main/{name}_{subset}.txt"] = "".join(
            f"{key} {1 if name in tags else -1:2d}\n" for key, tags in tagged.items() if tags
        )


# -- the annotations of an image


def _annotation_file(dataset: Dataset, item: Item) -> str:
    folder = item.id[: item.id.find("_")] if "_" in item.id else ""
    has_masks = any(annotation.kind in {"mask", "ellipse"} for annotation in item.annotations)
    lines = [
        "<annotation>", f"  {_element('folder', folder)}", f"  {_element('filename', item.name)}", "  <source>",
        *(f"    <{name}>Unknown</{name}>" for name in ("database", "annotation", "image")), "  </source>",
        "  <size>", f"    <width>{item.width}</width>", f"    <height>{item.height}</height>",
        "    <depth></depth>", "  </size>", f"  <segmented>{int(has_masks)}</segmented>",
    ]  # fmt: skip
    for annotation in item.annotations:
        if annotation.kind == "bbox":
            lines += _object(dataset.labels[annotation.label].name, annotation)
    return "\n".join([*lines, "</annotation>", ""])


def _element(name: str, value: Any) -> str:
    return f"<{name}>{escape(str(value))}</{name}>"


def _object(name: str, bbox: Annotation) -> list[str]:
    x, y, width, height = bbox.box
    corners = {"xmin": x, "ymin": y, "xmax": x + width, "ymax": y + height}
    lines = ["  <object>", f"    {_element('name', name)}"]
    if "pose" in bbox.attributes:
        lines.append(f"    {_element('pose', bbox.attributes['pose'])}")
    flags = ("truncated", "occluded", "difficult")
    lines += [f"    {_element(flag, _number(bbox.attributes.get(flag, 0)))}" for flag in flags]
    lines += ["    <bndbox>", *(f"      {_element(k, v)}" for k, v in corners.items()), "    </bndbox>"]
    lines.append("    <attributes>")
    for key, value in bbox.attributes.items():
        if key not in OWN_ELEMENTS:
            lines += ["      <attribute>", f"        {_element('name', key)}", f"        {_element('value', value)}",
                      "      </attribute>"]  # fmt: skip
    return [*lines, "    </attributes>", "  </object>"]


def _number(value: Any) -> int:
    try:
        return int(value)
    except ValueError:
        return 0


# -- pictures


def _draw_masks(
    dataset: Dataset, items: list[Item], colors: dict[str, Color], chosen: Any, members: Members
) -> set[str]:
    """Add the pictures of classes and instances of each image that has masks; return the ids of these images."""
    drawn = set()
    for item in items:
        if found := sorted(chosen(item), key=lambda annotation: int(annotation.z_order)):
            row = np.zeros(item.height * item.width, dtype=np.uint32)
            for number, annotation in enumerate(found, 1):
                masks.paint(row, annotation.mask, number)
            numbers = row.reshape((item.height, item.width), order="F")
            classes = [colors[dataset.labels[annotation.label].name] for annotation in found]
            members[f"SegmentationClass/{item.id}.png"] = _png(numbers, classes)
            members[f"SegmentationObject/{item.id}.png"] = _png(numbers, [voc_color(n + 1) for n in range(len(found))])
            drawn.add(item.id)
    return drawn


def _png(numbers: np.ndarray, colors: list[Color]) -> bytes:
    """Return a picture in which each number has its colour, from 1; 0 is black."""
    out = io.BytesIO()
    palette = np.array([(0, 0, 0), *colors], dtype=np.uint8)
    Image.fromarray(palette[numbers]).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _own_masks(item: Item) -> list[Annotation]:
    """Return the masks of an image; ellipses are drawn."""
    return [
        annotation.with_mask(ellipse.drawn(annotation, item.height, item.width))
        if annotation.kind == "ellipse" else annotation
        for annotation in item.annotations if annotation.kind in {"mask", "ellipse"}
    ]  # fmt: skip


def _filled(item: Item) -> list[Annotation]:
    """Return boxes, polygons, ellipses and masks as masks, one for each group; turned boxes come last."""
    straight: list[Annotation] = []
    turned: list[Annotation] = []
    for annotation in item.annotations:
        if annotation.kind == "bbox":
            chosen = turned if annotation.attributes["rotation"] else straight
            corners = np.around(turned_corners(annotation), 2).tolist()
            chosen.append(annotation.with_mask(masks.draw([corners], item.height, item.width)))
        elif annotation.kind == "polygon":
            straight.append(annotation.with_mask(masks.draw([annotation.points], item.height, item.width)))
        elif annotation.kind == "ellipse":
            straight.append(annotation.with_mask(ellipse.outlined(annotation, item.height, item.width)))
        elif annotation.kind == "mask":
            straight.append(annotation)
    return [_united(group) for group in grouped(straight + turned)]


def _united(group: list[Annotation]) -> Annotation:
    leader = max(group, key=area)
    return replace(leader, mask=masks.united([part.mask for part in group if part.mask is not None]))
