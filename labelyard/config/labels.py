"""Labels and attributes of a dataset file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler, WithJsonSchema, field_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticKnownError

from labelyard.config.fields import Caption, Color, Problem, Section, Switch, reject
from labelyard.domain.labels import (
    MAX_DEFAULT_LENGTH,
    MAX_NAME_LENGTH,
    MAX_VALUES_LENGTH,
    AttributeSpec,
    InputType,
    Label,
    LabelType,
)

_Value = Annotated[str, WithJsonSchema({"type": ["string", "number", "boolean"]})]


def _text(value: object) -> object:
    # YAML reads 0, 1.5 and true as numbers and booleans; CVAT answers 500 to anything but strings.
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


class AttributeSection(Section):
    """An attribute of a label, of one of CVAT's five input types."""

    name: Caption
    """Unique in its label. COCO exports use two names: `is_crowd` (a checkbox) and `score` (a number)."""
    input_type: InputType = InputType.SELECT
    """select, radio (one of `values`), checkbox, text, number."""
    values: tuple[_Value, ...] = ()
    """The choices; for a number: minimum, maximum, step."""
    default: _Value | None = None
    """The value of a new annotation; by default the first of `values` (checkbox: false)."""
    mutable: Switch = False
    """Whether it may change from frame to frame of a track."""

    @field_validator("values", mode="before")
    @classmethod
    def _values_as_text(cls, values: object) -> object:
        return [_text(value) for value in values] if isinstance(values, list | tuple) else values

    @field_validator("default", mode="before")
    @classmethod
    def _default_as_text(cls, value: object) -> object:
        return _text(value)

    def problems(self) -> Iterator[Problem]:
        """Yield what makes CVAT reject the attribute, or fail later, such as in an export."""
        yield from self._length_problems()
        if self.input_type in (InputType.SELECT, InputType.RADIO):
            yield from self._choice_problems()
        elif self.input_type is InputType.CHECKBOX:
            yield from self._checkbox_problems()
        elif self.input_type is InputType.NUMBER:
            yield from self._number_problems()
        # The COCO export of CVAT 1.0.0 calls float() on `score` and tests `is_crowd` as a boolean.
        for reserved, required in (("score", InputType.NUMBER), ("is_crowd", InputType.CHECKBOX)):
            if self.name == reserved and self.input_type is not required:
                how = f"write `input_type: {required}`, or choose another name"
                yield ("input_type",), f"CVAT's COCO export reads {reserved} as a {required}: {how}"

    def _length_problems(self) -> Iterator[Problem]:
        for i, value in enumerate(self.values):
            if not value.strip() or "\n" in value or "\r" in value:
                yield ("values", i), "write text on one line: CVAT separates values by line breaks"
        if len("\n".join(self.values)) > MAX_VALUES_LENGTH:
            yield ("values",), f"have more than {MAX_VALUES_LENGTH} characters together, CVAT keeps no more"
        if self.default is not None and (len(self.default) > MAX_DEFAULT_LENGTH or "\n" in self.default):
            yield ("default",), f"write one line of at most {MAX_DEFAULT_LENGTH} characters"
        elif self.input_type in (InputType.SELECT, InputType.RADIO) and len((*self.values, "")[0]) > MAX_DEFAULT_LENGTH:
            yield (
                ("values", 0),
                f"is the default too, and CVAT keeps {MAX_DEFAULT_LENGTH} characters of it: name a default",
            )

    def _choice_problems(self) -> Iterator[Problem]:
        if not self.values:
            yield ("values",), f"a {self.input_type} needs values to choose from, such as [left, right]"
        for i, value in enumerate(self.values):
            if value in self.values[:i]:
                yield ("values", i), f"{value!r} occurs twice: write it once"
        if self.values and self.default is not None and self.default not in self.values:
            yield ("default",), f"{self.default!r} is none of the values: write one of {', '.join(self.values)}"

    def _checkbox_problems(self) -> Iterator[Problem]:
        if set(self.values) - {"true", "false"}:
            yield ("values",), "a checkbox has only true and false: remove values"
        if self.default not in (None, "true", "false"):
            yield ("default",), "a checkbox has only true and false"

    def _number_problems(self) -> Iterator[Problem]:
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
        """Return the attribute for CVAT, with all defaults filled in."""
        fallback = "false" if self.input_type is InputType.CHECKBOX else (self.values[0] if self.values else "")
        default = fallback if self.default is None else self.default
        return AttributeSpec(self.name, self.input_type, default, self.values or (default,), self.mutable)


class LabelSection(Section):
    """A label. One without attributes may be written as just its name."""

    name: Caption
    """Unique in the dataset."""
    color: Color | None = None
    """`#rrggbb`; by default CVAT chooses one. Only CVAT 2.x has colors."""
    type: LabelType | None = None
    """The only kind of annotation that CVAT 2.x offers for the label; by default any, or skeleton if it has points."""
    attributes: tuple[AttributeSection, ...] = ()
    """The attributes of each annotation."""
    points: tuple[Caption, ...] = ()
    """The names of its points make the label a skeleton, which only CVAT 2.x has."""
    lines: tuple[tuple[Caption, ...], ...] = ()
    """The lines of a skeleton, each between two of its points: `[[head, hand], [hand, foot]]`."""

    def problems(self) -> Iterator[Problem]:
        """Yield a type that contradicts the points, points that occur twice, and lines that are not between two."""
        if self.points and self.type not in (None, LabelType.SKELETON):
            yield ("type",), f"a label with points is a skeleton: remove type or points, not {self.type}"
        if self.type is LabelType.SKELETON and not self.points:
            yield ("type",), "a skeleton needs points, such as [head, hand]"
        yield from ((("points", *path), words) for path, words in duplicates(self.points))
        for i, ends in enumerate(self.lines):
            if len(ends) != 2 or ends[0] == ends[-1]:
                yield ("lines", i), "write the names of two points, such as [head, hand]"
            for j, name in enumerate(ends):
                if name not in self.points:
                    yield ("lines", i, j), f"{name!r} is none of the points: {_listed(self.points)}"

    @field_validator("attributes")
    @classmethod
    def _no_duplicates(cls, value: tuple[AttributeSection, ...]) -> tuple[AttributeSection, ...]:
        # CVAT answers 500 to attributes of equal names, and leaves an orphan task.
        reject(duplicates([attribute.name for attribute in value], "name"))
        return value

    def label(self) -> Label:
        """Return the label for CVAT."""
        return Label(
            self.name,
            tuple(a.spec() for a in self.attributes),
            self.color,
            type=LabelType.SKELETON if self.points else self.type or LabelType.ANY,
            sublabels=tuple(Label(point, type="points") for point in self.points),
            edges=tuple((self.points.index(start), self.points.index(end)) for start, end in self.lines),
        )


def _listed(points: Sequence[str]) -> str:
    return f"write one of {', '.join(points)}" if points else "name them in `points`"


def _bare_name(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        raise PydanticKnownError("string_type")
    return {"name": value} if isinstance(value, str) else value


class _OrName:
    """Adds the bare name, which the validator turns into a mapping, to the JSON schema."""

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH}, handler(core_schema)]}


LabelEntry = Annotated[LabelSection, BeforeValidator(_bare_name), _OrName()]
"""A label, or just its name."""


def duplicates(names: Sequence[str], *inner: str) -> Iterator[Problem]:
    """Yield a problem for each repeated name; `inner` is the path from the list item to the name."""
    for i, name in enumerate(names):
        if name in names[:i]:
            yield (i, *inner), f"{name!r} occurs twice: remove one or rename it"
