"""Small datasets in the YOLO formats: labels, shapes, and what is written of them."""

from __future__ import annotations

from pathlib import Path

from labelyard.annotations.content import Content, FrameObject, Image, Keypoint, Kind
from labelyard.annotations.selection import Selection, in_order
from labelyard.domain.labels import Label
from labelyard.formats import FORMATS
from labelyard.formats.interface import FormatOptions, Provenance
from labelyard.formats.writing import Target, WrittenDataset, write_dataset

TARGET = Target(Provenance(7, "the annotations API", 2026), FormatOptions(), location=lambda one: f"frame {one.frame}")
IMAGE = Image("a.jpg", 200, 100, 0)
CAR, TREE = Label("car", id=1), Label("trée", id=2)
BODY = Label("body", type="skeleton", sublabels=(Label("head"), Label("hand"), Label("foot")), id=3)
ARM = Label("arm", type="skeleton", sublabels=(Label("left end"), Label("right end")), id=4)
LABELS = (CAR, TREE, BODY, ARM)


def write(name: str, folder: Path, *objects: FrameObject, images: tuple[Image, ...] = (IMAGE,)) -> WrittenDataset:
    selection = Selection(in_order(Content(images, LABELS, objects)), ())
    return write_dataset(FORMATS[name], selection, TARGET, folder, "street")


def rows(folder: Path, name: str = "a.txt") -> list[str]:
    return (folder / "labels/train" / name).read_text(encoding="utf-8").splitlines()


def shape(kind: Kind, *points: float, label: str = "car", rotation: float = 0) -> FrameObject:
    return FrameObject(kind, 0, label, points, rotation)


def skeleton(*points: tuple[float, float, int], label: Label = BODY) -> FrameObject:
    keypoints = tuple(
        Keypoint(one.name, x, y, outside=v == 0, occluded=v == 1)
        for one, (x, y, v) in zip(label.sublabels, points, strict=True)
    )
    return FrameObject(Kind.SKELETON, 0, label.name, keypoints=keypoints)
