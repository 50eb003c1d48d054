"""The parts of a COCO file as undecoded bytes: a file of any size costs little more than its pages and its items.

`msgspec.Raw` is a view of an item's bytes. The caller decodes the items, or the fields, that it needs.
"""

from __future__ import annotations

import mmap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Raw

from labelyard.errors import InputError
from labelyard.formats.checks.values import PARTS

_document = msgspec.json.Decoder(dict[str, Raw])
_items = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True, slots=True)
class Parts:
    """The items of a COCO file, undecoded. `rest` has the other keys of the document, such as `info`.

    `missing` are the names of the parts that the document does not have.
    """

    images: Sequence[Raw]
    annotations: Sequence[Raw]
    categories: Sequence[Raw]
    rest: Mapping[str, Raw]
    missing: tuple[str, ...] = ()


def require_file(path: Path) -> None:
    """Raise InputError for a pipe, a socket or a device: a reader would wait for it without an end."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError("it is no file, but a pipe or a device", where=str(path), next_step="name a file on a disk")


def read_parts(path: Path, lists: Collection[str] = PARTS) -> Parts:
    """Return the parts of a file; a part that is missing, or not among the `lists`, is empty.

    The items keep the file mapped. It takes half the time without the annotations.

    Raises InputError if the file cannot be read, is no JSON object (NaN and Infinity are no JSON), or a part is no
    list.
    """
    require_file(path)
    try:
        with path.open("rb") as file:
            document = _document.decode(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError) as error:  # msgspec's errors, and mmap's for an empty file
        raise InputError(f"not a COCO document: {error}", where=str(path)) from error
    found, missing = {}, tuple(part for part in PARTS if part not in document)
    for part in PARTS:
        content = document.pop(part, b"[]")
        try:
            found[part] = _items.decode(content if part in lists else b"[]")
        except ValueError as error:
            raise InputError(f"{part} is not a list: {error}", where=str(path)) from error
    return Parts(found["images"], found["annotations"], found["categories"], document, missing)
