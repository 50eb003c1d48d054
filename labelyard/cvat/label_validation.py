"""Checks of labels before they are sent.

CVAT 1.0.0 responds 500 to duplicate names and leaves an orphan task; it accepts other mistakes with 201, and only the
annotators notice. Every check was measured on a real server, or is a limit of its database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from labelyard.domain.labels import (
    MAX_DEFAULT_LENGTH,
    MAX_NAME_LENGTH,
    MAX_VALUES_LENGTH,
    AttributeSpec,
    InputType,
    Label,
    LabelType,
)
from labelyard.errors import LabelError

_CHOICES = frozenset({InputType.SELECT, InputType.RADIO})


def check_labels(labels: Sequence[Label], *, types: bool = True) -> None:
    """Raise LabelError for the first mistake, with its label and attribute.

    `types` says whether the server has label types, skeletons among them.
    """
    if not labels:
        raise LabelError("there are no labels", next_step="add at least one label")
    _check_names([label.name for label in labels], "label")
    for label in labels:
        where = f"label {label.name!r}"
        _check_type(label, where, types=types)
        _check_names([attribute.name for attribute in label.attributes], "attribute", where)
        for attribute in label.attributes:
            _check_attribute(attribute, f"{where}, attribute {attribute.name!r}")


def with_known_values(labels: Sequence[Label], known: Sequence[Label]) -> tuple[Label, ...]:
    """Return `labels` with the values of `known` for attributes without any: the server would delete its own."""
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


def _check_type(label: Label, where: str, *, types: bool) -> None:
    if label.type not in list(LabelType):
        raise LabelError(f"the type {label.type!r} is unknown: use one of {', '.join(LabelType)}", where=where)
    if label.type not in (LabelType.ANY, LabelType.SKELETON) and not types:
        raise LabelError(
            f"the label is for {label.type} only, and this CVAT has no types of labels",
            where=where,
            next_step="remove its type, or use a CVAT 2.x",
        )
    if label.sublabels and not types:
        raise LabelError(
            "the label is a skeleton, and this CVAT has none",
            where=where,
            next_step="remove its points and lines, or use a CVAT 2.x",
        )
    _check_names([point.name for point in label.sublabels], "point", where)
    count = len(label.sublabels)
    if any(not 0 <= end < count for edge in label.edges for end in edge):
        raise LabelError("a line of the skeleton ends at a point that it does not have", where=where)


def _check_names(names: Iterable[str], kind: str, where: str = "labels") -> None:
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str):
            raise LabelError(f"the {kind} name {name!r} is not a string: put it in quotes", where=where)
        if not name.strip() or name != name.strip():
            raise LabelError(f"the {kind} name {name!r} is empty or has a leading or trailing space", where=where)
        if len(name) > MAX_NAME_LENGTH:
            raise LabelError(f"the {kind} name {name[:20]!r}… is longer than {MAX_NAME_LENGTH} characters", where=where)
        if name in seen:
            raise LabelError(
                f"the {kind} name {name!r} appears twice: CVAT responds 500 and leaves an orphan task", where=where
            )
        seen.add(name)


def _check_attribute(attribute: AttributeSpec, where: str) -> None:
    if attribute.input_type not in list(InputType):
        known = ", ".join(InputType)
        raise LabelError(f"input type {attribute.input_type!r} is unknown: use one of {known}", where=where)
    if not isinstance(attribute.mutable, bool):
        raise LabelError(f"mutable is {attribute.mutable!r}: use true or false", where=where)
    for value in (attribute.default, *attribute.values):
        if not isinstance(value, str):
            raise LabelError(f"the value {value!r} is not a string: put it in quotes", where=where)
        if "\n" in value or "\r" in value:
            raise LabelError(f"the value {value!r} has a line break: CVAT stores one value per line", where=where)
    if len(attribute.default) > MAX_DEFAULT_LENGTH:
        raise LabelError(f"the default is longer than {MAX_DEFAULT_LENGTH} characters", where=where)
    if len("\n".join(attribute.values)) > MAX_VALUES_LENGTH:
        raise LabelError(f"the values together are longer than {MAX_VALUES_LENGTH} characters", where=where)
    _check_values(attribute, where)


def _check_values(attribute: AttributeSpec, where: str) -> None:
    """Check the values and the default of one input type."""
    if attribute.input_type in _CHOICES:
        _check_choices(attribute, where)
    elif attribute.input_type == InputType.NUMBER:
        _check_number(attribute, where)
    elif attribute.input_type == InputType.CHECKBOX and attribute.default.lower() not in {"true", "false"}:
        raise LabelError(f"the default {attribute.default!r} of a checkbox must be 'true' or 'false'", where=where)


def _check_choices(attribute: AttributeSpec, where: str) -> None:
    if not attribute.values:
        raise LabelError(f"a {attribute.input_type} needs values to choose from", where=where)
    if len(set(attribute.values)) < len(attribute.values):
        raise LabelError("one of the values appears twice", where=where)
    if attribute.default not in attribute.values:
        allowed = ", ".join(attribute.values)
        raise LabelError(f"the default {attribute.default!r} is not among the values ({allowed})", where=where)


def _check_number(attribute: AttributeSpec, where: str) -> None:
    try:
        low, high, step = (Decimal(value) for value in attribute.values)
        default = Decimal(attribute.default)
    except (InvalidOperation, ValueError):
        raise LabelError(
            "a number needs three values, minimum, maximum and step, and a default, each a number in quotes",
            where=where,
        ) from None
    finite = all(number.is_finite() for number in (low, high, step, default))
    if not finite or not (low < high and step > 0 and low <= default <= high):
        raise LabelError(
            f"minimum {low} must be below maximum {high}, step {step} above 0 and the default {default} between them",
            where=where,
        )
