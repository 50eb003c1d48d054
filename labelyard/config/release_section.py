"""The section `release` of a dataset file."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from labelyard.config.fields import Bucket, Folder, Fraction, Problem, Section
from labelyard.domain.splits import BY_IMAGE, SplitRule


def _text_on_one_line(value: str) -> str:
    if value != value.strip() or not value.isprintable():
        raise ValueError("write it on one line, without blanks around it")
    return value


Line = Annotated[str, AfterValidator(_text_on_one_line), Field(max_length=500)]
"""A text on one line."""


class SplitsSection(Section):
    """The splits of a release. The fractions add up to 1; an image that was released never moves."""

    train: Fraction = 0.8
    """The fraction for training."""
    val: Fraction = 0.1
    """The fraction for validation; 0 for none."""
    test: Fraction = 0.1
    """The fraction for the test at the end; 0 for none."""
    by: str = BY_IMAGE
    """What stays in one split: image (each image by itself), folder (all images of a folder), or what a regular
    expression finds in the key (its first group, if it has one), such as `camera-[0-9]+` or `/([0-9-]+)/`."""

    def problems(self) -> Iterator[Problem]:
        """Yield what the rule of the splits says against the fractions or the expression."""
        try:
            self.rule()
        except ValueError as error:
            yield ("by",) if str(error).startswith("by: ") else (), str(error).removeprefix("by: ")

    def rule(self) -> SplitRule:
        """Return the rule. Raises ValueError with what to write instead."""
        fractions = {"train": self.train, "val": self.val, "test": self.test}
        return SplitRule({name: fraction for name, fraction in fractions.items() if fraction}, self.by)


class ReleasedImages(StrEnum):
    """Where the images of a release are."""

    REFERENCE = "reference"
    COPY = "copy"


class People(StrEnum):
    """How a release names annotators and reviewers."""

    IDS = "ids"
    NAMES = "names"


class ReleaseSection(Section):
    """Releases: checked, merged versions of the dataset that never change (`labelyard release`)."""

    bucket: Bucket | None = None
    """The destination bucket; by default that of the exports."""
    prefix: Folder = "releases/"
    """The folder of the releases in the bucket; each is in `PREFIX/NAME/NUMBER/`. No source may contain it or be inside
    it, and it is not that of the exports."""
    splits: SplitsSection = SplitsSection()
    """How the images are divided into train, val and test."""
    images: ReleasedImages = ReleasedImages.REFERENCE
    """reference: a release refers to the images where they are, with their ETag and SHA-256. copy: it has copies, which
    stay if the originals are changed or deleted."""
    people: People = People.IDS
    """ids: a release names people by their ids in CVAT. names: by their user names."""
    report: bool = True
    """true: a release has report.html, with figures, plots and doubtful annotations. It needs the extra `report` where
    releases are made. `labelyard report` writes it from a fetched release at any time."""
    report_pictures: bool = True
    """true: report.html shows doubtful annotations as small pictures, parts of a few dozen images, inside of the page.
    false: it names them in tables, for images that not every reader of a release may see."""
    licence: Line = ""
    """The licence of the dataset, such as CC-BY-4.0: for the dataset card and Croissant."""
    contact: Line = ""
    """Whom to ask about the dataset: a name, an e-mail or a web address."""
