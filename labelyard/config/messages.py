"""pydantic's errors in the words of the dataset file: what is wrong in a place, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from enum import EnumMeta
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from labelyard.config.dataset import DatasetSpec
from labelyard.config.yaml_document import Path

_KINDS = {str: "a text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "a mapping"}


def words(details: ErrorDetails, spelled: str | None) -> str:
    """What to do about an error in one place; `spelled` is how the file writes a bare value there."""
    return _WORDS.get(details["type"], _as_pydantic_says)(details, spelled)


def _as_pydantic_says(details: ErrorDetails, _spelled: str | None) -> str:
    return f"{details['msg']} ({_about(details['loc'])})"


def _missing(details: ErrorDetails, _spelled: str | None) -> str:
    return f"is missing: write it ({_about(details['loc'])})"


def _unknown_field(details: ErrorDetails, _spelled: str | None) -> str:
    *around, name = details["loc"]
    known = _fields(tuple(around))
    near = difflib.get_close_matches(str(name).lower().replace("-", "_"), known, n=1)
    return f"no such field: write {near[0]}" if near else f"no such field: known here are {', '.join(known)}"


def _our_own(details: ErrorDetails, _spelled: str | None) -> str:
    return str(details["ctx"]["error"])


def _no_choice(details: ErrorDetails, _spelled: str | None) -> str:
    known = _choices(details["loc"])
    near = difflib.get_close_matches(str(details["input"]), known, n=1)
    return f"{details['input']!r} is unknown: write {near[0] if near else ' or '.join(known)}"


def _no_mapping(details: ErrorDetails, _spelled: str | None) -> str:
    return f"is {_kind(details['input'])}: write its fields below it: {', '.join(_fields(details['loc']))}"


def _no_text(details: ErrorDetails, spelled: str | None) -> str:
    if spelled is None:
        return f"is {_kind(details['input'])}: write one text"
    if not spelled:
        return "is empty: write a text, or take the field away"
    return f'{spelled} is read as {_kind(details["input"])}: write "{spelled}" in quotes'


def _instead(wanted: str) -> Callable[[ErrorDetails, str | None], str]:
    return lambda details, _spelled: f"is {_kind(details['input'])}: write {wanted}"


def _beyond(limit: str, side: str) -> Callable[[ErrorDetails, str | None], str]:
    return lambda details, _spelled: f"{details['input']} is out of range: write {side} {details['ctx'][limit]}"


def _too_few(details: ErrorDetails, _spelled: str | None) -> str:
    return f"is empty: write at least {details['ctx']['min_length']} ({_about(details['loc'])})"


def _too_long(details: ErrorDetails, _spelled: str | None) -> str:
    return f"is too long: write at most {details['ctx']['max_length']} characters"


_WORDS: dict[str, Callable[[ErrorDetails, str | None], str]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_field,
    "value_error": _our_own,
    "enum": _no_choice,
    "literal_error": _no_choice,
    "model_type": _no_mapping,
    "string_type": _no_text,
    "int_type": _instead("a whole number, such as 10"),
    "bool_type": _instead("true or false"),
    "tuple_type": _instead("a list, such as [one, two]"),
    "greater_than_equal": _beyond("ge", "at least"),
    "less_than_equal": _beyond("le", "at most"),
    "too_short": _too_few,
    "string_too_long": _too_long,
}


def _kind(value: object) -> str:
    return "empty (null)" if value is None else _KINDS.get(type(value), "something else")


# --- what stands where in a dataset file ------------------------------------------------------------------------------


def _kinds(where: Path) -> Iterator[Any]:
    """The types that a place may have: of `tuple[Label, ...] | None` both, and of Annotated what it annotates."""
    todo: list[Any] = [DatasetSpec]
    for part in where:
        if isinstance(part, int):
            todo = [get_args(kind)[0] for kind in _alternatives(todo) if get_origin(kind) is tuple]
        else:
            todo = [model.model_fields[part].annotation for model in _models(todo) if part in model.model_fields]
    yield from _alternatives(todo)


def _alternatives(kinds: list[Any]) -> Iterator[Any]:
    for kind in kinds:
        if hasattr(kind, "__metadata__"):
            yield from _alternatives([kind.__origin__])
        elif get_origin(kind) is None or get_origin(kind) is tuple or not get_args(kind):
            yield kind
        else:
            yield from _alternatives(list(get_args(kind)))


def _models(kinds: list[Any]) -> Iterator[type[BaseModel]]:
    yield from (k for k in _alternatives(kinds) if isinstance(k, type) and issubclass(k, BaseModel))


def _fields(where: Path) -> list[str]:
    return [name for model in _models(list(_kinds(where))) for name in model.model_fields]


def _choices(where: Path) -> list[str]:
    """The words of an enum, or of a Literal, whose arguments are alternatives that are text."""
    kinds = list(_kinds(where))
    return [str(word) for kind in kinds for word in ([kind] if isinstance(kind, str) else _members(kind))]


def _members(kind: Any) -> list[Any]:
    return list(kind) if isinstance(kind, EnumMeta) else []


def _about(where: Path) -> str:
    """The first sentence of a field's description, without its stop: a complaint is one line."""
    name = next((part for part in reversed(where) if isinstance(part, str)), "")
    around = where[: len(where) - 1 - where[::-1].index(name)] if name else ()
    fields = [model.model_fields[name] for model in _models(list(_kinds(around))) if name in model.model_fields]
    return (
        " ".join((fields[0].description or "").split()).partition(". ")[0].rstrip(".")
        if fields
        else "see docs/dataset-file.md"
    )
