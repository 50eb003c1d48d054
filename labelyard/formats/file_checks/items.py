"""The items of a COCO file, decoded when they are asked for, or decoded already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from labelyard.errors import InputError
from labelyard.formats.checks.json_text import load_json
from labelyard.formats.checks.values import PARTS, Document
from labelyard.formats.coco.parts import Parts

_fields = msgspec.json.Decoder(dict[str, Raw])


class Items:
    """The items of the parts of a file, as undecoded JSON or as plain values. `rest` has the document's other fields.

    `where` names the file in errors.
    """

    def __init__(
        self, parts: Mapping[str, Sequence[Any]], rest: Mapping[str, Any], where: str, *, decoded: bool = False
    ) -> None:
        self.images, self.categories, self.annotations = parts["images"], parts["categories"], parts["annotations"]
        self.rest, self.decoded, self._where = rest, decoded, where

    @classmethod
    def of_document(cls, document: Document, where: str) -> Items:
        """Return the items of a decoded document, whose three parts are lists of objects."""
        rest = {name: value for name, value in document.items() if name not in PARTS}
        return cls({part: document[part] for part in PARTS}, rest, where, decoded=True)

    @classmethod
    def of_parts(cls, parts: Parts, where: str) -> Items:
        """Return the items of a file that was read undecoded."""
        found = {"images": parts.images, "categories": parts.categories, "annotations": parts.annotations}
        return cls(found, parts.rest, where)

    def plain(self, part: str, index: int) -> dict[str, Any]:
        """Return an item as plain values. Raises InputError if it is none."""
        found = self._decoded(getattr(self, part)[index])
        if not isinstance(found, dict):
            raise InputError(f"an item of {part} is no object", where=self._where)
        return found

    def fields(self, part: str, index: int, names: Sequence[str]) -> dict[str, Any]:
        """Return some fields of an item as plain values."""
        item = getattr(self, part)[index]
        found = item if self.decoded else _fields.decode(item)
        return {name: self._decoded(found[name]) for name in names if name in found}

    def plain_some(self, part: str, indexes: Sequence[int]) -> list[dict[str, Any]]:
        """Return several items as plain values."""
        return [self.plain(part, index) for index in indexes]

    def plain_all(self, part: str) -> list[dict[str, Any]]:
        """Return all items of a part as plain values."""
        return self.plain_some(part, range(len(getattr(self, part))))

    def plain_rest(self) -> dict[str, Any]:
        """Return the other fields of the document as plain values."""
        return {name: self._decoded(value) for name, value in self.rest.items()}

    def _decoded(self, value: Any) -> Any:
        return load_json(bytes(value), self._where) if isinstance(value, Raw) else value
