"""Filters and orders of lists, read from the query."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.state.database import LARGEST_ID
from cvat_sandbox.state.tasks import TaskFilter

TASK_ORDERS = ("id", "name", "owner", "status", "assignee")


def task_filter(query: Mapping[str, str]) -> TaskFilter:
    """Return the filter of the task list; raises ValidationError."""
    if query.get("project_id", "").strip():
        text = "Select a valid choice. That choice is not one of the available choices."
        raise ValidationError({"project_id": [text]})
    wanted_id = query.get("id", "").strip()
    parts = {name: query.get(name, "").strip() for name in ("name", "mode", "status", "owner", "assignee")}
    words = query.get("search", "").replace("\x00", "").replace(",", " ").split()
    return TaskFilter(
        id=_number(wanted_id) if wanted_id else None, in_project=bool(query.get("project", "").strip()),
        words=words, **parts,
    )  # fmt: skip


def _number(text: str) -> int:
    """Return the id of a filter without its fraction. A number that is no id becomes 0, which no task has."""
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
        raise ValidationError({"id": ["Enter a number."]})
    number = float(text)
    return int(number) if abs(number) <= LARGEST_ID else 0


def order_by(query: Mapping[str, str], names: Collection[str], default: str) -> str:
    """Return the SQL order that the parameter `ordering` asks for; columns that are not in `names` are skipped."""
    wanted = [name.strip() for name in query.get("ordering", "").split(",")]
    known = [name for name in wanted if name.removeprefix("-") in names]
    terms = [f"{name[1:]} DESC NULLS FIRST" if name.startswith("-") else f"{name} ASC NULLS LAST" for name in known]
    return ", ".join(terms or [default])
