"""Reading a dataset file: every wrong place with its line and field, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from labelyard.config.dataset import DatasetSpec
from labelyard.config.messages import words
from labelyard.config.yaml_document import Document, place, read_document
from labelyard.errors import SpecError, YamlError

MAX_FILE_BYTES = 1024 * 1024


def read_spec(path: Path) -> DatasetSpec:
    """The dataset of a file. Raises SpecError with a line `file:line: field: what is wrong` for each wrong place."""
    try:
        with path.open("rb") as file:
            body = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SpecError(
            f"cannot be read: {error.strerror}", where=str(path), next_step="labelyard init writes a first dataset file"
        ) from None
    return parse_spec(body, str(path))


def parse_spec(body: bytes, where: str) -> DatasetSpec:
    """The dataset in the bytes of a file that is called `where`. Raises SpecError as `read_spec` does."""
    document = _document(body, where)
    try:
        spec = DatasetSpec.model_validate(document.value)
    except ValidationError as error:
        found = [problem for details in error.errors() for problem in _problems(details, document)]
    else:
        found = []
    if found or document.misread:
        raise _wrong(where, [*((misread.line, misread.what) for misread in document.misread), *found])
    return spec


def _document(body: bytes, where: str) -> Document:
    if len(body) > MAX_FILE_BYTES:
        raise _wrong(where, [(1, f"more than {MAX_FILE_BYTES} bytes: this is not a dataset file")])
    try:
        document = read_document(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise _wrong(where, [(line, f"not UTF-8 ({error.reason}): save the file as UTF-8")]) from None
    except YamlError as error:
        raise _wrong(where, [(error.line, error.what)]) from None
    if not isinstance(document.value, dict) and not document.misread:
        kind = "a list" if isinstance(document.value, list) else "a bare value"
        what = "an empty file" if document.value is None else f"{kind} at the top"
        raise _wrong(where, [(1, f"{what}: write a mapping that begins with name: …")])
    return document


def _wrong(where: str, found: Iterable[tuple[int, str]]) -> SpecError:
    lines = [f"{where}:{line}: {wrong}" for line, wrong in sorted(found)]
    return SpecError("\n".join(lines), next_step=f"correct it, then: labelyard validate {where}")


def _problems(details: ErrorDetails, document: Document) -> Iterator[tuple[int, str]]:
    """A line and its words for each thing that one of pydantic's errors tells."""
    where = details["loc"]
    if any(misread.path == where for misread in document.misread):
        return  # said before, in the reader's words
    if details["type"] == "too_short" and details["input"]:
        return  # pydantic counts the valid items alone; what is wrong with the others is said there
    if details["type"] == "unfit":
        for inner, wrong in details["ctx"]["problems"]:
            yield document.line((*where, *inner)), f"{place((*where, *inner))}: {wrong}"
        return
    yield document.line(where), f"{place(where)}: {words(details, document.spelled.get(where))}"
