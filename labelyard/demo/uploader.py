"""Puts the photographs into the bucket: one folder per camera, in three waves, with plain boto3."""

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

_WAVES = (4, 3, 2)  # subjects per wave; each subject has a photograph from three cameras, under the same name


@dataclass(frozen=True)
class PlannedUpload:
    """A photograph and its key."""

    key: str
    photograph: Photograph


def waves(prefix: str) -> list[list[PlannedUpload]]:
    """Return all photographs in three waves. `cam1/cat.jpg` and `cam2/cat.jpg` are different photographs."""
    names = [name.rpartition("-") for name in photographs()]
    uploads = [
        (what, PlannedUpload(f"{prefix}cam{n}/{what}.jpg", photograph))
        for (what, _, n), photograph in zip(names, photographs().values(), strict=True)
    ]
    subjects, planned = list(dict.fromkeys(what for what, _ in uploads)), []
    for count in _WAVES:
        chosen, subjects = subjects[:count], subjects[count:]
        planned.append([upload for what, upload in uploads if what in chosen])
    return planned


@dataclass
class Uploader:
    """Puts one wave after the other; `put_at` holds the time of each put.

    The dataset's marker follows the second wave. The other waves close a batch by their count or by quiet time.
    """

    s3: Any
    spec: DatasetSpec
    waves: Sequence[Sequence[PlannedUpload]]
    put_at: dict[str, datetime] = field(default_factory=dict)
    _next: int = 0
    _not_before: float = 0.0

    @property
    def uploads(self) -> list[PlannedUpload]:
        """Every photograph with its key."""
        return [upload for wave in self.waves for upload in wave]

    def upload_next(self) -> bool:
        """Put the next wave if it is due. Return False once all have been put."""
        if self._next == len(self.waves):
            return False
        if time.monotonic() >= self._not_before:
            for upload in self.waves[self._next]:
                self._put(upload.key, upload.photograph.path.read_bytes(), "image/jpeg")
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
