"""Merged groups in COCO files, and what is read of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from labelyard.annotations.content import Content, FrameObject, Image, Kind
from labelyard.annotations.selection import Selection, in_order
from labelyard.domain.labels import Label
from labelyard.formats import FORMATS
from labelyard.formats.interface import FormatOptions, Provenance
from labelyard.formats.writing import Target, write_dataset
from tests.support.content_strategies import contents
from tests.support.examples import examples

CAR = FrameObject(Kind.RECTANGLE, 0, "car", (2, 2, 18, 16), group=4)
LEFT = replace(CAR, kind=Kind.POLYGON, points=(3, 3, 8, 3, 8, 8))
RIGHT = replace(CAR, kind=Kind.POLYGON, points=(10, 10, 15, 10, 15, 15))
MASK = replace(CAR, kind=Kind.MASK, points=(0, 4, 5, 5, 6, 6))
ELLIPSE = replace(CAR, kind=Kind.ELLIPSE, points=(10, 8, 14, 5))


def rewritten(content: Content, folder: Path) -> tuple[list[dict[str, Any]], Content]:
    """Write content with its groups merged; return the annotations, and what is read of them."""
    folder.mkdir()
    target = Target(Provenance(7, "the annotations API", 2026), FormatOptions(), location=str)
    write_dataset(FORMATS["coco"], Selection(in_order(content), ()), target, folder, "street")
    return json.loads((folder / "street.json").read_text())["annotations"], FORMATS["coco"].read(folder, "street")


def shown(annotation: dict[str, Any]) -> dict[str, Any]:
    """Return what an annotation says, however it was drawn.

    Ids follow the order of kinds and points: a merged ellipse is read as a mask, and a rectangle from its top left
    corner, whichever was drawn first. So do the polygons of a group, whose members may differ in more than points. The
    box of merged rectangles has no rotation, which is the same as 0.
    """
    attributes = dict(annotation["attributes"])
    if attributes.get("rotation") == 0:
        del attributes["rotation"]
    outline = annotation["segmentation"]
    return {key: value for key, value in annotation.items() if key != "id"} | {
        "attributes": attributes,
        "segmentation": sorted(outline) if isinstance(outline, list) else outline,
    }


def about(value: Any) -> Any:
    """Return what equals a JSON value but for the last digits: a box is a corner and a size, so its sum is rounded."""
    if isinstance(value, dict):
        return {key: about(one) for key, one in value.items()}
    if isinstance(value, list):
        return [about(one) for one in value]
    return pytest.approx(value, abs=1e-6) if isinstance(value, float) else value


def unmatched(annotations: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the annotations that no other one equals; each other one equals at most one. Their order is free."""
    remaining = [shown(one) for one in others]
    missing = []
    for one in map(shown, annotations):
        expected = about(one)
        found = next((number for number, other in enumerate(remaining) if other == expected), None)
        if found is None:
            missing.append(one)
        else:
            del remaining[found]
    return missing


@pytest.mark.parametrize(
    ("members", "kinds"),
    [
        ([LEFT, RIGHT], [Kind.POLYGON, Kind.POLYGON]),
        ([CAR, LEFT], [Kind.RECTANGLE, Kind.POLYGON]),
        ([CAR, replace(CAR, points=(1, 1, 9, 9))], [Kind.RECTANGLE]),
        ([CAR, MASK], [Kind.RECTANGLE, Kind.MASK]),
        ([ELLIPSE, LEFT], [Kind.MASK]),
        ([LEFT], [Kind.POLYGON]),
        ([replace(CAR, rotation=30)], [Kind.RECTANGLE]),
    ],
)
def test_a_merged_group_is_read_as_the_shapes_that_it_shows(
    members: list[FrameObject], kinds: list[Kind], tmp_path: Path
) -> None:
    content = Content((Image("a.jpg", 20, 20, 0),), (Label("car"),), tuple(members))
    _, found = rewritten(content, tmp_path / "1")
    assert [one.kind for one in found.objects] == kinds
    assert {one.group for one in found.objects} == {4}


@settings(max_examples=examples(40))
@given(content=contents())
def test_what_is_read_gives_the_same_annotations_again(
    content: Content, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("coco")
    first, found = rewritten(content, folder / "1")
    again, _ = rewritten(found, folder / "2")
    assert unmatched(first, again) == []
    assert len(again) == len(first)
