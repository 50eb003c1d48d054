"""Writing a corrected copy of a file: what is clean is copied byte for byte, what is repaired is written again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from msgspec import Raw

from labelyard.errors import InputError
from labelyard.formats.checks.annotation_fields import content_key
from labelyard.formats.checks.values import EXACT_LIMIT, is_whole_number
from labelyard.formats.file_checks.checking import CheckedFile, chunks
from labelyard.formats.file_checks.items import Items
from labelyard.formats.file_checks.repairs import REPAIRS, is_fixable, repair, without_non_finite
from labelyard.formats.file_checks.screen import Screened


@dataclass(frozen=True, slots=True)
class FixedFile:
    """A corrected copy, and how many items each rule's repair has changed; empty if there was nothing to repair."""

    path: Path
    changes: Counter[str]


def write_fixed(checked: CheckedFile, to: Path) -> FixedFile:
    """Write a corrected copy of a checked file, whose faults need not all be fixable.

    Raises InputError if the file to write exists, or cannot be written.
    """
    assert checked.items is not None
    assert checked.screened is not None
    try:
        with to.open("x", encoding="ascii") as file:
            changes = _Fixing(checked.items, checked.screened, checked).write(file)
    except FileExistsError:
        raise InputError("it exists, and nothing is overwritten", where=str(to), next_step=f"mv {to} …") from None
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(to)) from error
    return FixedFile(to, changes)


def is_repairable(checked: CheckedFile) -> bool:
    """Return whether a repair may change something in a checked file."""
    return checked.items is not None and any(name in REPAIRS or is_fixable(name) for name in checked.report.tallies)


@dataclass
class _Fixing:
    items: Items
    screened: Screened
    checked: CheckedFile
    changes: Counter[str] = field(default_factory=Counter)

    def write(self, file: TextIO) -> Counter[str]:
        """Write the document; return the changes."""
        names = [name for name in REPAIRS if name in self.checked.report.tallies]
        if "encoding" in self.checked.report.tallies:
            self.changes["encoding"] += 1
        categories = self.items.plain_all("categories")
        self.changes += repair({"images": [], "categories": categories, "annotations": []}, names)
        file.write("{")
        file.writelines(
            f"{json.dumps(name)}:{self._text({name: value}, name)}," for name, value in self.items.rest.items()
        )
        file.write(f'"categories":[{",".join(self._text(one, part="categories") for one in categories)}],\n"images":[')
        self._write_list(file, self._images(names))
        file.write('],\n"annotations":[')
        self._write_list(file, self._annotations(names, categories))
        file.write("]}\n")
        return +self.changes

    @staticmethod
    def _write_list(file: TextIO, texts: Iterator[str]) -> None:
        file.writelines(f",\n{text}" if number else text for number, text in enumerate(texts))

    def _images(self, names: list[str]) -> Iterator[str]:
        doubtful = set(self.screened.doubtful["images"])
        for index, value in enumerate(self.items.images):
            if index not in doubtful:
                yield self._text(value, part="images")
                continue
            image = self.items.plain("images", index)
            self.changes += repair({"images": [image], "categories": [], "annotations": []}, names)
            yield self._text(image, part="images")

    def _annotations(self, names: list[str], categories: list[dict[str, Any]]) -> Iterator[str]:
        left_out, renumbered = self._same_content(), self._same_id()
        doubtful = sorted({*self.screened.doubtful["annotations"], *renumbered})
        repaired = (
            (one, document)
            for document in chunks(self.items, doubtful, self.screened, categories)
            for one in self._repaired(document, names)
        )
        waiting = iter(doubtful)
        following = next(waiting, None)
        for index, value in enumerate(self.items.annotations):
            found: Any = value
            if index == following:
                found, _ = next(repaired)
                following = next(waiting, None)
                self._number(found, again=index in renumbered)
            if index not in left_out:
                yield self._text(found, part="annotations")

    def _repaired(self, document: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        # The images and categories of a chunk are repaired elsewhere, where they are written.
        self.changes += repair({"images": [], "categories": [], "annotations": document["annotations"]}, names)
        found: list[dict[str, Any]] = document["annotations"]
        return found

    def _number(self, annotation: dict[str, Any], *, again: bool) -> None:
        number = annotation.get("id")
        invalid = not is_whole_number(number) or number == 0
        if (again or invalid) and self._last_id + 1 < EXACT_LIMIT:
            self._last_id += 1
            annotation["id"] = self._last_id
            self.changes["annotation-id" if invalid else "duplicate-annotation-id"] += 1

    def __post_init__(self) -> None:
        self._last_id = self.screened.largest_annotation_id

    def _same_content(self) -> set[int]:
        """Return the annotations that another one before has the content of."""
        seen: set[int] = set()
        found = set()
        for index in self.screened.equal["duplicate-annotation"]:
            key = content_key(self.items.plain("annotations", index))
            if key in seen:
                found.add(index)
            seen.add(key)
        self.changes["duplicate-annotation"] += len(found)
        return found

    def _same_id(self) -> set[int]:
        """Return the annotations of which another one before has the id."""
        seen: set[Any] = set()
        found = set()
        for index in self.screened.equal["duplicate-annotation-id"]:
            number = self.items.plain("annotations", index).get("id")
            if type(number) in (int, str):
                if number in seen:
                    found.add(index)
                seen.add(number)
        return found

    def _text(self, value: Any, name: str = "", part: str = "") -> str:
        """Return an item of a part, or the field `name` of an object, as JSON."""
        inner = value[name] if name else value
        if isinstance(inner, Raw):
            raw = bytes(inner)
            return raw.decode("ascii") if raw.isascii() else json.dumps(json.loads(raw))
        holder = value if name else inner
        if without_non_finite(holder, part):
            self.changes["non-finite"] += 1
        return json.dumps(holder[name] if name else inner)
