"""The tables of releases."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from labelyard.ledger.declarative import Table, partial_index


class Release(Table):
    """A version of a dataset that one can train on. Its inputs are fixed before anything is written."""

    __tablename__ = "release"

    id: Mapped[int] = mapped_column(primary_key=True)
    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"))
    number: Mapped[int]
    """1, 2, 3, … in the dataset."""
    version: Mapped[int]
    """The version of the dataset file that it follows."""
    previous: Mapped[int | None]
    """The number of the published release before it, whose ids and splits it keeps."""
    bucket: Mapped[str]
    prefix: Mapped[str]
    """What all of its keys begin with."""
    exports: Mapped[list[int]]
    """The ids of the exports that it merges."""
    leased_by: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    """Until then the holder has the right to build it; afterwards another run continues."""
    manifest_sha256: Mapped[str | None]
    images: Mapped[int | None]
    annotations: Mapped[int | None]
    begun_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    """When all of its files were in the bucket; None while it is built."""

    __table_args__ = (
        Unique("dataset", "number", name="uq_release_dataset_number"),
        partial_index("uq_release_one_unpublished", "dataset", where="published_at IS NULL"),
    )


class ReleasedImage(Table):
    """An image that is or was in a published release of its dataset. Its id and its split never change."""

    __tablename__ = "released_image"

    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"), primary_key=True)
    identity: Mapped[str] = mapped_column(primary_key=True)
    """Its content: the SHA-256, or bucket, key and ETag where that is not known."""
    image_id: Mapped[int]
    split: Mapped[str]
    split_group: Mapped[str]
    """What the images that stay together have in common."""
    first_release: Mapped[int]
    last_release: Mapped[int]
    """The number of the newest published release that has it."""

    __table_args__ = (Unique("dataset", "image_id", name="uq_released_image_dataset_image_id"),)
