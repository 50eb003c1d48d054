"""A fixed, rich content, its files in each format, and pictures where readers look for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image as Picture

from labelyard.annotations.content import FrameObject, Image, Keypoint, Kind
from labelyard.formats import FORMATS
from tests.support.content_strategies import IMAGES, LABELS
from tests.support.dataset_writing import write

PARKED = {"colour": "blue", "age": 7, "parked": True, "plate": "<KÖ & 1>", "rotation": "own"}
_BODY = (Keypoint("head", 8.5, 2), Keypoint("hand", 12, 9.25, occluded=True), Keypoint("foot", 20, 30, outside=True))
OBJECTS = (
    FrameObject(Kind.RECTANGLE, 0, "car", (2.5, 3.0, 12.0, 9.25), attributes=PARKED, occluded=True),
    FrameObject(Kind.RECTANGLE, 0, "Bürger & Söhne", (60.0, 1.0, 20.5, 48.0)),
    FrameObject(Kind.RECTANGLE, 0, "car", (20.0, 20.0, 40.0, 30.0), rotation=30.0),
    FrameObject(Kind.POLYGON, 0, "car", (1.0, 1.0, 30.0, 2.0, 25.0, 40.0, 3.0, 12.5)),
    FrameObject(Kind.ELLIPSE, 0, "car", (30.0, 20.0, 40.0, 14.0), rotation=20.0),
    FrameObject(Kind.MASK, 0, "Bürger & Söhne", (0.0, 4.0, 3.0, 3.0, 2.0, 4.0, 10.0, 12.0, 13.0, 15.0)),
    FrameObject(Kind.POLYLINE, 0, "car", (1.0, 1.0, 30.0, 2.0)),
    FrameObject(Kind.TAG, 0, "car"),
    FrameObject(Kind.RECTANGLE, 2, "car", (0.0, 0.0, 32.0, 32.0), track=1, keyframe=True, group=2),
    FrameObject(Kind.SKELETON, 2, "body", keypoints=_BODY),
    FrameObject(Kind.POINTS, 2, "corner", (1.0, 2.0, 11.0, 22.0)),
    FrameObject(Kind.POLYGON, 2, "Bürger & Söhne", (3.25, 3.5, 30.0, 5.0, 28.0, 31.0)),
)
"""Objects of all kinds; the second image has none."""

BODY = next(one for one in OBJECTS if one.kind is Kind.SKELETON)

FLAT_IMAGES = tuple(replace(image, name=f"{name}.png") for image, name in zip(IMAGES, ("a", "b", "c"), strict=True))
"""The same images for readers that do not search folders inside of others."""


def write_files(name: str, folder: Path, images: tuple[Image, ...] = IMAGES) -> list[FrameObject]:
    """Write the content in a format; return the objects that it holds."""
    write(name, OBJECTS, folder, images)
    form = FORMATS[name]
    labels, by_frame = {label.name: label for label in LABELS}, {image.frame: image for image in images}
    return [
        one
        for one in OBJECTS
        if form.holds[one.kind].held and form.refusal(one, labels[one.label], by_frame[one.frame]) is None
    ]


def paint(folder: Path, images: tuple[Image, ...] = IMAGES) -> None:
    """Write a picture of its size for each image."""
    for image in images:
        path = folder / image.name
        path.parent.mkdir(parents=True, exist_ok=True)
        Picture.new("RGB", (image.width, image.height)).save(path)
