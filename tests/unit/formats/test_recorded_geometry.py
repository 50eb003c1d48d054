"""Our COCO files and objects, compared with the exports that real servers made of the same tasks.

Those of CVAT 2.73 are in a folder beside the repository; the tests of them run where it exists.
"""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from labelyard.annotations.annotation_set import AnnotationSet
from labelyard.annotations.content import Image
from labelyard.annotations.objects import ExpandedObjects, frame_objects
from labelyard.annotations.selection import select
from labelyard.annotations.witness import Comparison, compare
from labelyard.cvat.decoding import decode_annotations, decode_label
from labelyard.domain.annotations import Interpolation
from labelyard.domain.labels import Label
from labelyard.domain.tasks import Frame, JobStatus, Task
from labelyard.formats import FORMATS
from labelyard.formats.cvat_xml import MEMBER, read_cvat_xml
from labelyard.formats.interface import FormatOptions, Provenance
from labelyard.formats.writing import Target, write_dataset
from tests.support.coco_geometry import Raw, differences
from tests.support.paths import ROOT, recording
from tests.support.recorded_tasks import frame_names

RECORDINGS = ROOT / "tests" / "recordings" / "cvat-2.73-shapes"
"""One task of CVAT 2.73 for each kind of shape."""
SIZE = 320, 240

INSTANCES, KEYPOINTS = "annotations/instances_default.json", "annotations/person_keypoints_default.json"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pycocotools


@dataclass(frozen=True)
class Recorded:
    """A task as it was recorded: labels, frames, annotations, and the files of its exports by their names."""

    labels: tuple[Label, ...]
    frames: tuple[Frame, ...]
    annotations: Raw
    rules: Interpolation
    files: Mapping[str, Any]

    @cached_property
    def set(self) -> AnnotationSet:
        task = Task(1, "recorded", len(self.frames), True, JobStatus.COMPLETED, self.labels, (), updated="2026")
        return AnnotationSet(task, self.frames, decode_annotations(self.annotations), {}, self.rules)

    @cached_property
    def drawn(self) -> ExpandedObjects:
        return frame_objects(self.set)

    def comparison(self, folder: Path) -> Comparison:
        """Compare with CVAT's XML. Only the format for images numbers the frames that have nothing."""
        path = folder / "witness.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(MEMBER, self.files[MEMBER])
        names = {number: frame.name for number, frame in enumerate(self.frames)}
        return compare(self.drawn, read_cvat_xml(path, self.labels).objects, names)

    def coco(self, folder: Path, name: str = "coco") -> Raw:
        """Return our COCO document of the task."""
        objects = self.comparison(folder).objects if MEMBER in self.files else self.drawn.objects
        images = [Image(frame.name, frame.width, frame.height, n, frame.name) for n, frame in enumerate(self.frames)]
        options = FormatOptions(
            rectangles_as_polygons=self.rules is Interpolation.V1, boxes_lead_groups=self.rules is Interpolation.V2
        )
        target = Target(Provenance(1, "a recording", 2026), options, str)
        written = write_dataset(FORMATS[name], select(self.set, objects, images, {}), target, folder, name)
        document: Raw = json.loads(written.files[0].read_text())
        return document


# --- the recordings ---------------------------------------------------------------------------------------------------


def recorded_in_273() -> dict[str, Recorded]:
    """Return the tasks by the name of the kind that is drawn in them."""
    steps: dict[str, dict[str, Any]] = defaultdict(dict)
    for file in sorted(RECORDINGS.glob("*-d-*.json")):
        name = file.stem.split("-", 2)[2]
        kind, _, step = name.partition("-")
        steps[kind][step] = json.loads(file.read_text())
    found = {}
    for kind, of_kind in steps.items():
        labels = of_kind["labels"]["response_body"]["results"] if "labels" in of_kind else ()
        files = {
            name: content
            for step in ("coco", "cocokp", "cvatvideo", "cvatimages")  # the last one is the better witness
            for name, content in _zipped(of_kind.get(step, {})).items()
        }
        found[kind] = Recorded(
            tuple(map(decode_label, labels)), tuple(Frame(name, *SIZE) for name in frame_names(of_kind["data"])),
            of_kind["put"]["response_body"], Interpolation.V2, files,
        )  # fmt: skip
    return found


def _zipped(record: Raw) -> Raw:
    body = record["steps"][-1]["response_body"] if record else {}
    found: Raw = body.get("parsed", {})
    return found


OF_273 = recorded_in_273()


def recorded_in_100() -> Recorded:
    """Return task 74 of CVAT 1.0.0: every kind of shape, and a track that ends outside."""
    annotations, meta = recording(477)["body_json"], recording(478)["body_json"]
    labels = recording(503)["body_json"]["labels"]
    files = recording(488)["zip_json"] | recording(509)["zip_text"]
    frames = tuple(Frame(one["name"], one["width"], one["height"]) for one in meta["frames"])
    return Recorded(tuple(map(decode_label, labels)), frames, annotations, Interpolation.V1, files)


def with_file(name: str) -> list[str]:
    return sorted(kind for kind, task in OF_273.items() if name in task.files)


# --- CVAT 2.73 --------------------------------------------------------------------------------------------------------


KNOWN = {
    # CVAT merges a group of two labels and gives the result the label of one member. The other label is lost.
    "group": [
        "only in CVAT's, ('p_1_320x240.jpg', 'car'): [10.0, 100.0, 120.0, 60.0] []",
        "only in ours, ('p_1_320x240.jpg', 'car'): [10.0, 100.0, 50.0, 60.0] []",
        "only in ours, ('p_1_320x240.jpg', 'tree'): [80.0, 100.0, 50.0, 60.0] []",
    ],
}
"""Where CVAT's own COCO is wrong, by kind."""


@pytest.mark.parametrize("kind", with_file(INSTANCES))
def test_our_coco_has_the_geometry_of_cvats_coco(kind: str, tmp_path: Path) -> None:
    task = OF_273[kind]
    assert differences(task.coco(tmp_path), task.files[INSTANCES]) == KNOWN.get(kind, [])


@pytest.mark.parametrize("kind", with_file(KEYPOINTS))
def test_our_coco_keypoints_have_the_keypoints_of_cvats(kind: str, tmp_path: Path) -> None:
    task = OF_273[kind]
    assert differences(task.coco(tmp_path, "coco-keypoints"), task.files[KEYPOINTS]) == []


@pytest.mark.parametrize("kind", with_file(MEMBER))
def test_cvats_xml_shows_no_difference(kind: str, tmp_path: Path) -> None:
    lines = OF_273[kind].comparison(tmp_path).difference.lines
    # The recorded export of the task of tags is one for videos, which has no tags.
    assert lines == (("not in CVAT's export: frame 0 (p_0_320x240.jpg), tag 'car', tag 4",) if kind == "tag" else ())


# --- CVAT 1.0.0 -------------------------------------------------------------------------------------------------------


def test_our_coco_has_the_geometry_of_the_coco_of_100_except_a_key_frame_that_is_outside(tmp_path: Path) -> None:
    task = recorded_in_100()
    # 1.0.0 exports the key frame where a track ends: there the object is no longer in the picture.
    corners = [[5.0, 5.0, 20.0, 5.0, 20.0, 20.0, 5.0, 20.0]]
    wrong = f"only in CVAT's, ('img_04.jpg', 'person'): [5.0, 5.0, 15.0, 15.0] {corners}"
    assert differences(task.coco(tmp_path), task.files[INSTANCES]) == [wrong]


def test_the_xml_of_100_shows_no_difference_except_what_was_drawn_later(tmp_path: Path) -> None:
    later = "only in CVAT's export: frame 6 (z_10.jpg), rectangle 'person'"  # after 477, before 509
    assert recorded_in_100().comparison(tmp_path).difference.lines == (later, later)
