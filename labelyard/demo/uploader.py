"""The person who puts photographs into the bucket: folders of cameras, in waves, with plain boto3."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from labelyard.config import DatasetSpec
from labelyard.demo.photographs import Photograph, photographs

PAUSE = 4.0
"""Seconds between two waves."""

_WAVES = (4, 3, 2)  # kinds of things on the photographs; each comes from three cameras, under one name


@dataclass(frozen=True)
class Shot:
    """A photograph and the key it gets."""

    key: str
    photograph: Photograph


def waves(prefix: str) -> list[list[Shot]]:
    """All photographs in three waves: `cam1/cat.jpg`, `cam2/cat.jpg`, … are different photographs of equal names."""
    names = [name.rpartition("-") for name in photographs()]
    shots = [
        (what, Shot(f"{prefix}cam{n}/{what}.jpg", photograph))
        for (what, _, n), photograph in zip(names, photographs().values(), strict=True)
    ]
    things, planned = list(dict.fromkeys(what for what, _ in shots)), []
    for count in _WAVES:
        chosen, things = things[:count], things[count:]
        planned.append([shot for what, shot in shots if what in chosen])
    return planned


@dataclass
class Photographer:
    """Puts one wave after the other; `put_at` says when each key was put.

    After the second wave comes the dataset's marker; the others end a batch by their number or by the quiet after them.
    """

    s3: Any
    spec: DatasetSpec
    waves: Sequence[Sequence[Shot]]
    put_at: dict[str, datetime] = field(default_factory=dict)
    _next: int = 0
    _not_before: float = 0.0

    @property
    def shots(self) -> list[Shot]:
        """Every photograph with its key."""
        return [shot for wave in self.waves for shot in wave]

    def go_on(self) -> bool:
        """Put the next wave if it is time; False once all are put."""
        if self._next == len(self.waves):
            return False
        if time.monotonic() >= self._not_before:
            for shot in self.waves[self._next]:
                self._put(shot.key, shot.photograph.path.read_bytes(), "image/jpeg")
            if self._next == 1 and self.spec.batch.marker:
                self.s3.put_object(Bucket=self._bucket, Key=self.spec.sources[0].prefix + self.spec.batch.marker)
            self._next += 1
            self._not_before = time.monotonic() + PAUSE
        return True

    @property
    def _bucket(self) -> str:
        return self.spec.sources[0].bucket

    def _put(self, key: str, body: bytes, content_type: str) -> None:
        self.put_at[key] = datetime.now(UTC)
        self.s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)
