"""Writing content in a format, and changing the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labelyard.annotations.content import Content, FrameObject, Image
from labelyard.annotations.selection import Selection, in_order
from labelyard.domain.labels import Label
from labelyard.formats import FORMATS
from labelyard.formats.interface import FormatOptions, Groups, Provenance
from labelyard.formats.writing import Target, WrittenDataset, write_dataset
from tests.support.content_strategies import IMAGES, LABELS


def write(
    name: str,
    objects: Sequence[FrameObject],
    folder: Path,
    images: Sequence[Image] = IMAGES,
    labels: Sequence[Label] = LABELS,
    groups: Groups = Groups.KEEP,
) -> WrittenDataset:
    target = Target(
        Provenance(7, "the annotations API", 2026), FormatOptions(groups=groups), lambda one: f"frame {one.frame}"
    )
    content = in_order(Content(tuple(images), tuple(labels), tuple(objects)))
    return write_dataset(FORMATS[name], Selection(content, ()), target, folder, "street")


def read(name: str, folder: Path) -> Content:
    return FORMATS[name].read(folder, "street")


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
