"""Rules that need the image files of a COCO file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from labelyard.formats.checks.fault import Fault, Severity
from labelyard.formats.checks.images import rotated_image
from labelyard.formats.checks.rule import Rule, Violations, item_name, rule
from labelyard.formats.checks.values import size_of
from labelyard.images import SERVERS, Inspection

READER = replace(SERVERS["v2"], name="Pillow", applies_exif=False)
"""What trainings open images with: a current Pillow, which turns no pixels."""

_ON_ITS_SIDE = 4
"""Orientations above it swap width and height."""


@rule(Severity.ERROR)
def missing_image(_document: object, _dataset: object) -> Violations:
    """Every image of the file exists.

    The training stops where it comes to the image, often hours after its start.
    """
    yield from ()


@rule(Severity.ERROR)
def broken_image(_document: object, _dataset: object) -> Violations:
    """Every image can be decoded to its last pixel.

    The training stops at the image, or learns from grey where its data ends.
    """
    yield from ()


@rule(Severity.ERROR)
def image_size_differs(_document: object, _dataset: object) -> Violations:
    """Every image has the width and height that the file states.

    Boxes and masks are scaled by the stated size: all of them miss their objects.
    """
    yield from ()


@rule(Severity.ERROR)
def swapped_sides(_document: object, _dataset: object) -> Violations:
    """No image has its width and height swapped by its EXIF orientation.

    The boxes are those of the turned image, and Pillow and torchvision open it as it is stored: all boxes miss.
    """
    yield from ()


IMAGE_CHECKS: dict[str, Rule] = {
    one.name: one for one in (missing_image, broken_image, image_size_differs, swapped_sides)
}
"""The rules that need the images, by name."""


def fault_of_missing(image: dict[str, Any], where: str) -> Fault:
    """Return the fault of an image that does not exist at a place."""
    return _fault(missing_image, image, f"there is no {where}")


def image_faults(image: dict[str, Any], found: Inspection) -> Iterator[Fault]:
    """Yield the faults of an image of the file, whose image file has been inspected by the rules of `READER`."""
    if found.reason is not None or found.width is None or found.height is None:
        yield _fault(broken_image, image, f"cannot be used: {found.reason}")
        return
    stated, real = size_of(image), (found.width, found.height)
    turned = found.exif_orientation > _ON_ITS_SIDE and real[0] != real[1]
    if stated is not None and stated != real:
        pixels = f"the file states {stated[0]} x {stated[1]}, and the image has {real[0]} x {real[1]} pixels"
        if turned and stated == real[::-1]:
            yield _fault(swapped_sides, image, f"{pixels} (EXIF orientation {found.exif_orientation})")
        else:
            yield _fault(image_size_differs, image, pixels)
    elif found.exif_orientation != 1 and "exif_orientation" not in image:
        what = f"some readers rotate it (EXIF orientation {found.exif_orientation})"
        yield _fault(rotated_image, image, f"{what}; width and height are of the pixels as stored")


def _fault(of: Rule, image: dict[str, Any], message: str) -> Fault:
    return Fault(of.name, of.severity, item_name("images", image), message)
