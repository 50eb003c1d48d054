"""Labels and annotations parsed from CVAT's own JSON, which its label editor shows as "Raw".

Errors name the wrong key, since the server does not: an unknown key or a number in `values` is a 500 that leaves an
orphan task [130-132]. The ids of labels are ignored: sent with a new task they are a 500 too [580].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelyard.cvat.decoding import decode_annotations
from labelyard.domain.annotations import Annotations
from labelyard.domain.labels import AttributeSpec, Label
from labelyard.errors import InputError, LabelError

_LABEL_KEYS = frozenset({"name", "attributes", "color", "id"})
_KINDS = ("shapes", "tracks", "tags")
_ATTRIBUTE_KEYS = frozenset({"name", "mutable", "input_type", "default_value", "values", "id"})


def parse_labels(data: Any) -> tuple[Label, ...]:
    """Return the labels of a JSON list. Raises LabelError for a wrong shape; `check_labels` checks the values."""
    if not isinstance(data, list):
        raise LabelError("labels are a list: [{…}, {…}]", where="labels")
    return tuple(_label(one, f"label {number + 1}") for number, one in enumerate(data))


def parse_annotations(data: Any) -> Annotations:
    """Return the annotations of a JSON object with shapes, tracks and tags. Raises InputError for a wrong shape."""
    if not isinstance(data, Mapping):
        raise InputError('annotations are an object: {"shapes": […], "tracks": […], "tags": […]}')
    version = data.get("version") or 0
    if not isinstance(version, int):
        raise InputError(f"the version is a number, not {version!r}")
    checked = {kind: _checked_items(kind, data.get(kind) or []) for kind in _KINDS}
    return decode_annotations(checked | {"version": version})


def _checked_items(kind: str, items: Any) -> list[Any]:
    """Return the items of a kind. Raises InputError for the first that cannot be decoded."""
    if not isinstance(items, list):
        raise InputError(f"{kind} are a list: [{{…}}, {{…}}]", where=kind)
    for number, item in enumerate(items):
        try:
            decode_annotations({**dict.fromkeys(_KINDS, ()), kind: [item]})
        except KeyError as error:
            raise InputError(f"{error.args[0]!r} is missing", where=f"{kind}[{number}]") from error
        except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
            raise InputError(f"is invalid: {error}", where=f"{kind}[{number}]") from error
    return items


def _label(data: Any, where: str) -> Label:
    _check_keys(data, _LABEL_KEYS, {"name"}, where)
    where = f"label {data['name']!r}"
    attributes = data.get("attributes") or []
    if not isinstance(attributes, list):
        raise LabelError("attributes are a list", where=where)
    specs = tuple(_attribute(one, f"{where}, attribute {number + 1}") for number, one in enumerate(attributes))
    return Label(data["name"], specs, data.get("color"))


def _attribute(data: Any, where: str) -> AttributeSpec:
    _check_keys(data, _ATTRIBUTE_KEYS, {"name", "input_type", "default_value"}, where)
    values = data.get("values") or []
    if not isinstance(values, list):
        raise LabelError("values are a list", where=f"{where} ({data['name']!r})")
    return AttributeSpec(
        data["name"], data["input_type"], data["default_value"], tuple(values), mutable=data.get("mutable", False)
    )


def _check_keys(data: Any, known: frozenset[str], required: set[str], where: str) -> None:
    if not isinstance(data, Mapping):
        raise LabelError(f"{data!r} is not an object with {', '.join(sorted(required))}", where=where)
    for key in required - data.keys():
        raise LabelError(f"{key!r} is missing", where=where)
    for key in data.keys() - known:
        raise LabelError(f"the key {key!r} is unknown: CVAT responds 500 and leaves an orphan task", where=where)
