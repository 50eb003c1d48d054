"""The JSON schemas of what commands print with `--json`, from their dataclasses."""

from __future__ import annotations

import ast
import inspect
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, tzinfo
from enum import StrEnum
from pathlib import Path
from pkgutil import resolve_name
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import msgspec

from labelyard.domain.causes import Cause
from labelyard.domain.tasks import Job, Task
from labelyard.ledger.overview import Overview
from labelyard.operations.figures import Figures

_PLAIN: Mapping[type, Mapping[str, str]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    Path: {"type": "string"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    tzinfo: {"type": "string"},
}


_ASSIGNEE = {"assignee_name": {"anyOf": [{"type": "string"}, {"type": "null"}]}}
_ALSO_PRINTED: Mapping[type, Mapping[str, Mapping[str, Any]]] = {
    Cause: {
        name: {**_PLAIN[kind], "description": " ".join((getattr(Cause, name).__doc__ or "").split())}
        for name, kind in (("to_act", bool), ("has_alert", bool), ("what", str))
    },
    Task: _ASSIGNEE,
    Job: _ASSIGNEE,
}
"""What is printed of a class beside its fields."""

_ABOUT = "https://json-schema.org/draft/2020-12/schema"

_CLASSES: dict[str, type] = {}
"""The classes by their names, which are those of the definitions."""


def status_schema() -> dict[str, Any]:
    """Return the schema of `labelyard status --json`: an Overview with its figures, which print their causes."""
    known: dict[str, Any] = {}
    schema = _of_class(Overview, known)
    schema["properties"]["figures"] = _schema(Figures, known)
    schema["required"].append("figures")
    return {"$schema": _ABOUT, "title": "labelyard status --json", **schema, "$defs": dict(sorted(known.items()))}


def commands_schema(documents: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schemas of the documents of commands: one definition for each command, by its words."""
    known: dict[str, Any] = {}
    of_commands = {command: _schema(document, known) for command, document in documents.items()}
    title = "labelyard COMMAND --json: $defs has a definition for each command, by its words"
    return {"$schema": _ABOUT, "title": title, "$defs": {**of_commands, **dict(sorted(known.items()))}}


def fields_in_words(document: Any) -> str:
    """Return the fields of a command's document as a list in Markdown."""
    known: dict[str, Any] = {}
    schema = _schema(document, known)
    is_list = schema.get("type") == "array"
    whole = schema["items"] if is_list else schema
    if "$ref" not in whole:
        return "`--json` prints `null`.\n" if document is NoneType else f"`--json` prints a {_kind(schema)}.\n"
    found = known[whole["$ref"].rpartition("/")[2]]
    whole = "a list of objects" if is_list else "an object"
    lines = [f"- `{name}`: {_in_words(field)}" for name, field in found["properties"].items()]
    return "\n".join([f"`--json` prints {whole}: {_initial(found['description'])}", "", *lines, ""])


def _in_words(field: Mapping[str, Any]) -> str:
    about = field.get("description", "")
    return f"*{_kind(field)}*. {about}" if about else f"*{_kind(field)}*"


def _kind(field: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one return for each kind of schema
    if not field.keys() - {"description"}:
        return "any value"
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(map(_kind, field["anyOf"]))
    if "enum" in field:
        return "one of " + ", ".join(field["enum"])
    if field["type"] == "array":
        return f"list of {_kind(field['items'])}"
    if field["type"] == "object":
        return f"mapping of string to {_kind(field['additionalProperties'])}"
    return str(field.get("format", field["type"]))


def _initial(text: str) -> str:
    return text[:1].lower() + text[1:]


def _schema(kind: Any, known: dict[str, Any]) -> dict[str, Any]:  # noqa: PLR0911 - one return for each kind of type
    if isinstance(kind, str):
        kind = resolve_name(kind)
    if kind is Any:
        return {}
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
    assert _CLASSES.setdefault(name, kind) is kind, f"two classes are called {name}"
    if name not in known:
        known[name] = {}  # a class may contain itself
        known[name] = _of_class(kind, known)
    return {"$ref": f"#/$defs/{name}"}


def _of_class(kind: type, known: dict[str, Any]) -> dict[str, Any]:
    types, texts = typing.get_type_hints(kind), _texts(kind)
    properties = {}
    for name in _fields(kind):
        about = {"description": texts[name]} if name in texts else {}
        properties[name] = _schema(types[name], known) | about
    properties.update((name, dict(also)) for name, also in _ALSO_PRINTED.get(kind, {}).items())
    return {
        "type": "object",
        "description": _line(kind.__doc__),
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _fields(kind: type) -> Sequence[str]:
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    assert is_dataclass(kind), f"no JSON for {kind}"
    return [one.name for one in fields(kind)]


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
