"""docs/coco.schema.json describes all COCO files that labelyard writes, and each of its fields is in one of them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.annotations.content import Content, FrameObject, Keypoint, Kind, LeftOut
from labelyard.annotations.corrections import compare_with_predictions
from labelyard.annotations.selection import Selection, in_order
from labelyard.domain.formats import Groups
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.formats import FORMATS
from labelyard.formats.coco.instances import OWN_FIELDS
from labelyard.formats.coco.write import EXTRA_PARTS
from labelyard.formats.interface import FormatOptions, Provenance
from labelyard.formats.writing import Target, write_dataset
from tests.support.content_strategies import IMAGES, LABELS, contents
from tests.support.paths import ROOT

SCHEMA = json.loads((ROOT / "docs" / "coco.schema.json").read_text(encoding="utf-8"))
PROVENANCE = Provenance(
    7, "CVAT's annotations API, equal to CVAT's own export", 2026, "street", 2, "street-00001", 1,
    ({"id": 3, "frames": [0, 2], "assignee": 5, "updated": "2026-11-30T02:00:00Z",
      "stage": "acceptance", "reviewer": 6, "rounds": 2},
     {"id": 4, "frames": [0, 2], "assignee": None}),
    preannotation={"from": "coco", "imported": 1, "reason": "only 1 of 2 are in the task: people have begun",
                   **compare_with_predictions([FrameObject(Kind.RECTANGLE, 0, "car")], []).document()},
)  # fmt: skip
FORMAT_NAMES = ("coco", "coco-keypoints")


@cache
def validator(part: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{part}"}]})


def documents(name: str, selection: Selection, options: FormatOptions) -> Iterator[tuple[str, Any]]:
    """The files of a format, each with the part of the schema that describes it."""
    target = Target(PROVENANCE, options, lambda one: f"frame {one.frame}")
    with tempfile.TemporaryDirectory() as folder:
        for file in write_dataset(FORMATS[name], selection, target, Path(folder), "street").files:
            yield "extra" if ".extra." in file.name else "instances", json.loads(file.read_bytes())


@pytest.mark.parametrize("name", FORMAT_NAMES)
@given(content=contents(), groups=st.sampled_from(Groups), as_polygons=st.booleans())
def test_every_file_fits_the_schema(name: str, content: Content, groups: Groups, as_polygons: bool) -> None:
    selection = Selection(in_order(content), ())
    for part, document in documents(name, selection, FormatOptions(as_polygons, groups)):
        validator(part).validate(document)


def test_every_field_of_the_schema_is_in_a_file() -> None:
    crowd = Label("crowd", (AttributeSpec("is_crowd", InputType.CHECKBOX, "false", ("false",)),), id=5)
    image = replace(IMAGES[0], exif_orientation=6, stored=replace(_stored(), version_id="v1"))
    points = (Keypoint("head", 1, 2, attributes={"seen": True}), Keypoint("hand", 3, 4, outside=True))
    objects = (
        FrameObject(Kind.RECTANGLE, 0, "car", (1, 2, 20, 30), rotation=30, track=0, keyframe=True, job=3, group=1),
        FrameObject(Kind.ELLIPSE, 0, "crowd", (20, 20, 30, 12), z_order=1, source="auto", score=0.5),
        FrameObject(Kind.POLYGON, 0, "crowd", (1, 1, 30, 1, 30, 30), attributes={"is_crowd": True}),
        FrameObject(Kind.SKELETON, 0, "body", keypoints=points),
        *(FrameObject(kind, 0, "car", _POINTS[kind]) for kind in EXTRA_PARTS),
    )
    faulty = LeftOut(FrameObject(Kind.POLYGON, 0, "car", (1, 1, 2, 2)), "it has 2 points", faulty=True)
    selection = Selection(in_order(Content((image,), (*LABELS, crowd), objects)), (faulty,))
    found = list(documents("coco", selection, FormatOptions()))
    assert [part for part, _ in found] == ["instances", "extra"]
    unused = {f"{part}.{name}" for part, section in SCHEMA["$defs"].items() for name in section.get("properties", {})}
    for part, document in found:
        validator(part).validate(document)
        unused -= set(_fields(part, document))
    assert unused == set()
    assert [one["iscrowd"] for one in found[0][1]["annotations"]].count(1) == 1


def test_the_schema_has_each_reserved_field_of_attributes() -> None:
    assert set(SCHEMA["$defs"]["values"]["properties"]) == OWN_FIELDS


def test_the_schema_refuses_other_documents() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    [(_, document)] = documents("coco", Selection(Content(IMAGES, LABELS, ()), ()), FormatOptions())
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(document)
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid({**document, "segment_info": []})
    del document["info"]["account"]
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(document)


_POINTS: Mapping[Kind, tuple[float, ...]] = {
    Kind.TAG: (),
    Kind.POLYLINE: (1, 1, 20, 20),
    Kind.CUBOID: (1, 1, 1, 20, 20, 1, 20, 20, 25, 1, 25, 18, 5, 1, 5, 18),
    Kind.POINTS: (3, 4),
}


def _stored() -> Any:
    return IMAGES[0].stored


def _fields(part: str, value: Any) -> Iterator[str]:
    """The fields of the schema that a value has, as `part.field`."""
    for name, field in SCHEMA["$defs"][part].get("properties", {}).items():
        if name in value:
            yield f"{part}.{name}"
            for inner in value[name] if isinstance(value[name], list) else [value[name]]:
                reference = (field.get("items", field)).get("$ref")
                if reference:
                    yield from _fields(reference.rpartition("/")[2], inner)
