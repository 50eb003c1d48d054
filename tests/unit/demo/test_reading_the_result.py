"""The demo's own reading of CVAT and of the files agrees with labelyard's writing, and sees what is different."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from labelyard.annotations.annotation_set import AnnotationSet
from labelyard.annotations.content import Image
from labelyard.annotations.objects import frame_objects
from labelyard.annotations.selection import select
from labelyard.cvat.encoding import encode_annotations
from labelyard.demo.bots import Bot, draw
from labelyard.demo.drawn import Drawn, RawTask, Rules, drawn_by_frame
from labelyard.demo.exported import Export, read_export
from labelyard.demo.photographs import photographs
from labelyard.domain.annotations import Annotations, Interpolation
from labelyard.domain.labels import Label
from labelyard.domain.tasks import Frame, JobStatus, Task
from labelyard.formats import FORMATS
from labelyard.formats.interface import FormatOptions, Provenance
from labelyard.formats.writing import Target, write_dataset
from tests.support.labels_of_every_kind import BODY, NEW_LABELS, with_ids

BOT = Bot("anna", SecretStr("pass"))
FRAMES = tuple(Frame(f"{name}.jpg", one.width, one.height) for name, one in list(photographs().items())[:6])
FAMILIES = {
    "v1": (with_ids(NEW_LABELS), Interpolation.V1, Rules(outlines_end=True, stays_before_outside=True)),
    "v2": (with_ids((*NEW_LABELS, BODY)), Interpolation.V2, Rules(outlines_end=False, stays_before_outside=False)),
}
every_family = pytest.mark.parametrize("family", FAMILIES)


def drawn_by_bot(family: str) -> Annotations:
    labels, _, _ = FAMILIES[family]
    found = [draw(BOT, FRAMES, n, range(len(FRAMES)), labels, family) for n in range(len(FRAMES))]
    return Annotations(
        tuple(shape for one in found for shape in one.shapes),
        tuple(track for one in found for track in one.tracks),
        tuple(tag for one in found for tag in one.tags),
    )


def label_json(label: Label) -> dict[str, Any]:
    return {
        "id": label.id,
        "name": label.name,
        "attributes": [{"id": spec.id, "name": spec.name, "default_value": spec.default} for spec in label.attributes],
        "sublabels": [label_json(point) for point in label.sublabels],
    }


def saved(family: str, annotations: Annotations) -> dict[int, Counter[Drawn]]:
    """Return what the demo reads from the JSON of CVAT."""
    labels, _, rules = FAMILIES[family]
    body = encode_annotations(annotations, ids=False, source=False)
    for shape in (one for raw in body["shapes"] for one in (raw, *raw.get("elements", ()))):
        shape.setdefault("outside", False)
    return drawn_by_frame(RawTask([label_json(label) for label in labels], body, len(FRAMES), rules))


def written(family: str, annotations: Annotations, folder: Path) -> list[Path]:
    """Return the COCO files that labelyard writes, as if CVAT's export had confirmed all outlines."""
    labels, interpolation, _ = FAMILIES[family]
    task = Task(7, "t", len(FRAMES), True, JobStatus.COMPLETED, labels, ())
    whole = AnnotationSet(task, FRAMES, annotations, {}, interpolation)
    objects = [replace(one, outline_certain=True) for one in frame_objects(whole).objects]
    images = [Image(one.name, one.width, one.height, number, one.name) for number, one in enumerate(FRAMES)]
    target = Target(Provenance(7, "a test", 2026), FormatOptions(), lambda one: f"frame {one.frame}")
    return list(write_dataset(FORMATS["coco"], select(whole, objects, images, {}), target, folder, "street").files)


def exported(files: Sequence[Path]) -> Export:
    return read_export(files, None)


def by_name(found: Mapping[int, Counter[Drawn]]) -> dict[str, Counter[Drawn]]:
    return {frame.name: found.get(number, Counter()) for number, frame in enumerate(FRAMES)}


@every_family
def test_both_readings_of_everything_that_a_bot_draws_are_equal(family: str, tmp_path: Path) -> None:
    annotations = drawn_by_bot(family)
    found = exported(written(family, annotations, tmp_path))
    assert found.images == by_name(saved(family, annotations))
    assert found.task_id == 7
    assert [account["left_out"] for account in found.accounts[:2]] == [[], []]


@every_family
def test_a_track_counts_on_each_frame_where_it_is_not_outside(family: str) -> None:
    only_tracks = replace(drawn_by_bot(family), shapes=(), tags=())
    numbers = {n: Counter(one.kind for one in objects.elements()) for n, objects in saved(family, only_tracks).items()}
    assert numbers == {n: Counter(rectangle=1, polygon=1) for n in range(5)}


def move_ellipse(main: dict[str, Any]) -> None:
    one = next(one for one in main["annotations"] if "ellipse" in one["attributes"])
    one["segmentation"]["counts"][0] += 3 * one["segmentation"]["size"][0]
    one["segmentation"]["counts"][-1] -= 3 * one["segmentation"]["size"][0]


def move_mask(main: dict[str, Any]) -> None:
    one = next(
        o for o in main["annotations"] if isinstance(o["segmentation"], dict) and "ellipse" not in o["attributes"]
    )
    one["segmentation"]["counts"][0] += 1
    one["segmentation"]["counts"][-1] -= 1


def turn_corner(main: dict[str, Any]) -> None:
    next(
        one for one in main["annotations"] if one["attributes"].get("rotation") and "ellipse" not in one["attributes"]
    )["segmentation"][0][0] += 0.02


def hide_point(main: dict[str, Any]) -> None:
    next(one for one in main["annotations"] if "keypoints" in one)["keypoints"][2] = 0


def lose_part(main: dict[str, Any]) -> None:
    outlines = [one["segmentation"] for one in main["annotations"] if isinstance(one["segmentation"], list)]
    next(parts for parts in outlines if len(parts) > 1).pop()


def change_attribute(main: dict[str, Any]) -> None:
    one = next(one for one in main["annotations"] if "moving" in one["attributes"] and "group" not in one["attributes"])
    one["attributes"]["moving"] = not one["attributes"]["moving"]


def lose_tag(extra: dict[str, Any]) -> None:
    extra["tags"].pop()


def move_line(extra: dict[str, Any]) -> None:
    extra["polylines"][0]["points"][0][0] += 0.02


@pytest.mark.parametrize(
    ("number", "spoil"),
    [(0, spoil) for spoil in (move_ellipse, move_mask, turn_corner, hide_point, lose_part, change_attribute)]
    + [(1, spoil) for spoil in (lose_tag, move_line)],
)
def test_what_differs_in_a_file_is_seen(number: int, spoil: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    annotations = drawn_by_bot("v2")
    files = written("v2", annotations, tmp_path)
    document = json.loads(files[number].read_text())
    spoil(document)
    files[number].write_text(json.dumps(document))
    assert exported(files).images != by_name(saved("v2", annotations))
