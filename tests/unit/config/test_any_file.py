"""Whatever stands in a file: a DatasetSpec or a SpecError comes of it; what was read can be written and read again."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import jsonschema
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from labelyard.config import DatasetSpec
from labelyard.config.json_schema import json_schema
from labelyard.config.loading import parse_spec
from labelyard.domain.assignment import ASSIGNMENT_POLICIES
from labelyard.domain.labels import InputType
from labelyard.errors import SpecError
from tests.support.dataset_files import GOOD
from tests.support.examples import examples

FIELDS = sorted({name for part in json_schema()["$defs"].values() for name in part.get("properties", ())})
TRICKY = [
    "no",
    "on",
    "true",
    "null",
    "~",
    "1",
    "007",
    "1.50",
    "1:30",
    "2024-01-01",
    "a: b",
    "# c",
    "- d",
    "'",
    '"',
    "=",
    "<<",
]
"""What YAML takes for something else unless it is quoted."""


def read_or_refuse(body: bytes) -> None:
    """Read a file; anything but a SpecError whose every line names the file is a failure of the test."""
    try:
        parse_spec(body, "any.yaml")
    except SpecError as error:
        lines = error.what.splitlines()
    else:
        lines = []
    assert all(line.startswith("any.yaml:") for line in lines)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    read_or_refuse(body)


@given(st.text(alphabet="abc:-[]{}&*!|>'\"#%@`?,.~<=\n\t 019", max_size=80))
def test_any_text_of_yaml_signs_is_read_or_refused(text: str) -> None:
    read_or_refuse(text.encode())


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.dates()
        | st.text(max_size=8)
        | st.sampled_from(TRICKY),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, "name", "x"]), inner, max_size=4)
        ),
        max_leaves=20,
    ),
    st.sampled_from(["name", "sources", "batch", "task", "annotators", "export", "cvat"]),
)
def test_any_values_in_any_field_are_read_or_refused(value: Any, field: str) -> None:
    document = {**yaml.safe_load(GOOD), field: value}
    read_or_refuse(yaml.safe_dump(document).encode())


@given(st.integers(0, len(GOOD)), st.integers(0, 12), st.text(alphabet=":-[]{}&*!'\"#\n\t \x00é0", max_size=3))
def test_a_good_file_with_any_damage_is_read_or_refused(at: int, length: int, instead: str) -> None:
    read_or_refuse((GOOD[:at] + instead + GOOD[at + length :]).encode())


# --- good files -------------------------------------------------------------------------------------------------------


def usable(text: str) -> bool:
    return text == text.strip() and 0 < len(unicodedata.normalize("NFC", text)) <= 64


words = st.sampled_from(TRICKY) | st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20).filter(
    usable
)
named = st.lists(words, min_size=1, max_size=4, unique_by=lambda text: unicodedata.normalize("NFC", text))
numbers = st.tuples(st.integers(-9, 9), st.integers(1, 99), st.integers(1, 3)).map(lambda n: [n[0], n[0] + n[1], n[2]])
attributes = st.one_of(
    st.fixed_dictionaries(
        {"input_type": st.sampled_from(["select", "radio"]), "values": named, "mutable": st.booleans()}
    ),
    st.fixed_dictionaries({"input_type": st.just("checkbox"), "default": st.booleans()}),
    st.fixed_dictionaries({"input_type": st.just("text"), "default": words}),
    st.fixed_dictionaries({"input_type": st.just("number"), "values": numbers}),
)
labels = st.builds(
    lambda name, kinds: {"name": name, "attributes": [{"name": f"a{i}", **kind} for i, kind in enumerate(kinds)]},
    words,
    st.lists(attributes, max_size=3),
)
durations = st.none() | st.from_regex(r"[1-9][0-9]{0,2}(ms|s|m|min|h)|[1-9]d", fullmatch=True) | st.integers(1, 10**6)
datasets = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True),
        "description": words,
        "sources": st.just(
            [{"bucket": "raw-images", "prefix": "in/", "exclude": ["*.tmp"]}, {"bucket": "other-images"}]
        ),
        "batch": st.fixed_dictionaries(
            {
                "max_objects": st.integers(1, 5000),
                "max_bytes": st.sampled_from(["1B", "500MB", "2GiB", 77]),
                "quiet": durations,
                "max_age": durations,
                "marker": st.just("_SUCCESS"),
            }
        ),
        "task": st.fixed_dictionaries(
            {
                "labels": st.lists(
                    labels, min_size=1, max_size=4, unique_by=lambda label: unicodedata.normalize("NFC", label["name"])
                ),
                "segment_size": st.integers(0, 100),
                "bug_tracker": st.sampled_from(["", "https://tracker.example.com/x?y=1"]),
            }
        ),
        "annotators": st.lists(words, min_size=1, max_size=4, unique=True),
        "assignment": st.fixed_dictionaries(
            {},
            optional={
                "policy": st.sampled_from(sorted({*ASSIGNMENT_POLICIES} - {"by_skill"})),  # it needs skills
                "limit": st.none() | st.integers(1, 9),
                "hours": st.just(["mon-fri 09:00-17:00", "sat 22:00-06:00"]),
                "holidays": st.just(["2026-12-25"]),
            },
        ),
        "export": st.just({"prefix": "out"}),
        "expect": st.none() | st.from_regex(r"every [1-9]{1,2}(min|h|d)", fullmatch=True),
    }
).map(lambda found: {**found, "export": {"bucket": "raw-images", "prefix": "out"}})


@given(datasets)
@settings(max_examples=examples(40))
def test_what_was_read_is_written_and_read_again_as_the_same(document: dict[str, Any]) -> None:
    spec = parse_spec(yaml.safe_dump(document, allow_unicode=True).encode(), "any.yaml")
    written = spec.model_dump(mode="json")
    assert parse_spec(yaml.safe_dump(written, sort_keys=False).encode(), "again.yaml") == spec
    assert DatasetSpec.model_validate(json.loads(json.dumps(written))) == spec
    for label in spec.task.cvat_labels():
        assert all(a.default in a.values or a.input_type is InputType.NUMBER for a in label.attributes)


VALIDATOR = jsonschema.Draft202012Validator(json_schema())


@given(datasets)
@settings(max_examples=examples(40))
def test_the_schema_for_editors_takes_every_good_file(document: dict[str, Any]) -> None:
    VALIDATOR.validate(document)
    VALIDATOR.validate(parse_spec(yaml.safe_dump(document).encode(), "any.yaml").model_dump(mode="json"))
