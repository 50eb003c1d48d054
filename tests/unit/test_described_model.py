"""Descriptions of fields, which are read from the source when somebody asks for them."""

from __future__ import annotations

from pydantic import Field

from labelyard.config.dataset import DatasetSpec
from labelyard.described_model import DescribedModel


class Box(DescribedModel):
    """A box."""

    width: int
    """How wide it is,
    in pixels."""
    height: int = 1
    kind: str = Field(default="", alias="type")
    """What it shows."""
    depth: int = Field(default=0, description="Stated beside a docstring.")
    """Not shown."""


class Crate(Box):
    weight: int = 0
    """In grams."""


def test_a_docstring_below_a_field_is_its_description() -> None:
    assert Box.describe("width") == "How wide it is, in pixels."
    assert Box.describe("height") == ""


def test_fields_of_a_parent_keep_their_descriptions() -> None:
    assert [Crate.describe(field) for field in ("width", "weight")] == ["How wide it is, in pixels.", "In grams."]


def test_the_json_schema_has_the_descriptions_by_the_names_in_the_file() -> None:
    fields = Crate.model_json_schema()["properties"]
    assert {name: field.get("description") for name, field in fields.items()} == {
        "width": "How wide it is,\nin pixels.",
        "height": None,
        "type": "What it shows.",
        "depth": "Stated beside a docstring.",
        "weight": "In grams.",
    }


def test_each_field_of_a_dataset_file_has_a_description() -> None:
    schema = DatasetSpec.model_json_schema()
    sections = [schema, *(one for one in schema["$defs"].values() if "properties" in one)]
    assert [name for one in sections for name, field in one["properties"].items() if "description" not in field] == []
