"""COCO: instances, with what their readers fail on in a file of its own. It loses nothing."""

from __future__ import annotations

from pathlib import Path

from labelyard.annotations.content import Content, FrameObject, Image, Kind
from labelyard.domain.labels import Label
from labelyard.formats.coco.read import read_coco
from labelyard.formats.coco.write import write_coco
from labelyard.formats.interface import HELD, DatasetFile, Written


class Coco:
    """COCO as a dataset format (see `formats.interface.Format`)."""

    archive_suffix = ""
    holds = dict.fromkeys(Kind, HELD)
    holds_attributes = True
    merges_groups = True

    def refusal(self, one: FrameObject, label: Label, image: Image) -> str | None:  # noqa: ARG002 - it holds all
        """Return None."""
        return None

    def write(self, file: DatasetFile, folder: Path, stem: str) -> Written:
        """Write `STEM.json`, and `STEM.extra.json` if there is something for it."""
        return write_coco(file, folder, stem)

    def read(self, folder: Path, stem: str) -> Content:
        """Return the content of both files."""
        return read_coco(folder, stem)
