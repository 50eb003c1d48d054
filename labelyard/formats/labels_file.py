"""`labels.json`: the labels of a dataset whose format has no place for them, and what its file says about itself."""

from __future__ import annotations

import json
from pathlib import Path

from labelyard.domain.labels import Label
from labelyard.errors import InputError
from labelyard.formats.coco.read import label_of, read_document
from labelyard.formats.coco.write import category, info
from labelyard.formats.interface import DatasetFile

LABELS_FILE = "labels.json"


def write_labels(file: DatasetFile, folder: Path) -> Path:
    """Write the labels as COCO categories, in the order of their ids, and the `info` that COCO files have."""
    labels = {label.name: label for label in file.content.labels}
    document = {
        "info": info(file),
        "categories": [category(labels[name], number) for name, number in file.category_ids.items()],
    }
    path = folder / LABELS_FILE
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="ascii")
    return path


def read_labels(folder: Path) -> tuple[Label, ...]:
    """Return the labels in the order of the file. Raises InputError for a file that `write_labels` did not write."""
    path = folder / LABELS_FILE
    document = read_document(path)
    try:
        labels = tuple(label_of(one) for one in document["categories"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"it has an unknown form ({type(error).__name__}: {error})", where=str(path)) from error
    if not all(isinstance(label.name, str) and type(label.id) is int for label in labels):
        raise InputError("a label needs a name and a whole number as id", where=str(path))
    if len({label.name for label in labels}) < len(labels):
        raise InputError("two labels have the same name", where=str(path))
    return labels
