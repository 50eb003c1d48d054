"""The main figures of a release as plain values, and as a Markdown table for a page in another program."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np

from labelyard.escaping import printable
from labelyard.releases.manifest import Manifest
from labelyard.releases.report.blocks import amount
from labelyard.releases.report.doubts import DoubtKind
from labelyard.releases.report.figures import label_counts, objects_per_image, repeated
from labelyard.releases.report.reading import Contents

MainFigures = dict[str, int | float | str]
"""What a figure is about -> its value."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|<>~&$-])")


def release_name(contents: Contents) -> tuple[str, str]:
    """Return the name of the release and its number or version, empty if the files do not say it."""
    info = contents.info
    name = next((info[key] for key in ("dataset", "name", "description") if isinstance(info.get(key), str)), "")
    number = next((info[key] for key in ("release", "version") if isinstance(info.get(key), str | int)), "")
    return name or "Dataset", str(number)


def all_warnings(manifest: Manifest, contents: Contents) -> list[str]:
    """Return what a reader of the release should know first: images in several splits, and what its files say."""
    found = list(_split_faults(contents))
    own = contents.info.get("warnings")
    found += manifest.warnings
    return found + [one for one in own if isinstance(one, str)] if isinstance(own, list) else found


def _split_faults(contents: Contents) -> Iterator[str]:
    for hashes, what in ((contents.images.content, "of the same content"), (contents.images.group, "of one group")):
        apart = repeated(hashes, contents.images.split).apart
        if apart:
            yield f"{apart:,} sets of images {what} are in several splits: a model is tested on what it has seen"


def summarise(manifest: Manifest, contents: Contents, doubts: list[DoubtKind]) -> MainFigures:
    """Return the main figures of a release."""
    name, number = release_name(contents)
    objects = objects_per_image(contents)
    labels = label_counts(contents).sum(axis=1)
    found: MainFigures = {"release": " ".join(filter(None, (name, number)))}
    found |= {
        "images": len(contents.images),
        "annotations": int(labels.sum()),
        "labels in use": int((labels > 0).sum()),
    }
    for at, split in enumerate(contents.splits):
        found[f"images in {split}"] = int((contents.images.split == at).sum())
    found["images without annotations"] = int((~contents.has_items).sum())
    if len(objects):
        found["objects on an image, median"] = float(np.median(objects))
    if (labels > 0).any():
        rarest = int(np.argmin(np.where(labels > 0, labels, np.iinfo(np.int64).max)))
        found["rarest label"] = f"{contents.labels[rarest]}: {labels[rarest]:,}"
    found |= {f"doubtful: {one.title.lower()}": one.count for one in doubts}
    found["warnings"] = len(all_warnings(manifest, contents))
    return found


def markdown(found: Mapping[str, int | float | str]) -> str:
    """Return main figures as a Markdown table; names and values are escaped."""
    rows = [
        f"| {_cell(name)} | {_cell(value if isinstance(value, str) else amount(value))} |"
        for name, value in found.items()
    ]
    return "\n".join(["| figure | value |", "|---|--:|", *rows, ""])


def _cell(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", printable(text))
