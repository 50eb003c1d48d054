"""Reading the predictions for a task: from a model over HTTP, or from COCO files in a bucket, within a set time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from labelyard.annotations.content import FrameObject
from labelyard.domain.objects import StoredObject, folder_of, parse_address, s3_url
from labelyard.domain.preannotation import BESIDE_IMAGES, BESIDE_NAME, is_endpoint
from labelyard.errors import NoPredictions, ObjectDeleted, StoreError
from labelyard.formats.predictions import LeftOutPredictions, TargetImage, Targets, read_predictions
from labelyard.model_client import MAX_ANSWER_BYTES, ask_model
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.server_settings import model_token

_MOST_FILES = 1000
_URL_MARGIN = 60
"""Seconds for which the URL of an image is valid beyond the timeout."""


@dataclass
class PredictionReader:
    """Reads the predictions for the `targets`; `stored` has the object of each frame. `until` is monotonic time."""

    lease: BatchLease
    source: str
    targets: Targets
    stored: Mapping[int, StoredObject]
    folder: Path
    until: float
    left_out: LeftOutPredictions = field(default_factory=LeftOutPredictions)

    def read(self) -> list[FrameObject]:
        """Return the predictions that fit. Raises NoPredictions if there are none to be read."""
        try:
            if is_endpoint(self.source):
                return self._of_model()
            return self._of_files()
        except StoreError as error:
            raise NoPredictions(error.what, where=error.where) from error

    # --- a model ---

    def _of_model(self) -> list[FrameObject]:
        to, request = self.folder / "answer.json", self._request(self._seconds_left())
        token = model_token(self.lease.context.settings.model, self.source)
        ask_model(self.source, token, request, to, self._seconds_left())
        return read_predictions(to, self.targets, self.left_out, "the model's answer")

    def _request(self, seconds: float) -> dict[str, Any]:
        valid, store = int(seconds) + _URL_MARGIN, self.lease.context.store
        return {
            "dataset": self.lease.spec.name,
            "batch": self.lease.batch_id,
            "images": [
                {"id": one.number, "file_name": one.key, "width": one.width, "height": one.height,
                 "url": store.presign(self.stored[one.frame], valid)}
                for one in self.targets.images
            ],
            "categories": [{"id": number, "name": name} for name, number in self.targets.category_ids.items()],
        }  # fmt: skip

    # --- COCO files ---

    def _of_files(self) -> list[FrameObject]:
        """Return the predictions of all files. One that is no COCO file is left out, unless it is the only one."""
        path, left = self.folder / "predictions.json", MAX_ANSWER_BYTES
        objects: list[FrameObject] = []
        read, broken = 0, None
        for obj, targets, folder in self._files():
            left -= self._fetch(obj, path, left)
            try:
                objects += read_predictions(path, targets, self.left_out, obj.url, folder)
                read += 1
            except NoPredictions as error:
                self.left_out.add(error.what, obj.url)
                broken = error
            finally:
                path.unlink()  # what was read from it may still be mapped
        if not read and broken is not None:
            raise broken
        if not read:
            what = f"no {BESIDE_NAME} is beside the images" if self.source == BESIDE_IMAGES else "no such file"
            raise NoPredictions(what, where="" if self.source == BESIDE_IMAGES else self.source)
        return objects

    def _files(self) -> Iterator[tuple[StoredObject, Targets, str | None]]:
        """Yield each file, the images that it is about, and the folder of its file names if only that counts."""
        if self.source == BESIDE_IMAGES:
            yield from self._files_beside()
            return
        address = parse_address(self.source)
        assert address is not None, "checked by the dataset file"
        for obj in self._files_at(*address):
            yield obj, self.targets, None

    def _files_beside(self) -> Iterator[tuple[StoredObject, Targets, str | None]]:
        folders: dict[tuple[str, str], list[TargetImage]] = {}
        for image in self.targets.images:
            obj = self.stored[image.frame]
            folders.setdefault((obj.bucket, folder_of(obj.key)), []).append(image)
        for (bucket, folder), images in sorted(folders.items(), key=lambda item: item[0]):
            self._seconds_left()
            if (beside := self._head(bucket, folder + BESIDE_NAME)) is not None:
                yield beside, replace(self.targets, images=images), folder

    def _files_at(self, bucket: str, key: str) -> Iterator[StoredObject]:
        if not key.endswith("/"):
            yield from filter(None, [self._head(bucket, key)])
            return
        found = (obj for obj in self.lease.context.store.list(bucket, key) if obj.key.endswith(".json"))
        for number, obj in enumerate(found):
            if number == _MOST_FILES:
                raise NoPredictions(f"the folder has more than {_MOST_FILES} files", where=s3_url(bucket, key))
            yield obj

    def _head(self, bucket: str, key: str) -> StoredObject | None:
        try:
            return self.lease.context.store.head(bucket, key)
        except ObjectDeleted:
            return None

    def _fetch(self, obj: StoredObject, to: Path, limit: int) -> int:
        """Write an object to a file and return its size. Raises NoPredictions beyond the limits of size and time."""
        size = 0
        with to.open("wb") as file:
            for chunk in self.lease.context.store.read(obj):
                size += len(chunk)
                if size > limit:
                    raise NoPredictions(f"the files have more than {MAX_ANSWER_BYTES} bytes", where=obj.url)
                self._seconds_left()
                file.write(chunk)
        return size

    def _seconds_left(self) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise NoPredictions("the time for predictions is over", where=self.source)
        return left
