"""The contents of annotations: the quick way gives what decoding gives, and the check beside it the usual report."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from labelyard.errors import InputError
from labelyard.formats.coco.parts import read_parts
from labelyard.formats.file_checks.annotation_screen import ANNOTATIONS
from labelyard.formats.file_checks.checking import check_file
from labelyard.releases.contents import _after_ids, annotation_contents, contents
from labelyard.releases.source_checks import SourceCheck
from tests.support.coco_documents import faultless_documents, json_values

ATTRIBUTES = [{}, {'a \\ "b"': "ü \x7f"}, {"id": 5, "image_id": [1, {"area": "x"}]}, None]

REWRITTEN = {
    "as it is": ("", ""),
    "a field is there twice": ('"area":', '"area":7,"area":'),
    "an id is there twice": ('"iscrowd":', '"id":7,"iscrowd":'),
    "a name is escaped": ('"bbox":', '"bbo\\u0078":'),
    "a text is escaped": ('"counts":"', '"counts":"\\u005c'),
    "a field is unknown": ('"bbox":', '"track":"a","bbox":'),
    "the ids are elsewhere": ('"image_id":', '"score":1,"image_id":'),
    "an id is below zero": ('"id":', '"id":-'),
}  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("coco") / "instances.json"


@given(
    document=faultless_documents(),
    attributes=st.sampled_from(ATTRIBUTES),
    rewritten=st.sampled_from(list(REWRITTEN)),
    indent=st.sampled_from([-1, 0, 1]),
    ascii_only=st.booleans(),
)
def test_contents_are_the_same_as_those_of_decoded_annotations(
    document: dict[str, Any], attributes: Any, rewritten: str, indent: int, *, ascii_only: bool
) -> None:
    texts = [
        json.dumps(one | {"attributes": attributes}, separators=(",", ":"), ensure_ascii=ascii_only)
        for one in document["annotations"]
    ]
    raws = [Raw(msgspec.json.format(text.replace(*REWRITTEN[rewritten]).encode(), indent=indent)) for text in texts]
    assert list(annotation_contents(raws, None)) == list(contents(raws))


def test_annotations_that_begin_with_their_ids_are_not_decoded_twice() -> None:
    shapes: list[Any] = [[[0, 0, 9, 0, 9, 9]], {"counts": "a\\b", "size": [4, 4]}, {"counts": [16], "size": [4, 4]}]
    raws = [
        Raw(msgspec.json.encode({
            "id": number, "image_id": 2, "category_id": 3, "segmentation": shapes[number % 3], "area": 5, "iscrowd": 0,
            "bbox": [0, 0, 9, 9], "attributes": ATTRIBUTES[number % 4], **[{}, {"score": None}][number % 2],
        }))
        for number in range(1, 13)
    ]  # fmt: skip
    found = _after_ids(raws, ANNOTATIONS.of_chunk(raws))
    assert found == list(contents(raws))


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "file_name"]),
        st.integers(0, 7),
        json_values,
    ),
    max_size=2,
)


@given(document=faultless_documents(), changes=CHANGES, copied=st.integers(0, 2))
def test_a_source_that_is_checked_while_it_is_written_gets_the_report_of_its_file(
    document: dict[str, Any], changes: Any, copied: int, path: Path
) -> None:
    document = copy.deepcopy(document)
    for field, position, value in changes:
        part = document["images" if field == "file_name" else "annotations"]
        part[position % len(part)][field] = value
    document["annotations"] += copy.deepcopy(document["annotations"][:copied])
    path.write_text(json.dumps(document))
    expected = check_file(path).report
    try:
        parts = read_parts(path)
        check = SourceCheck(path, parts)
        for _ in annotation_contents(parts.annotations, check):
            pass
    except (InputError, ValueError, KeyError, TypeError):  # what cannot be merged has an error by the checks
        assert not expected.fit
    else:
        found = check.report()
        assert (found.tallies, found.images, found.annotations) == (
            expected.tallies, expected.images, expected.annotations,
        )  # fmt: skip
