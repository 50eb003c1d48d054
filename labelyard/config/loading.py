"""Loading a dataset file. Every error names its line, its field, and what to write instead."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from labelyard.config.dataset import DatasetSpec
from labelyard.config.fields import Problem
from labelyard.config.messages import message_for
from labelyard.config.yaml_document import Document, format_path, read_document
from labelyard.errors import SpecError, YamlError

MAX_FILE_BYTES = 1024 * 1024


def read_spec(path: Path) -> DatasetSpec:
    """Load a dataset file. Raises SpecError with a line `file:line: field: what is wrong` for each error."""
    return parse_spec(_body(path), str(path))


def errors_at(path: Path, problems: Iterable[Problem]) -> SpecError:
    """Return an error with the line of each problem in a dataset file that can be read."""
    document = _document(_body(path), str(path))
    return _spec_error(
        str(path), [(document.line(where), f"{format_path(where)}: {words}") for where, words in problems]
    )


def _body(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SpecError(
            f"cannot be read: {error.strerror}", where=str(path), next_step="labelyard init writes a first dataset file"
        ) from None


def parse_spec(body: bytes, where: str) -> DatasetSpec:
    """Parse the content of a dataset file called `where`. Raises SpecError as `read_spec` does."""
    document = _document(body, where)
    try:
        spec = DatasetSpec.model_validate(document.value)
    except ValidationError as error:
        found = [problem for details in _all_errors(error, document) for problem in _problems(details, document)]
    else:
        found = []
    if found or document.errors:
        raise _spec_error(where, [*((errors.line, errors.what) for errors in document.errors), *found])
    return spec


def _document(body: bytes, where: str) -> Document:
    if len(body) > MAX_FILE_BYTES:
        raise _spec_error(where, [(1, f"more than {MAX_FILE_BYTES} bytes: this is not a dataset file")])
    try:
        document = read_document(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise _spec_error(where, [(line, f"not UTF-8 ({error.reason}): save the file as UTF-8")]) from None
    except YamlError as error:
        raise _spec_error(where, [(error.line, error.what)]) from None
    if not isinstance(document.value, dict) and not document.errors:
        kind = "a list" if isinstance(document.value, list) else "a bare value"
        what = "an empty file" if document.value is None else f"{kind} at the top"
        raise _spec_error(where, [(1, f"{what}: write a mapping that begins with name: …")])
    return document


def _all_errors(error: ValidationError, document: Document) -> list[ErrorDetails]:
    """Return pydantic's errors, and those that it finds only after the fields with an error have been left out.

    Pydantic checks the fields of a section against each other only when each of them is valid.
    """
    first = error.errors()
    pruned = copy.deepcopy(document.value)
    for details in first:
        _leave_out(pruned, details["loc"])
    try:
        DatasetSpec.model_validate(pruned)
    except ValidationError as second:
        known = {details["loc"] for details in first}
        return [*first, *(one for one in second.errors() if one["type"] == "unfit" and one["loc"] not in known)]
    return first


def _leave_out(value: Any, where: tuple[str | int, ...]) -> None:
    """Remove the field at a path. Items of lists stay: the errors after them are reported by their index."""
    *around, name = where or ("",)
    with suppress(KeyError, IndexError, TypeError):  # left out already, or a path through a union
        for part in around:
            value = value[part]
        if isinstance(value, dict):
            value.pop(name, None)


def _spec_error(where: str, found: Iterable[tuple[int, str]]) -> SpecError:
    lines = [f"{where}:{line}: {wrong}" for line, wrong in sorted(found)]
    return SpecError("\n".join(lines), next_step=f"correct it, then: labelyard validate {where}")


def _problems(details: ErrorDetails, document: Document) -> Iterator[tuple[int, str]]:
    """Yield a line number and a message for each problem in one of pydantic's errors."""
    where = details["loc"]
    if any(errors.path == where for errors in document.errors):
        return  # reported by the YAML reader already
    if details["type"] == "too_short" and details["input"]:
        return  # pydantic counts only valid items; the errors of the others are reported themselves
    if details["type"] == "unfit":
        for inner, wrong in details["ctx"]["problems"]:
            yield document.line((*where, *inner)), f"{format_path((*where, *inner))}: {wrong}"
        return
    yield document.line(where), f"{format_path(where)}: {message_for(details, document.spelled.get(where))}"
