"""Writing a Hugging Face imagefolder with splits: `SPLIT/metadata.jsonl`, and the names of the classes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from labelyard.formats.hf import as_text, columns
from labelyard.formats.labels_file import LABELS_FILE
from labelyard.formats.splits import SplitDataset, SplitFiles, SplitImage

_METADATA = "metadata.jsonl"


class HuggingFaceSplits:
    """Writes the files of an imagefolder (see `formats.splits.SplitWriter`). Ids and fields are those of COCO."""

    def __init__(self, dataset: SplitDataset, files: SplitFiles) -> None:
        self._files = files
        self._empty = dict.fromkeys(dataset.splits)
        self._classes = {label.name: number for number, label in enumerate(dataset.labels)}
        self._names = {one["id"]: one["name"] for one in dataset.categories}
        by_name = {one["name"]: one for one in dataset.categories}
        categories = [by_name.get(name) or {"name": name} for name in self._classes]  # in the order of the classes
        files.share(LABELS_FILE, json.dumps({"categories": categories}, indent=1) + "\n")

    def add(self, image: SplitImage) -> str:
        """Write the line of an image. Those with objects come first (see `formats.hf`)."""
        name, fields = image.image.name, image.fields
        if name.split("/")[0].casefold() == _METADATA:
            name = f"{image.number}-{name}"
        line = {
            "file_name": name,
            "width": fields["width"],
            "height": fields["height"],
            "objects": columns(self._row(entry.annotation) for entry in image.entries),
            "source": as_text(fields),
        }
        part = 0 if image.entries else 1
        if image.entries:
            self._empty.pop(image.split, None)
        self._files.add_line(image.split, f"{image.split}/{_METADATA}", as_text(line), part)
        return f"{image.split}/{name}"

    def close(self) -> Sequence[str]:
        """Write the files of lines."""
        self._files.close()
        return [
            f"the split {split} has no object: datasets loads it, or the others, but not all of them together"
            for split in self._empty
        ]

    def _row(self, annotation: Any) -> dict[str, Any]:
        return {**annotation, "category": self._classes[self._names[annotation["category_id"]]]}
