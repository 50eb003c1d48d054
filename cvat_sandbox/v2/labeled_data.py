"""The body of annotations, which the API calls LabeledData: what it must contain, with CVAT's error texts.

Checked are the types of values, the number of points of a shape, and ids by action. Not checked are the type of the
label, the values of attributes, and the size of the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from cvat_sandbox.errors import Crash
from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.rest.fields import (
    BooleanField,
    CharField,
    ChoiceField,
    Field,
    FloatField,
    IntegerField,
    ListSerializer,
    Serializer,
)
from cvat_sandbox.state.labeled_data import SOURCES, TYPES, Action

NOT_A_NUMBER = "[ErrorDetail(string='Value must be a float or an integer', code='invalid')]"
"""CVAT shows the error of a point as Python writes it."""


def validate(body: Any, action: Action) -> dict[str, Any]:
    """Return the annotations of a body with all fields filled in; raises ValidationError, and Crash for a list."""
    if not isinstance(body, dict):
        raise Crash("AttributeError: the body has no attribute 'get'")
    return _labeled_data(action).run_validation(body)


# -- fields


class _AbsentId(IntegerField):
    """An id that must not be sent: the annotation is new."""

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> Any:
        """Return None."""
        if super().run_validation(value, form=form, partial=partial) is not None:
            raise ValidationError("must be absent")


class _PresentId(IntegerField):
    """The id of an annotation that exists."""

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> Any:
        """Return the id."""
        number = super().run_validation(value, form=form, partial=partial)
        if number is None:
            raise ValidationError("must be present and not null")
        return number


class _GroupField(IntegerField):
    """The number of a group; 0 and None mean none."""

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> Any:
        """Return the number."""
        return super().run_validation(value, form=form, partial=partial) or 0


class _PointsField(Field):
    """A list of numbers. Strings are no numbers here."""

    def to_internal_value(self, value: Any) -> Any:
        """Return the list as it is; raises Crash for what is no list."""
        try:
            items = list(value)
        except TypeError as error:
            raise Crash(f"TypeError: {error}") from error
        if not {int, float}.issuperset(map(type, items)):
            wrong = (index for index, item in enumerate(items) if type(item) not in (int, float))
            raise ValidationError({str(index): NOT_A_NUMBER for index in wrong})
        return items


class _AttributeValue(Serializer):
    """The value of an attribute. Any value becomes a string."""

    def __init__(self) -> None:
        super().__init__({"spec_id": IntegerField(), "value": CharField(max_length=4096, allow_blank=True)})

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> dict[str, Any]:
        """Return the internal values; raises Crash for an attribute without a value."""
        if value is not None:
            try:
                value = {**value, "value": str(value["value"])}
            except (TypeError, KeyError) as error:
                raise Crash(f"{type(error).__name__}: {error}") from error
        return super().run_validation(value, form=form, partial=partial)


# -- rules about several fields


class _Annotation(Serializer):
    """An annotation, whose source is checked after its fields."""

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> dict[str, Any]:
        """Return the internal values. The wrong source of an annotation that exists becomes `manual`."""
        values = super().run_validation(value, form=form, partial=partial)
        if values["source"] not in SOURCES:
            if not values["id"]:
                known = ", ".join(f"'{source}'" for source in SOURCES)
                raise ValidationError({"source": [f"must be one of {known}, got '{values['source']}'"]})
            values["source"] = "manual"
        return values


class _TrackedShape(Serializer):
    """A shape of a track, whose number of points is checked after its fields."""

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> dict[str, Any]:
        """Return the internal values."""
        values = super().run_validation(value, form=form, partial=partial)
        _check_points(values)
        return values


class _Element(_Annotation):
    """A point of a skeleton, or a shape without its elements."""

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> dict[str, Any]:
        """Return the internal values."""
        values = super().run_validation(value, form=form, partial=partial)
        _check_points(values)
        return values


class _Shape(_Element):
    """A shape. Skeletons have elements, others none."""

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> dict[str, Any]:
        """Return the internal values."""
        values = super().run_validation(value, form=form, partial=partial)
        if values["type"] == "skeleton" and not values.get("elements"):
            raise ValidationError({"elements": ["at least one required for skeleton shape"]})
        if values["type"] != "skeleton" and values.get("elements"):
            raise ValidationError({"elements": ["not allowed for non-skeleton shape"]})
        return values


def has_valid_length(kind: str, count: int) -> bool:
    """Return whether a shape of a type may have so many values: two for each point, a mask's runs and its box."""
    match kind:
        case "rectangle" | "ellipse":
            return count == 4
        case "cuboid":
            return count == 16
        case "mask":
            return count >= 5
        case "skeleton":
            return count == 0
        case _:
            least = {"polygon": 6, "polyline": 4, "points": 2}[kind]
            return count >= least and count % 2 == 0


def _check_points(shape: Mapping[str, Any]) -> None:
    if not has_valid_length(shape["type"], len(shape.get("points", ()))):
        raise ValidationError({"points": [f"invalid length for shape type '{shape['type']}'"]})


# -- objects


def _id(action: Action) -> Field:
    if action in {"put", "create"}:
        return _AbsentId(default=None, allow_null=True)
    if action == "delete":
        return _PresentId(default=None, allow_null=True)
    return IntegerField(default=None, allow_null=True)


def _annotation(action: Action) -> dict[str, Field]:
    return {
        "id": _id(action), "label_id": IntegerField(min_value=0),
        "group": _GroupField(min_value=0, default=0, allow_null=True), "source": CharField(default="manual"),
        "attributes": _list(_AttributeValue()),
    }  # fmt: skip


def _list(child: Serializer) -> ListSerializer:
    return ListSerializer(child, default=list)


def _frame() -> dict[str, Field]:
    return {"frame": IntegerField(min_value=0)}


def _score() -> dict[str, Field]:
    return {"score": FloatField(min_value=0, max_value=1, default=1)}


def _shape() -> dict[str, Field]:
    return {
        "type": ChoiceField(*TYPES), "occluded": BooleanField(default=False), "outside": BooleanField(default=False),
        "z_order": IntegerField(default=0), "rotation": FloatField(min_value=0, max_value=360, default=0),
        "points": _PointsField(required=False),
    }  # fmt: skip


def _element(action: Action) -> dict[str, Field]:
    return {**_shape(), **_annotation(action), **_frame(), **_score()}


def _track(action: Action) -> dict[str, Field]:
    shape = {**_shape(), "id": IntegerField(default=None, allow_null=True), **_frame(),
             "attributes": _list(_AttributeValue())}  # fmt: skip
    return {**_annotation(action), **_frame(), "shapes": ListSerializer(_TrackedShape(shape))}


@cache
def _labeled_data(action: Action) -> Serializer:
    element, track, annotation = _element(action), _track(action), _annotation(action)
    interval = {"start": IntegerField(min_value=0), "stop": IntegerField(min_value=0, allow_null=True), **_score()}
    return Serializer({
        "version": IntegerField(default=0),
        "tags": _list(_Annotation({**annotation, **_frame()})),
        "shapes": _list(_Shape({**element, "elements": ListSerializer(_Element(element), required=False)})),
        "tracks": _list(_Annotation({**track, "elements": ListSerializer(_Annotation(track), required=False)})),
        "intervals": _list(_Annotation({**annotation, **interval})),
    })  # fmt: skip
