"""Messages for pydantic's errors in terms of the dataset file: what is wrong, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from enum import EnumMeta
from typing import Any, get_args, get_origin

from pydantic_core import ErrorDetails

from labelyard.config.dataset import DatasetSpec
from labelyard.config.fields import unknown_choice
from labelyard.config.yaml_document import Path
from labelyard.described_model import DescribedModel

_KINDS = {str: "a text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "a mapping"}


def message_for(details: ErrorDetails, spelled: str | None) -> str:
    """Return the message for an error; `spelled` is the text of a scalar as the file has it."""
    return _MESSAGES.get(details["type"], _pydantic_message)(details, spelled)


def _pydantic_message(details: ErrorDetails, _spelled: str | None) -> str:
    return f"{details['msg']} ({_about(details['loc'])})"


def _missing(details: ErrorDetails, _spelled: str | None) -> str:
    return f"is missing: write it ({_about(details['loc'])})"


def _unknown_field(details: ErrorDetails, _spelled: str | None) -> str:
    *around, name = details["loc"]
    known = _fields(tuple(around))
    near = difflib.get_close_matches(str(name).lower().replace("-", "_"), known, n=1)
    return f"no such field: write {near[0]}" if near else f"no such field: known fields are {', '.join(known)}"


def _own_message(details: ErrorDetails, _spelled: str | None) -> str:
    return str(details["ctx"]["error"])


def _unknown_choice(details: ErrorDetails, _spelled: str | None) -> str:
    return unknown_choice(details["input"], _choices(details["loc"]))


def _not_a_mapping(details: ErrorDetails, _spelled: str | None) -> str:
    return f"is {_kind(details['input'])}: write its fields below it: {', '.join(_fields(details['loc']))}"


def _not_a_string(details: ErrorDetails, spelled: str | None) -> str:
    if spelled is None:
        return f"is {_kind(details['input'])}: write one text"
    if not spelled:
        return "is empty: write a text, or remove the field"
    return f'{spelled} is read as {_kind(details["input"])}: write "{spelled}" in quotes'


def _write_instead(wanted: str) -> Callable[[ErrorDetails, str | None], str]:
    return lambda details, _spelled: f"is {_kind(details['input'])}: write {wanted}"


def _out_of_range(limit: str, side: str) -> Callable[[ErrorDetails, str | None], str]:
    return lambda details, _spelled: f"{details['input']} is out of range: write {side} {details['ctx'][limit]}"


def _too_few(details: ErrorDetails, _spelled: str | None) -> str:
    return f"is empty: write at least {details['ctx']['min_length']} ({_about(details['loc'])})"


def _too_long(details: ErrorDetails, _spelled: str | None) -> str:
    return f"is too long: write at most {details['ctx']['max_length']} characters"


_MESSAGES: dict[str, Callable[[ErrorDetails, str | None], str]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_field,
    "value_error": _own_message,
    "enum": _unknown_choice,
    "literal_error": _unknown_choice,
    "model_type": _not_a_mapping,
    "string_type": _not_a_string,
    "int_type": _write_instead("a whole number, such as 10"),
    "bool_type": _write_instead("true or false"),
    "tuple_type": _write_instead("a list, such as [one, two]"),
    "greater_than_equal": _out_of_range("ge", "at least"),
    "less_than_equal": _out_of_range("le", "at most"),
    "too_short": _too_few,
    "string_too_long": _too_long,
}


def _kind(value: object) -> str:
    return "empty (null)" if value is None else _KINDS.get(type(value), "something else")


def _types_at(where: Path) -> Iterator[Any]:
    """Yield the types allowed at a path: both of `tuple[Label, ...] | None`, and the inner type of Annotated."""
    todo: list[Any] = [DatasetSpec]
    for part in where:
        if isinstance(part, int):
            todo = [get_args(kind)[0] for kind in _alternatives(todo) if get_origin(kind) is tuple]
        else:
            fields = [model.model_fields[part] for model in _models(todo) if part in model.model_fields]
            todo = [kind for field in fields for kind in (field.annotation, *map(_section, field.metadata)) if kind]
    yield from _alternatives(todo)


def _section(metadata: object) -> Any:
    """Return the section as which a field is written whose value is not a section, None for any other."""
    return getattr(metadata, "section", None)


def _alternatives(kinds: list[Any]) -> Iterator[Any]:
    for kind in kinds:
        if hasattr(kind, "__metadata__"):
            yield from _alternatives([kind.__origin__])
        elif get_origin(kind) is None or get_origin(kind) is tuple or not get_args(kind):
            yield kind
        else:
            yield from _alternatives(list(get_args(kind)))


def _models(kinds: list[Any]) -> Iterator[type[DescribedModel]]:
    yield from (k for k in _alternatives(kinds) if isinstance(k, type) and issubclass(k, DescribedModel))


def _fields(where: Path) -> list[str]:
    return [name for model in _models(list(_types_at(where))) for name in model.model_fields]


def _choices(where: Path) -> list[str]:
    """Return the values of an enum or a Literal at a path."""
    kinds = list(_types_at(where))
    return [str(word) for kind in kinds for word in ([kind] if isinstance(kind, str) else _members(kind))]


def _members(kind: Any) -> list[Any]:
    return list(kind) if isinstance(kind, EnumMeta) else []


def _about(where: Path) -> str:
    """Return the first sentence of a field's description, without its full stop."""
    name = next((part for part in reversed(where) if isinstance(part, str)), "")
    around = where[: len(where) - 1 - where[::-1].index(name)] if name else ()
    models = [model for model in _models(list(_types_at(around))) if name in model.model_fields]
    return models[0].describe(name).partition(". ")[0].rstrip(".") if models else "see docs/dataset-file.md"
