"""The checks that need the dataset: what they find, and the severity that the dataset file gives them."""

from __future__ import annotations

from typing import Any

import pytest

from labelyard.config import ChecksSection, Level
from labelyard.formats.checks import DATASET_CHECKS, check
from labelyard.formats.checks.fault import DatasetFacts, Severity
from tests.support.coco_faults import Change, Document, category, one_more, recorded
from tests.support.ledger_samples import dataset_spec

IDS = {"car": 1, "person": 2, "tree": 3}


def dataset(*labels: Any, keys: tuple[str, ...] = (), **checks: Any) -> DatasetFacts:
    spec = dataset_spec("street").model_dump(mode="json")
    spec["task"]["labels"] = list(labels or ("car", "person"))
    spec["checks"] = checks
    return DatasetFacts(type(dataset_spec("street")).model_validate(spec), IDS, frozenset(keys))


def faults(document: Document, facts: DatasetFacts | None) -> list[tuple[str, Severity, str]]:
    return [(fault.rule, fault.severity, fault.where) for fault in check(document, "f.json", facts)]


def with_jobs(document: Document) -> None:
    document["info"]["jobs"] = [{"id": 7, "stage": "acceptance"}, {"id": 8, "stage": "validation"}, {"id": 9}]


def unchanged(document: Document) -> None:
    pass


ON = {"least": 2, "severity": "warning"}
CASES: list[tuple[str, Change, DatasetFacts, list[str]]] = [
    ("unknown-label", one_more("categories", id=99, name="kerb"), dataset(), ["category 'kerb'"]),
    ("label-set", category(id=5), dataset(), ["category 'car'"]),
    ("label-set", unchanged, dataset("car", "tree"), ["label 'tree'"]),
    ("object-without-image", unchanged, dataset(keys=("a_09.jpg", "new.jpg")), ["object 'new.jpg'"]),
    ("annotations-per-image", unchanged, dataset(annotations_per_image=ON),
     ["image 'img_04.jpg'", "image 'img_07.jpg'"]),
    ("annotations-per-class", unchanged, dataset(annotations_per_class=ON), ["category 'car'"]),
    ("reviewed-only", with_jobs, dataset(reviewed_only="warning"), ["job 8", "job 9"]),
]  # fmt: skip


def test_every_check_has_a_case_and_a_field_of_the_dataset_file() -> None:
    assert {name for name, *_ in CASES} == DATASET_CHECKS.keys()
    assert {name.replace("-", "_") for name in DATASET_CHECKS} == ChecksSection.model_fields.keys()


@pytest.mark.parametrize("name", DATASET_CHECKS)
def test_the_severity_of_a_check_is_the_default_of_the_dataset_file(name: str) -> None:
    default = getattr(ChecksSection(), name.replace("-", "_"))
    level = getattr(default, "severity", default)
    assert DATASET_CHECKS[name].severity == (Level.WARNING if level is Level.OFF else level)


@pytest.mark.parametrize(("name", "change", "facts", "wheres"), CASES)
def test_a_check_finds_what_it_is_for_and_nothing_else(
    name: str, change: Change, facts: DatasetFacts, wheres: list[str]
) -> None:
    document = recorded()
    change(document)
    found = [one for one in faults(document, facts) if not one[0].startswith("annotation-")]
    assert {rule for rule, *_ in found} == {name}
    assert [where for *_, where in found] == [f"f.json, {where}" for where in wheres]


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("name", DATASET_CHECKS)
def test_the_dataset_file_says_how_severe_a_fault_is(name: str, level: Level) -> None:
    _, change, facts, wheres = next(case for case in CASES if case[0] == name)
    field = name.replace("-", "_")
    value = {"least": 2, "severity": level} if field.startswith("annotations_per") else level
    spec = facts.spec.model_copy(update={"checks": ChecksSection.model_validate({field: value})})
    document = recorded()
    change(document)
    found = [one[1] for one in faults(document, DatasetFacts(spec, IDS, facts.keys)) if one[0] == name]
    assert found == ([] if level is Level.OFF else [Severity(level.value)] * len(wheres))


def test_without_a_dataset_and_by_default_a_complete_file_has_no_fault() -> None:
    assert faults(recorded(), None) == []
    assert faults(recorded(), dataset(keys=("a_09.jpg",))) == []


def test_a_file_of_keypoints_has_only_the_labels_with_keypoints() -> None:
    document = recorded()
    for one in document["categories"]:
        one["keypoints"] = ["head"]
    body = {"name": "person", "points": ["head"]}
    assert faults(document, dataset("car", body, "tree")) == []
