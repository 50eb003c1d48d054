"""The labels of a dataset file: what annotators choose from, and what is asked about each annotation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler, WithJsonSchema, field_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticKnownError

from labelyard.config.fields import Caption, Color, Problem, Section, Switch, refuse
from labelyard.domain.labels import AttributeSpec, InputType, Label

_LONGEST_DEFAULT = 128
_LONGEST_VALUES = 4096

_Value = Annotated[str, WithJsonSchema({"type": ["string", "number", "boolean"]})]


def _text(value: object) -> object:
    # YAML reads 0, 1.5 and true as numbers and booleans; CVAT answers 500 to anything but strings.
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


class AttributeSection(Section):
    """An attribute of a label, in one of CVAT's five kinds."""

    name: Caption
    """Unique in its label. COCO exports read two names: `is_crowd` (a checkbox) and `score` (a number)."""
    input_type: InputType = InputType.SELECT
    """select, radio (one of `values`), checkbox, text, number."""
    values: tuple[_Value, ...] = ()
    """What may be chosen; for a number: minimum, maximum, step."""
    default: _Value | None = None
    """What an untouched annotation has; by default the first value (checkbox: false)."""
    mutable: Switch = False
    """May it change from frame to frame of a track?"""

    @field_validator("values", mode="before")
    @classmethod
    def _values_as_text(cls, values: object) -> object:
        return [_text(value) for value in values] if isinstance(values, list | tuple) else values

    @field_validator("default", mode="before")
    @classmethod
    def _default_as_text(cls, value: object) -> object:
        return _text(value)

    def problems(self) -> Iterator[Problem]:
        """What CVAT would take badly, or take and choke on later."""
        yield from self._of_length()
        if self.input_type in (InputType.SELECT, InputType.RADIO):
            yield from self._of_choice()
        elif self.input_type is InputType.CHECKBOX:
            yield from self._of_checkbox()
        elif self.input_type is InputType.NUMBER:
            yield from self._of_number()
        # The COCO export of CVAT 1.0.0 calls float() on the one and asks whether the other is set.
        for name, kind in (("score", InputType.NUMBER), ("is_crowd", InputType.CHECKBOX)):
            if self.name == name and self.input_type is not kind:
                yield (
                    ("input_type",),
                    f"CVAT's COCO export reads {name} as a {kind}: write {kind}, or choose another name",
                )

    def _of_length(self) -> Iterator[Problem]:
        for i, value in enumerate(self.values):
            if not value.strip() or "\n" in value or "\r" in value:
                yield ("values", i), "write text on one line: CVAT keeps one value a line"
        if len("\n".join(self.values)) > _LONGEST_VALUES:
            yield ("values",), f"have more than {_LONGEST_VALUES} characters together, CVAT keeps no more"
        if self.default is not None and (len(self.default) > _LONGEST_DEFAULT or "\n" in self.default):
            yield ("default",), f"write one line of at most {_LONGEST_DEFAULT} characters"
        elif self.input_type in (InputType.SELECT, InputType.RADIO) and len((*self.values, "")[0]) > _LONGEST_DEFAULT:
            yield (
                ("values", 0),
                f"is the default too, and CVAT keeps {_LONGEST_DEFAULT} characters of it: name a default",
            )

    def _of_choice(self) -> Iterator[Problem]:
        if not self.values:
            yield ("values",), f"a {self.input_type} needs values to choose from, such as [left, right]"
        for i, value in enumerate(self.values):
            if value in self.values[:i]:
                yield ("values", i), f"{value!r} stands twice: write it once"
        if self.values and self.default is not None and self.default not in self.values:
            yield ("default",), f"{self.default!r} is none of the values: write one of {', '.join(self.values)}"

    def _of_checkbox(self) -> Iterator[Problem]:
        if set(self.values) - {"true", "false"}:
            yield ("values",), "a checkbox knows only true and false: leave values out"
        if self.default not in (None, "true", "false"):
            yield ("default",), "a checkbox knows only true and false"

    def _of_number(self) -> Iterator[Problem]:
        try:
            low, high, step = (float(value) for value in self.values)
            default = low if self.default is None else float(self.default)
        except ValueError:
            yield ("values",), "a number needs [minimum, maximum, step], such as [0, 10, 1], and a numeric default"
            return
        if not all(map(math.isfinite, (low, high, step, default))) or low >= high or step <= 0:
            yield ("values",), "write [minimum, maximum, step] with minimum < maximum and step > 0"
        elif not low <= default <= high:
            yield ("default",), f"write a number from {self.values[0]} to {self.values[1]}"

    def spec(self) -> AttributeSpec:
        """The attribute as CVAT takes it, every default filled in."""
        fallback = "false" if self.input_type is InputType.CHECKBOX else (self.values[0] if self.values else "")
        default = fallback if self.default is None else self.default
        return AttributeSpec(self.name, self.input_type, default, self.values or (default,), self.mutable)


class LabelSection(Section):
    """A label that annotators choose from; one without attributes may be written as its name alone."""

    name: Caption
    """Unique in the dataset."""
    color: Color | None = None
    """`#rrggbb`, for servers that keep a colour."""
    attributes: tuple[AttributeSection, ...] = ()
    """What is asked about each annotation."""

    @field_validator("attributes")
    @classmethod
    def _no_twins(cls, value: tuple[AttributeSection, ...]) -> tuple[AttributeSection, ...]:
        # CVAT answers 500 to attributes of one name, and leaves an orphan task behind.
        refuse(twins([attribute.name for attribute in value], "name"))
        return value

    def label(self) -> Label:
        """The label as CVAT takes it."""
        return Label(self.name, tuple(a.spec() for a in self.attributes), self.color)


def _bare_name(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        raise PydanticKnownError("string_type")
    return {"name": value} if isinstance(value, str) else value


class _OrName:
    """Tells editors of the bare name, which the validator turns into a mapping."""

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 64}, handler(core_schema)]}


LabelEntry = Annotated[LabelSection, BeforeValidator(_bare_name), _OrName()]
"""A label, or its name alone."""


def twins(names: Sequence[str], *inner: str) -> Iterator[Problem]:
    """A problem for each of a list's `names` that stood before; `inner` leads from the list's item to the name."""
    for i, name in enumerate(names):
        if name in names[:i]:
            yield (i, *inner), f"{name!r} stands twice: take one away, or give it another name"
