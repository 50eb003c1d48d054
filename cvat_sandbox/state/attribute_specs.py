"""The attribute specs of labels: which attributes an annotation may have, and their default values."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from cvat_sandbox.errors import InvalidAnnotation

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database

Attribute = dict[str, Any]


class AttributeSpecs:
    """The attribute specs of a task or project by label: whether an attribute belongs to a label, and its default."""

    def __init__(self, db: Database, owner_id: int, column: Literal["task_id", "project_id"] = "task_id") -> None:
        rows = db.all(
            "SELECT l.id AS label_id, a.id, a.mutable, a.default_value FROM label l "  # noqa: S608 - the names are constants
            f"LEFT JOIN attribute a ON a.label_id = l.id WHERE l.{column} = ? ORDER BY a.id", owner_id,
        )  # fmt: skip
        self._specs: dict[int, dict[int, sqlite3.Row]] = {}
        for row in rows:
            specs = self._specs.setdefault(row["label_id"], {})
            if row["id"] is not None:
                specs[row["id"]] = row
        self._defaults = cache(self._find_defaults)

    def check_label(self, label_id: int) -> None:
        """Raise InvalidAnnotation for a label of another task."""
        if label_id not in self._specs:
            raise InvalidAnnotation(f"label_id `{label_id}` is invalid")

    def check(self, label_id: int, attributes: list[Attribute], *, mutable: bool | None = None) -> None:
        """Raise InvalidAnnotation for an attribute of another label, or one that is not `mutable` as asked."""
        for attribute in attributes:
            row = self._specs[label_id].get(attribute["spec_id"])
            if row is None or (mutable is not None and bool(row["mutable"]) != mutable):
                raise InvalidAnnotation(f"spec_id `{attribute['spec_id']}` is invalid")

    def defaults(self, label_id: int, *, mutable: bool | None = None) -> list[Attribute]:
        """Return the attributes of a label with their default values."""
        return self._defaults(label_id, mutable)

    def _find_defaults(self, label_id: int, mutable: bool | None) -> list[Attribute]:  # noqa: FBT001 - for the cache
        return [
            {"spec_id": key, "value": row["default_value"]} for key, row in self._specs.get(label_id, {}).items()
            if mutable is None or bool(row["mutable"]) == mutable
        ]  # fmt: skip


def filled(attributes: list[Attribute], defaults: list[Attribute]) -> list[Attribute]:
    """Return attributes, and copies of those defaults that they lack."""
    known = {attribute["spec_id"] for attribute in attributes}
    return attributes + [dict(default) for default in defaults if default["spec_id"] not in known]
