"""The contract of every dataset format: nothing is lost on the way through a file, equal content gives equal bytes, and
a hostile file is an error that labelyard knows."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelyard.annotations.content import AnnotatedImages, Instance
from labelyard.domain.annotations import Annotations
from labelyard.domain.objects import StoredObject
from labelyard.errors import CvatDisagrees, ExportFailed, InputError, LabelyardError
from labelyard.formats import FORMATS
from labelyard.formats.checks.fault import DatasetFacts, Severity
from labelyard.formats.interface import Format, Original, Provenance, WrittenFile, WrittenFrom
from labelyard.ledger import exports
from tests.support.annotation_strategies import FRAMES, LABELS, annotated
from tests.support.ledger_samples import dataset_spec

DATASET = DatasetFacts(dataset_spec("street"), {label.name: number for number, label in enumerate(LABELS, 1)})
PROVENANCE = Provenance(1, "street-00001", task_id=7, generation=1, written_from=WrittenFrom.ANNOTATIONS)
ORIGINALS = {
    frame.name: Original(StoredObject("raw", frame.name, "etag"), number) for number, frame in enumerate(FRAMES)
}
"""The key of each image is its name, so that a file can be compared with the content that was written."""

every_format = pytest.mark.parametrize("dataset_format", FORMATS.values(), ids=FORMATS)


@contextmanager
def written(dataset_format: Format, content: AnnotatedImages) -> Iterator[WrittenFile]:
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder) / f"dataset{dataset_format.suffix}"
        yield dataset_format.write(content, ORIGINALS, DATASET, PROVENANCE, to)


def through_a_file(dataset_format: Format, content: AnnotatedImages) -> AnnotatedImages:
    with written(dataset_format, content) as file:
        return dataset_format.read(file.path)


def bytes_of(dataset_format: Format, content: AnnotatedImages) -> bytes:
    with written(dataset_format, content) as file:
        return file.path.read_bytes()


def content_of(dataset_format: Format, annotations: Annotations) -> AnnotatedImages:
    return dataset_format.expected_export(annotations, FRAMES, LABELS).content.likeliest


def upright(instance: Instance) -> tuple[object, ...]:
    x, y, width, height = instance.box
    box = (min(x, x + width), min(y, y + height), abs(width), abs(height))
    return instance.frame, instance.label, box, instance.outline, instance.is_crowd, instance.score


def test_the_ledgers_default_format_exists() -> None:
    assert exports.DEFAULT_FORMAT in FORMATS


@every_format
@given(annotations=annotated())
def test_a_file_holds_every_image_and_instance_that_was_written(
    dataset_format: Format, annotations: Annotations
) -> None:
    content = content_of(dataset_format, annotations)
    with written(dataset_format, content) as file:
        found = dataset_format.read(file.path)
        assert (file.images, file.annotations) == (len(content.images), len(content.instances))
        assert file.size == file.path.stat().st_size
    assert {fault.severity for fault in file.warnings} <= {Severity.WARNING}
    assert found.images == content.images
    assert found.labels == content.labels
    assert Counter(map(upright, found.instances)) == Counter(map(upright, content.instances))


@every_format
@settings(max_examples=30)
@given(annotations=annotated())
def test_a_file_of_what_was_read_holds_the_same_again(dataset_format: Format, annotations: Annotations) -> None:
    found = through_a_file(dataset_format, content_of(dataset_format, annotations))
    assert through_a_file(dataset_format, found) == found


@every_format
@given(annotations=annotated(groups=0), chance=st.randoms(use_true_random=False))
def test_the_same_annotations_in_any_order_and_from_any_jobs_give_the_same_bytes(
    dataset_format: Format, annotations: Annotations, chance: random.Random
) -> None:
    first = bytes_of(dataset_format, content_of(dataset_format, annotations))
    for other in (of_two_jobs(annotations), shuffled(annotations, chance)):
        assert bytes_of(dataset_format, content_of(dataset_format, other)) == first


def of_two_jobs(annotations: Annotations) -> Annotations:
    odd, even = (tuple(shape for shape in annotations.shapes if shape.frame % 2 == half) for half in (1, 0))
    return replace(annotations, shapes=odd + even)


def shuffled(annotations: Annotations, chance: random.Random) -> Annotations:
    shapes, tracks = list(annotations.shapes), list(annotations.tracks)
    chance.shuffle(shapes)
    chance.shuffle(tracks)
    return replace(annotations, shapes=tuple(shapes), tracks=tuple(tracks))


@every_format
@given(data=st.binary(max_size=200))
def test_any_bytes_are_an_input_error(dataset_format: Format, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"dataset{dataset_format.suffix}"
        path.write_bytes(data)
        with pytest.raises(InputError):
            dataset_format.read(path)


@every_format
@given(annotations=annotated())
def test_a_file_says_where_it_comes_from(dataset_format: Format, annotations: Annotations) -> None:
    content = content_of(dataset_format, annotations)
    with written(dataset_format, content) as file:
        origin = dataset_format.read_origin(file.path.read_bytes())
    assert set(origin.keys) == {image.name for image in content.images}
    assert list(origin.categories) == list(content.labels)
    assert (origin.dataset, bool(origin.batch)) == (DATASET.spec.name, True)


NAMES = ("info", "dataset", "batch", "images", "categories", "id", "name", "cvat_name", "file_name")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
)


@every_format
@given(data=st.binary(max_size=200) | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_of_any_bytes_the_origin_is_texts_and_numbers_or_an_input_error(dataset_format: Format, data: bytes) -> None:
    with suppress(InputError):
        origin = dataset_format.read_origin(data)
        assert all(isinstance(text, str) for text in (origin.dataset, origin.batch, *origin.keys.values()))
        assert all(isinstance(number, int) for number in origin.categories.values())


@every_format
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_failed_export(dataset_format: Format, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.zip"
        path.write_bytes(data)
        with pytest.raises((ExportFailed, CvatDisagrees)):
            dataset_format.read_export(path)


@every_format
@settings(max_examples=50)
@given(annotations=annotated(), position=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_damaged_file_is_read_or_an_error_that_labelyard_knows(
    dataset_format: Format, annotations: Annotations, position: float, byte: int
) -> None:
    with written(dataset_format, content_of(dataset_format, annotations)) as file:
        data = bytearray(file.path.read_bytes())
        data[int(position * len(data))] = byte
        file.path.write_bytes(bytes(data))
        try:
            dataset_format.read(file.path)
        except LabelyardError as error:
            assert error.where == str(file.path)  # noqa: PT017 - an error is one of two right outcomes


@every_format
@pytest.mark.parametrize(
    "data", [b"", b"[" * 100_000, b"\xff\xfe", b'{"a": ' + b"1" * 5000 + b"}", b"[]", b"null", b"{}"]
)
def test_a_hostile_file_is_an_input_error_with_its_path(dataset_format: Format, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"dataset{dataset_format.suffix}"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        dataset_format.read(path)
    assert caught.value.where == str(path)
