"""What a dataset file says about its own origin; any bytes may be given."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labelyard.errors import InputError
from labelyard.formats.checks.values import Document, is_whole_number


@dataclass(frozen=True, slots=True)
class Origin:
    """What a dataset file says about its origin: its dataset and batch, key by frame name, id by label."""

    dataset: str
    batch: str
    keys: Mapping[str, str]
    categories: Mapping[str, int]


def read_origin(content: bytes) -> Origin:
    """Return where a dataset file comes from. Raises InputError for a file that labelyard did not write."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not valid JSON: {error}") from error
    info = document.get("info") if isinstance(document, dict) else None
    if not isinstance(info, dict) or not isinstance(info.get("dataset"), str):
        raise InputError("not a dataset file of labelyard: it names no dataset")
    keys = {one["cvat_name"]: one["file_name"] for one in _with_texts(document, "images", "cvat_name", "file_name")}
    named = _with_texts(document, "categories", "name")
    categories = {one["name"]: one["id"] for one in named if is_whole_number(one.get("id"))}
    return Origin(info["dataset"], str(info.get("batch", "")), keys, categories)


def _with_texts(document: Document, part: str, *names: str) -> Iterator[dict[str, Any]]:
    """Yield the entries of a list in which all these fields are texts."""
    entries = document.get(part)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in names):
            yield entry
