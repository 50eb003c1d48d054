"""Labels as CVAT wants them, checked before they are sent.

CVAT 1.0.0 answers 500 to duplicate names and leaves an orphan task behind; much that is as wrong it takes with 201,
and annotators find out. Everything here was seen on a real server, or is a limit of its tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.errors import LabelError

LONGEST_NAME = 64
LONGEST_DEFAULT = 128
LONGEST_VALUES = 4096

_CHOICES = frozenset({InputType.SELECT, InputType.RADIO})


def check_labels(labels: Sequence[Label]) -> None:
    """Raise LabelError, naming label and attribute, for the first thing that CVAT would take badly."""
    if not labels:
        raise LabelError("no labels: nothing could be annotated", next_step="name at least one label")
    _check_names([label.name for label in labels], "label")
    for label in labels:
        place = f"label {label.name!r}"
        _check_names([attribute.name for attribute in label.attributes], "attribute", place)
        for attribute in label.attributes:
            _check_attribute(attribute, f"{place}, attribute {attribute.name!r}")


def with_values(labels: Sequence[Label], known: Sequence[Label]) -> tuple[Label, ...]:
    """`labels` where attributes without values have those that the server knows: sent without, it forgets them."""
    values = {(label.name, spec.name): spec.values for label in known for spec in label.attributes}
    return tuple(
        replace(
            label,
            attributes=tuple(
                spec if spec.values else replace(spec, values=values.get((label.name, spec.name), ()))
                for spec in label.attributes
            ),
        )
        for label in labels
    )


def _check_names(names: Iterable[str], kind: str, place: str = "labels") -> None:
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str):
            raise LabelError(f"the {kind} name {name!r} is not a text: put it in quotes", where=place)
        if not name.strip() or name != name.strip():
            raise LabelError(f"the {kind} name {name!r} is empty or begins or ends with a blank", where=place)
        if len(name) > LONGEST_NAME:
            raise LabelError(f"the {kind} name {name[:20]!r}… is longer than {LONGEST_NAME} characters", where=place)
        if name in seen:
            raise LabelError(
                f"the {kind} name {name!r} appears twice: CVAT answers 500 and leaves a task behind", where=place
            )
        seen.add(name)


def _check_attribute(attribute: AttributeSpec, place: str) -> None:
    if attribute.input_type not in list(InputType):
        known = ", ".join(InputType)
        raise LabelError(f"input type {attribute.input_type!r} is unknown: use one of {known}", where=place)
    if not isinstance(attribute.mutable, bool):
        raise LabelError(f"mutable is {attribute.mutable!r}: use true or false", where=place)
    for value in (attribute.default, *attribute.values):
        if not isinstance(value, str):
            raise LabelError(f"the value {value!r} is not a text: put it in quotes", where=place)
        if "\n" in value or "\r" in value:
            raise LabelError(f"the value {value!r} has a line end: CVAT keeps one value a line", where=place)
    if len(attribute.default) > LONGEST_DEFAULT:
        raise LabelError(f"the default is longer than {LONGEST_DEFAULT} characters", where=place)
    if len("\n".join(attribute.values)) > LONGEST_VALUES:
        raise LabelError(f"the values together are longer than {LONGEST_VALUES} characters", where=place)
    _check_values(attribute, place)


def _check_values(attribute: AttributeSpec, place: str) -> None:
    """What `values` and the default must be, for each input type."""
    if attribute.input_type in _CHOICES:
        _check_choices(attribute, place)
    elif attribute.input_type == InputType.NUMBER:
        _check_number(attribute, place)
    elif attribute.input_type == InputType.CHECKBOX and attribute.default.lower() not in {"true", "false"}:
        raise LabelError(f"the default {attribute.default!r} of a checkbox must be 'true' or 'false'", where=place)


def _check_choices(attribute: AttributeSpec, place: str) -> None:
    if not attribute.values:
        raise LabelError(f"a {attribute.input_type} needs values to choose from", where=place)
    if len(set(attribute.values)) < len(attribute.values):
        raise LabelError("one of the values appears twice", where=place)
    if attribute.default not in attribute.values:
        allowed = ", ".join(attribute.values)
        raise LabelError(f"the default {attribute.default!r} is not among the values ({allowed})", where=place)


def _check_number(attribute: AttributeSpec, place: str) -> None:
    try:
        low, high, step = (Decimal(value) for value in attribute.values)
        default = Decimal(attribute.default)
    except (InvalidOperation, ValueError):
        raise LabelError(
            "a number needs three values, minimum, maximum and step, and a default, each a number in quotes",
            where=place,
        ) from None
    finite = all(number.is_finite() for number in (low, high, step, default))
    if not finite or not (low < high and step > 0 and low <= default <= high):
        raise LabelError(
            f"minimum {low} must be below maximum {high}, step {step} above 0 and the default {default} between them",
            where=place,
        )
