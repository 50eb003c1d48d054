"""Conditions that several queries share."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement

from labelyard.ledger.tables import Object


def with_any_key(keys: Iterable[tuple[str, str]]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return conditions for buckets and keys of objects. They match some other pairs too, so callers filter the rows.

    A pair of columns IN (VALUES …) would be exact, but SQLite reads the whole table for it.
    """
    pairs = list(keys)
    return Object.bucket.in_({bucket for bucket, _ in pairs}), Object.key.in_([key for _, key in pairs])
