"""Attributes with their types and defaults."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from labelyard.annotations.content import Attributes, Value
from labelyard.domain.annotations import AttributeValue
from labelyard.domain.labels import AttributeSpec, InputType


def typed_attributes(specs: Iterable[AttributeSpec], values: Iterable[AttributeValue]) -> Attributes:
    """Return the values by name, in the order of the specs. A missing one has its default, as in CVAT's exports."""
    texts = {value.spec_id: value.value for value in values}
    return {spec.name: typed(spec, texts.get(spec.id, spec.default)) for spec in specs}


def typed_texts(specs: Iterable[AttributeSpec], texts: Mapping[str, str]) -> Attributes:
    """Return texts by the attribute's name as `typed_attributes` returns values."""
    return {spec.name: typed(spec, texts.get(spec.name, spec.default)) for spec in specs}


def typed(spec: AttributeSpec, text: str) -> Value:
    """Return a text as its attribute's type: as it is where it is no value of that type."""
    if spec.input_type is InputType.CHECKBOX:
        return {"true": True, "false": False}.get(text.lower(), text)
    if spec.input_type is InputType.NUMBER:
        return _number(text)
    return text


def _number(text: str) -> int | float | str:
    if "_" in text:  # only Python takes it for a part of a number
        return text
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return text
    if not math.isfinite(value):
        return text
    return int(value) if value.is_integer() and abs(value) < 1 << 53 else value


def allowed(spec: AttributeSpec, value: Value) -> bool:
    """Return whether CVAT's own editor could have set the value, or the label gives it to everything."""
    if value == typed(spec, spec.default):
        return True
    if spec.input_type is InputType.CHECKBOX:
        return isinstance(value, bool)
    if spec.input_type is InputType.NUMBER:
        return not isinstance(value, str) and _in_range(spec, value)
    if spec.input_type in {InputType.SELECT, InputType.RADIO}:
        return value in spec.values
    return True


def _in_range(spec: AttributeSpec, value: float) -> bool:
    try:
        low, high = float(spec.values[0]), float(spec.values[1])
    except (ValueError, IndexError):
        return True
    return low <= value <= high
