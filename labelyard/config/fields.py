"""Field types of a dataset file (durations, sizes, names) and the base class of its sections."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from labelyard.described_model import DescribedModel
from labelyard.domain.labels import MAX_NAME_LENGTH

Problem = tuple[tuple[str | int, ...], str]
"""The path inside a section (field names, list indices) and what to write there instead."""


def unknown_choice(value: object, known: Sequence[str]) -> str:
    """Return what is wrong with a value that is none of the `known` ones, and what to write."""
    near = get_close_matches(str(value), known, n=1)
    return f"{value!r} is unknown: write {near[0] if near else ' or '.join(known)}"


class Section(DescribedModel):
    """A mapping in a dataset file. Unknown fields are errors; `problems` checks fields against each other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def problems(self) -> Iterator[Problem]:
        """Yield every problem that involves more than one field, in the order of the file."""
        yield from ()

    @model_validator(mode="after")
    def _check_problems(self) -> Self:
        reject(self.problems())
        return self


def reject(problems: Iterable[Problem]) -> None:
    """Raise a pydantic error with all of the `problems`, if there are any."""
    if found := list(problems):
        words = "; ".join(words for _, words in found)
        raise PydanticCustomError("unfit", "{words}", {"words": words, "problems": found})


_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION = r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*(ms|s|min|m|h|d)\s*"
"""The pattern of a duration in a text."""
_LONGEST = timedelta(days=366)
_SIZE = r"\s*\d{1,15}(\.\d{1,3})?\s*([kKmMgGtT]?[iI]?[bB])?\s*"
_LARGEST = 2**50


def parse_duration(value: object) -> timedelta:
    """Return a duration as a dataset file writes it. Raises ValueError, which says what to write."""
    if isinstance(value, timedelta):
        milliseconds = Decimal(value // timedelta(milliseconds=1))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        milliseconds = Decimal(value) * 1000
    elif isinstance(value, str) and (found := re.fullmatch(DURATION, value)):
        milliseconds = Decimal(found[1]) * _UNITS[found[2]]
    else:
        raise ValueError("write a duration, such as 90s, 15m, 2h or 1d")
    if milliseconds.is_nan() or not 1 <= milliseconds <= _LONGEST // timedelta(milliseconds=1):
        raise ValueError("write a duration between 1ms and 366d")
    return timedelta(milliseconds=int(milliseconds))


def format_duration(length: timedelta) -> str:
    """Format a duration as a dataset file does: `90s`, `15m`, `2h`, `1d`."""
    milliseconds = round(length / timedelta(milliseconds=1))
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if milliseconds % _UNITS[unit] == 0)
    return f"{milliseconds // _UNITS[unit]}{unit}"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": f"^{DURATION}$"}, {"type": "number", "exclusiveMinimum": 0}],
            "examples": ["90s", "15m", "2h", "1d"],
        }
    ),
]
"""A duration in YAML: `90s`, `15m`, `2h`, `1d`, or plain seconds."""


def _every(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return parse_duration(value)
    found = re.fullmatch(r"\s*every\s+(.*)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("write every and a duration, such as: every 1d")
    return parse_duration(found[1])


Every = Annotated[
    timedelta,
    BeforeValidator(_every),
    PlainSerializer(lambda length: f"every {format_duration(length)}", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": rf"^\s*every\s{DURATION}$", "examples": ["every 1d", "every 12h"]}),
]
"""An interval in YAML: `every 1d`."""


def _size(value: object) -> object:
    fits = re.fullmatch(_SIZE, value) if isinstance(value, str) else isinstance(value, int)
    if not fits or isinstance(value, bool):
        raise ValueError("write a size, such as 500MB or 2GiB")
    return value


def _in_range(value: ByteSize) -> ByteSize:
    if not 0 < value <= _LARGEST:
        raise ValueError("write a size between 1B and 1024TiB")
    return value


Size = Annotated[
    ByteSize,
    BeforeValidator(_size),
    AfterValidator(_in_range),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": f"^{_SIZE}$"}, {"type": "integer", "minimum": 1}],
            "examples": ["500MB", "2GiB"],
        }
    ),
]
"""A number of bytes in YAML: `500MB`, `2GiB`, or plain bytes."""

Count = Annotated[int, Field(strict=True)]
"""An integer; booleans are rejected."""
Switch = Annotated[bool, Field(strict=True)]
"""true or false."""

_NAME = r"[a-z0-9][a-z0-9._-]{0,62}"
CVAT_NAME = r"[a-z0-9]+([_-][a-z0-9]+)*"
ORGANIZATION = r"[-a-zA-Z0-9_]{1,16}"
_BUCKET = r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]"
_COLOR = r"#[0-9a-fA-F]{6}"


def _name(value: str) -> str:
    if not re.fullmatch(_NAME, value):
        raise ValueError("write up to 63 small letters, digits, '.', '_' or '-', a letter or digit first")
    return value


def _cvat_name(value: str) -> str:
    # It is part of environment variable names, where `__` is a separator and dots are not allowed.
    if len(value) > 63 or not re.fullmatch(CVAT_NAME, value):
        raise ValueError("write small letters and digits, in parts joined by one '_' or '-'")
    return value


def _organization(value: str) -> str:
    if not re.fullmatch(ORGANIZATION, value):
        raise ValueError("write the organization's short name: up to 16 letters, digits, '_' or '-'")
    return value


def _bucket(value: str) -> str:
    if "/" in value:
        name, _, prefix = value.removeprefix("s3://").partition("/")
        rest = f", and {prefix!r} as prefix" if prefix else ""
        raise ValueError(f"write only the bucket's name, {name!r}{rest}")
    if not re.fullmatch(_BUCKET, value):
        raise ValueError(
            "a bucket's name has 3 to 63 letters, digits, '.', '_' or '-', a letter or digit first and last"
        )
    return value


def _prefix(value: str) -> str:
    if "://" in value:
        raise ValueError(
            f"write only the part after the bucket, such as {value.partition('://')[2].partition('/')[2]!r}"
        )
    if value.startswith("/"):
        raise ValueError(f"keys begin without a slash: write {value.lstrip('/')!r}")
    if "*" in value or "?" in value:
        raise ValueError("a prefix has no wildcards: write globs in include")
    # 24 bytes are left for the rest of the key.
    if len(value.encode()) > 1000:
        raise ValueError("a key has at most 1024 bytes: write a shorter prefix")
    return value


def _folder(value: str) -> str:
    if not value:
        raise ValueError("write a folder of its own, such as datasets/street/")
    return value if value.endswith("/") else value + "/"


def _glob(value: str) -> str:
    if not value or value.startswith("/"):
        raise ValueError(f"globs match the key after the prefix: write {value.lstrip('/') or '*.jpg'!r}")
    return value


def _caption(value: str) -> str:
    # CVAT compares names byte by byte: é as one code point and as two would be two labels.
    tidy = unicodedata.normalize("NFC", value)
    if tidy != tidy.strip():
        raise ValueError(f"begins or ends with a blank: write {tidy.strip()!r}")
    if not tidy:
        raise ValueError("is empty: write a name")
    if len(tidy) > MAX_NAME_LENGTH:
        raise ValueError(f"has {len(tidy)} characters: write at most {MAX_NAME_LENGTH}, CVAT keeps no more")
    if "\n" in tidy or "\t" in tidy:
        raise ValueError("write it on one line, without tabs")
    return tidy


def _color(value: str) -> str:
    if not re.fullmatch(_COLOR, value):
        raise ValueError('write a color as "#rrggbb", such as "#ff8800" (in quotes: # begins a comment)')
    return value


def _person(value: str) -> str:
    if not value or value != value.strip() or len(value) > 150 or "\n" in value:
        raise ValueError("write a user name as CVAT shows it: one line, no blanks around it, at most 150 characters")
    return value


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$"})]
"""Lower-case letters, digits, `.`, `_`, `-`: it is part of task names, run names and tags."""
CvatName = Annotated[str, AfterValidator(_cvat_name), WithJsonSchema({"type": "string", "pattern": f"^{CVAT_NAME}$"})]
"""Lower-case letters, digits, single `_` and `-`: it is part of setting names."""
Organization = Annotated[
    str, AfterValidator(_organization), WithJsonSchema({"type": "string", "pattern": f"^{ORGANIZATION}$"})
]
"""The short name of an organization in CVAT."""
Bucket = Annotated[str, AfterValidator(_bucket), WithJsonSchema({"type": "string", "pattern": f"^{_BUCKET}$"})]
"""A bucket's name."""
Prefix = Annotated[str, AfterValidator(_prefix), WithJsonSchema({"type": "string", "pattern": "^([^/*?][^*?]*)?$"})]
"""The beginning of a key."""
Folder = Annotated[Prefix, AfterValidator(_folder), WithJsonSchema({"type": "string", "pattern": "^[^/*?][^*?]*$"})]
"""A prefix that ends in a slash."""
Glob = Annotated[str, AfterValidator(_glob), WithJsonSchema({"type": "string", "pattern": "^[^/]"})]
"""A pattern for keys after the prefix."""
Caption = Annotated[
    str, AfterValidator(_caption), Field(json_schema_extra={"minLength": 1, "maxLength": MAX_NAME_LENGTH})
]
"""The name of a label or attribute, in Unicode NFC."""
Color = Annotated[str, AfterValidator(_color), WithJsonSchema({"type": "string", "pattern": f"^{_COLOR}$"})]
"""A color, `#rrggbb`."""
Person = Annotated[str, AfterValidator(_person), Field(json_schema_extra={"minLength": 1, "maxLength": 150})]
"""A user name of CVAT."""

Fraction = Annotated[float, Field(ge=0, le=1)]
"""A part of the whole, from 0 to 1."""
