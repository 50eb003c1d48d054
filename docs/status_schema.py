"""The JSON schema of `labelyard status --json`, from the dataclasses that the command prints."""

from __future__ import annotations

import ast
import inspect
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, tzinfo
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from labelyard.domain.causes import Cause
from labelyard.ledger.overview import Overview
from labelyard.operations.figures import Figures

_PLAIN: Mapping[type, Mapping[str, str]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    tzinfo: {"type": "string"},
}


def status_schema() -> dict[str, Any]:
    """Return the schema of the document: an Overview with its figures."""
    known: dict[str, Any] = {}
    schema = _of_class(Overview, known)
    schema["properties"]["figures"] = _schema(Figures, known)
    schema["required"].append("figures")
    of_cause = known["Cause"]
    for name, kind in (("to_act", bool), ("has_alert", bool), ("what", str)):
        of_cause["properties"][name] = {**_PLAIN[kind], "description": _line(getattr(Cause, name).__doc__)}
        of_cause["required"].append(name)
    about = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": about, "title": "labelyard status --json", **schema, "$defs": dict(sorted(known.items()))}


def _schema(kind: Any, known: dict[str, Any]) -> dict[str, Any]:  # noqa: PLR0911 - one return for each kind of type
    origin, inner = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if origin in (UnionType, typing.Union):
        return {"anyOf": [_schema(one, known) for one in inner]}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(inner[1], known)}
    if origin is tuple and Ellipsis not in inner:
        return {"type": "array", "prefixItems": [_schema(one, known) for one in inner], "items": False}
    if origin is not None and issubclass(origin, Sequence):
        return {"type": "array", "items": _schema(inner[0], known)}
    if issubclass(kind, StrEnum):
        return {"enum": [one.value for one in kind]}
    name = kind.__name__
    if name not in known:
        known[name] = {}  # a class may contain itself
        known[name] = _of_class(kind, known)
    return {"$ref": f"#/$defs/{name}"}


def _of_class(kind: type, known: dict[str, Any]) -> dict[str, Any]:
    types, texts = typing.get_type_hints(kind), _texts(kind)
    properties = {}
    assert is_dataclass(kind), f"no JSON for {kind}"
    for one in fields(kind):
        about = {"description": texts[one.name]} if one.name in texts else {}
        properties[one.name] = _schema(types[one.name], known) | about
    return {
        "type": "object",
        "description": _line(kind.__doc__),
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _texts(kind: type) -> dict[str, str]:
    """Return the text below each field of a class."""
    [tree] = ast.parse(inspect.getsource(kind)).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            found[field.target.id] = _line(ast.literal_eval(text.value))
    return found


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
