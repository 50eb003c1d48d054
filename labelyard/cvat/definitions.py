"""Labels and annotations that people write themselves, in CVAT's own JSON: what its editor shows as "Raw".

What a server takes badly is refused here by name: an unknown key or a number in `values` is a 500 that leaves a task
behind [130-132]. Ids are allowed and, for labels, ignored: sent with a new task they are a 500 too [580].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelyard.cvat.reading import read_annotations
from labelyard.domain.annotations import Annotations
from labelyard.domain.labels import AttributeSpec, Label
from labelyard.errors import InputError, LabelError

_LABEL_KEYS = frozenset({"name", "attributes", "color", "id"})
_KINDS = ("shapes", "tracks", "tags")
_ATTRIBUTE_KEYS = frozenset({"name", "mutable", "input_type", "default_value", "values", "id"})


def labels_of(data: Any) -> tuple[Label, ...]:
    """The labels of a JSON list, by their form; `check_labels` looks into them. Raises LabelError naming the place."""
    if not isinstance(data, list):
        raise LabelError("labels are a list: [{…}, {…}]", where="labels")
    return tuple(_label(one, f"label {number + 1}") for number, one in enumerate(data))


def annotations_of(data: Any) -> Annotations:
    """The annotations of a JSON object with shapes, tracks, tags. Raises InputError naming what is missing."""
    if not isinstance(data, Mapping):
        raise InputError('annotations are an object: {"shapes": […], "tracks": […], "tags": […]}')
    version = data.get("version") or 0
    if not isinstance(version, int):
        raise InputError(f"the version is a number, not {version!r}")
    return read_annotations({kind: _readable(kind, data.get(kind) or []) for kind in _KINDS} | {"version": version})


def _readable(kind: str, items: Any) -> list[Any]:
    """The items of a kind, each of which can be read. Raises InputError naming the first that cannot."""
    if not isinstance(items, list):
        raise InputError(f"{kind} are a list: [{{…}}, {{…}}]", where=kind)
    for number, item in enumerate(items):
        try:
            read_annotations({**dict.fromkeys(_KINDS, ()), kind: [item]})
        except KeyError as error:
            raise InputError(f"{error.args[0]!r} is missing", where=f"{kind}[{number}]") from error
        except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
            raise InputError(f"cannot be read: {error}", where=f"{kind}[{number}]") from error
    return items


def _label(data: Any, place: str) -> Label:
    _check_keys(data, _LABEL_KEYS, {"name"}, place)
    place = f"label {data['name']!r}"
    attributes = data.get("attributes") or []
    if not isinstance(attributes, list):
        raise LabelError("attributes are a list", where=place)
    specs = tuple(_attribute(one, f"{place}, attribute {number + 1}") for number, one in enumerate(attributes))
    return Label(data["name"], specs, data.get("color"))


def _attribute(data: Any, place: str) -> AttributeSpec:
    _check_keys(data, _ATTRIBUTE_KEYS, {"name", "input_type", "default_value"}, place)
    values = data.get("values") or []
    if not isinstance(values, list):
        raise LabelError("values are a list", where=f"{place} ({data['name']!r})")
    return AttributeSpec(
        data["name"], data["input_type"], data["default_value"], tuple(values), mutable=data.get("mutable", False)
    )


def _check_keys(data: Any, known: frozenset[str], needed: set[str], place: str) -> None:
    if not isinstance(data, Mapping):
        raise LabelError(f"{data!r} is not an object with {', '.join(sorted(needed))}", where=place)
    for key in needed - data.keys():
        raise LabelError(f"{key!r} is missing", where=place)
    for key in data.keys() - known:
        raise LabelError(f"the key {key!r} is unknown: CVAT answers 500 and leaves a task behind", where=place)
