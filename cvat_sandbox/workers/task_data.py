"""The data of a task in 2.x: the request that turns its files into frames and jobs."""

from __future__ import annotations

import json
import random
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import UnidentifiedImageError

from cvat_sandbox.errors import Crash, WorkerError, WorkerValidationError
from cvat_sandbox.state import cloud_storages, jobs, media, pillow12, uploads
from cvat_sandbox.state.database import now
from cvat_sandbox.workers import validation_frames
from cvat_sandbox.workers.requests import Order, Outcome, Report

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from cvat_sandbox.faults import Faults
    from cvat_sandbox.state.database import Database
    from cvat_sandbox.state.honeypot_frames import Plan
    from cvat_sandbox.workers.cloud_files import CloudFiles, Selection
    from cvat_sandbox.workers.downloads import Downloader
    from cvat_sandbox.workers.requests import Requests
    from cvat_sandbox.workers.share import Share

SORTING_METHODS = ("lexicographical", "natural", "predefined", "random")
DEFAULT_CHUNK_PIXELS = 36 * 1920 * 1080
DEFAULT_QUALITY = 50
"""What a task shows before somebody sends a quality."""
NO_QUALITY = "The 'image_quality' parameter is required for image- and video-based tasks"


@dataclass(frozen=True)
class Source:
    """A file that may become a frame, and the name that the API shows for it."""

    name: str
    file: Path
    selection: Selection | None = None
    """For an image of a cloud storage: what the request selected. The file exists when somebody has read the image."""


def rq_id_of(task_id: int) -> str:
    """Return the id of the request that makes the frames of a task."""
    return f"action=create&target=task&target_id={task_id}"


class TaskData:
    """The creations of all tasks."""

    def __init__(
        self, db: Database, requests: Requests, folder: Path, share: Share, downloader: Downloader, cloud: CloudFiles,
        faults: Faults,
    ) -> None:  # fmt: skip
        self._db, self._requests, self._folder, self._share = db, requests, folder, share
        self._downloader, self._cloud, self._faults = downloader, cloud, faults

    def folder(self, data_id: int) -> Path:
        """Return the folder with the media of a data row."""
        return self._folder / "data" / str(data_id)

    def raw(self, data_id: int) -> Path:
        """Return the folder with the files that were sent."""
        return self.folder(data_id) / "raw"

    def of(self, task: sqlite3.Row) -> int:
        """Return the id of the data row of a task; the first call inserts the row and publishes the change."""
        with self._db.transaction():
            row = self._db.one("SELECT data_id FROM task WHERE id = ?", task["id"])
            if row is not None and row["data_id"] is not None:
                return int(row["data_id"])
            data_id = self._db.insert(
                "data", image_quality=DEFAULT_QUALITY, start_frame=0, stop_frame=0, frame_filter=""
            )
            self._touch(task, data_id=data_id)
            return data_id

    def _touch(self, task: sqlite3.Row, **values: Any) -> None:
        """Change a task, and publish the change."""
        self._db.update("task", task["id"], {**values, "updated_date": now()})
        self._db.events.publish("update", "task", task["id"], task)

    def start(self, task: sqlite3.Row, user_id: int, values: dict[str, Any]) -> str:
        """Queue the request that makes the frames of a task; return its id. values: the validated body.

        Raises RequestRunning, and Crash for a file of the server that the task has already.
        """
        data_id = self.of(task)
        self._add_server_files(data_id, values)
        if values.get("image_quality") is not None:
            self._db.update("data", data_id, {"image_quality": values["image_quality"]})
        self._touch(task)
        order = Order(
            rq_id_of(task["id"]), user_id, "create", "task", task["id"], project_id=task["project_id"],
            task_id=task["id"], organization_id=task["organization_id"],
        )  # fmt: skip
        return self._requests.start(
            order, lambda report: self._create(task["id"], data_id, values, report), fault="creation",
            arguments=json.dumps({"data_id": data_id, "values": values}),
        )  # fmt: skip

    def _add_server_files(self, data_id: int, values: dict[str, Any]) -> None:
        """Note which files of the share or of a cloud storage become frames."""
        try:
            cloud_storages.add_files(self._db, data_id, values.get("server_files", []))
        except cloud_storages.AlreadyNamed:
            raise Crash("IntegrityError: the task has this file already") from None
        if values.get("cloud_storage_id") is not None:
            self._db.update(
                "data", data_id, {"storage": "cloud_storage", "cloud_storage_id": values["cloud_storage_id"]}
            )

    def resume(self) -> None:
        """Queue the creations again that a killed server had not finished."""
        for order, row in self._requests.interrupted("create"):
            self._resume(order, json.loads(row["arguments"]))

    def _resume(self, order: Order, arguments: dict[str, Any]) -> None:
        self._requests.run(
            order, lambda report: self._create(order.target_id, **arguments, report=report), fault="creation"
        )

    def _create(self, task_id: int, data_id: int, values: dict[str, Any], report: Report) -> Outcome | None:
        report("Media files are being extracted...")
        task = self._task(task_id)
        params = values.get("validation_params")
        validation_frames.check(params, task, values.get("sorting_method", "lexicographical"))
        sources = self._sources(data_id, values)
        if values.get("image_quality") is None:
            raise WorkerValidationError(NO_QUALITY)
        step, stop = media.frame_step(values.get("frame_filter", "")), values.get("stop_frame")
        last = len(sources) if stop is None else min(len(sources), stop + 1)
        chosen = sources[values.get("start_frame", 0) : last : step]
        if not chosen:
            raise ValueError("No media data found")
        frames = self._measured(data_id, chosen)
        report("Task is being saved in database")
        plan = validation_frames.honeypots(params, [source.name for source in chosen], task["segment_size"])
        self._save(task, values, frames, plan)
        return None

    # -- files

    def _sources(self, data_id: int, values: dict[str, Any]) -> list[Source]:
        """Return the images of a data row in the order of the frames."""
        sent = [Source(row["name"], self.raw(data_id) / row["file"]) for row in self._sent(data_id, values)]
        named = [*self._on_server(data_id, values), *self._remote(data_id, values.get("remote_files", []))]
        found = [source for source in [*sent, *named] if media.kind_of(source.name) in {"image", "zip"}]
        archives = [source for source in found if media.kind_of(source.name) == "zip"]
        if not found:
            raise ValueError("No media data found")
        if archives and len(found) > 1:
            raise ValueError("Only one video, archive, pdf, zip or many image, directory can be used simultaneously")
        images = self._unpack(archives[0], data_id) if archives else found
        return _sorted(images, values.get("sorting_method", "lexicographical"), values.get("upload_file_order", []))

    def _shared(self, names: list[str]) -> list[Source]:
        """Return the files of the share that a request names, and the images below its folders."""
        chosen = self._share.choose(names)
        self._share.check(chosen)
        found: list[Source] = []
        for name in chosen:
            path = self._share.path(name)
            found += [Source(*pair) for pair in self._share.images(name)] if path.is_dir() else [Source(name, path)]
        return found

    def _remote(self, data_id: int, urls: list[str]) -> list[Source]:
        """Download files from other servers."""
        self.raw(data_id).mkdir(parents=True, exist_ok=True)
        return [Source(*pair) for pair in self._downloader.fetch(urls, self.raw(data_id), self._faults.run_download)]

    def _sent(self, data_id: int, values: dict[str, Any]) -> list[sqlite3.Row]:
        rows = uploads.of(self._db, data_id)
        order = {name: number for number, name in enumerate(values.get("upload_file_order", []))}
        for row in sorted(rows, key=lambda row: order.get(row["name"], len(order))):
            if row["received"] < row["length"]:
                path = f"/home/django/data/data/{data_id}/raw/{row['name']}"
                raise FileNotFoundError(f"[Errno 2] No such file or directory: '{path}'")
        return rows

    def _on_server(self, data_id: int, values: dict[str, Any]) -> list[Source]:
        """Return the files of the share, or of a cloud storage, that a data row names."""
        data = self._db.one("SELECT * FROM data WHERE id = ?", data_id)
        if data is None or data["cloud_storage_id"] is None:
            return self._shared(cloud_storages.files_of(self._db, data_id))
        return self._in_cloud(data, values)

    def _in_cloud(self, data: sqlite3.Row, values: dict[str, Any]) -> list[Source]:
        """Return the files of a cloud storage. Images stay there; an archive is copied, and the data is local then."""
        selected, raw = self._cloud.select(data["id"], data["cloud_storage_id"], values), self.raw(data["id"])
        sources = [Source(key, raw / f"cloud-{number:06d}", selected) for number, key in enumerate(selected.keys)]
        if [media.kind_of(key) for key in selected.keys] == ["zip"]:
            raw.mkdir(parents=True, exist_ok=True)
            sources[0].file.write_bytes(selected.bucket.read(sources[0].name))
            self._db.update("data", data["id"], {"storage": "local"})
        return sources

    def _measured(self, data_id: int, sources: list[Source]) -> list[tuple[Source, int, int]]:
        """Return the images with their sizes."""
        selection = next((source.selection for source in sources if source.selection), None)
        keys = [source.name for source in sources if source.selection]
        known = {image.key: image for image in selection.images(keys)} if selection else {}
        return [
            (source, known[source.name].width, known[source.name].height) if source.selection
            else (source, *self._size(data_id, source))
            for source in sources
        ]  # fmt: skip

    def _unpack(self, archive: Source, data_id: int) -> list[Source]:
        try:
            members = media.unpack(archive.file, self.raw(data_id))
        except zipfile.BadZipFile:
            raise zipfile.BadZipFile("File is not a zip file") from None
        if not members:
            raise WorkerError("No image found")
        return [Source(name, file) for name, file in members]

    def _size(self, data_id: int, source: Source) -> tuple[int, int]:
        try:
            with pillow12.open_image(source.file) as image:
                return pillow12.size(image)
        except UnidentifiedImageError:
            path = media.shown_path(data_id, source.name)
            raise UnidentifiedImageError(f"cannot identify image file '{path}'") from None

    # -- rows

    def _save(
        self, task: sqlite3.Row, values: dict[str, Any], frames: list[tuple[Source, int, int]], plan: Plan | None
    ) -> None:
        """Save the frames, the jobs and the ground truth job. plan: the frames of a task with honeypots."""
        data_id, copies = task["data_id"], plan.honeypots if plan else {}
        if plan:
            frames, values = [frames[number] for number in plan.order], {**values, "start_frame": 0, "frame_filter": ""}
        size, raw = len(frames), self.raw(data_id)
        rows = [
            (data_id, number, source.name, self._inside(source.file, raw, number), width, height, copies.get(number))
            for number, (source, width, height) in enumerate(frames)
        ]
        _, width, height = frames[0]
        start, step = values.get("start_frame", 0), media.frame_step(values.get("frame_filter", ""))
        with self._db.transaction():
            division = self._divide(task, size, plan)
            self._db.execute("DELETE FROM frame WHERE data_id = ?", data_id)
            self._db.execute_many(
                "INSERT INTO frame (data_id, frame, path, file, width, height, real_frame) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)", rows,
            )  # fmt: skip
            self._db.update("data", data_id, {
                "size": size, "image_quality": values["image_quality"], "start_frame": start,
                "stop_frame": start + (size - 1) * step, "frame_filter": values.get("frame_filter", ""),
                "chunk_size": values.get("chunk_size") or max(2, min(72, DEFAULT_CHUNK_PIXELS // (width * height))),
                "sorting_method": values.get("sorting_method", "lexicographical"), "chunks_updated_date": now(),
            })  # fmt: skip
            self._complete(task, division)
            names = [source.name for source, _, _ in frames]
            done, params = self._task(task["id"]), values.get("validation_params")
            validation_frames.add_ground_truth(self._db, done, params, names, plan)

    def _divide(self, task: sqlite3.Row, size: int, plan: Plan | None) -> jobs.Division:
        """Divide a task into jobs with their replicas."""
        division = jobs.Division(0, 0) if plan else jobs.division_of(task, size)
        segments = [(part[0], part[-1]) for part in plan.segments] if plan else list(jobs.ranges(division, size))
        for start, stop in segments:
            jobs.create_with_replicas(self._db, task["id"], start, stop, task["consensus_replicas"])
        return division

    def _complete(self, task: sqlite3.Row, division: jobs.Division) -> None:
        """Set what a task knows of its data. CVAT saves the task twice, so two updates are published."""
        self._touch(task, mode="annotation", dimension="2d", segment_size=division.segment_size,
                    overlap=division.overlap)  # fmt: skip
        self._touch(self._task(task["id"]))

    def _task(self, task_id: int) -> sqlite3.Row:
        task = self._db.one("SELECT * FROM task WHERE id = ?", task_id)
        if task is None:
            raise LookupError("Task matching query does not exist.")
        return task

    def _inside(self, file: Path, raw: Path, number: int) -> str:
        """Return the name of a file in the raw folder; copy it there if it is elsewhere."""
        if file.parent == raw:
            return file.name
        raw.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(file, raw / f"share-{number:06d}")).name


def _sorted(sources: list[Source], method: str, order: Sequence[str]) -> list[Source]:
    """Return sources in the order of the frames. `predefined` is the order of sending, or that of `order`."""
    if method == "predefined":
        rank = {name: number for number, name in enumerate(order)}
        return sorted(sources, key=lambda source: rank.get(source.name, len(rank)))
    if method == "natural":
        return sorted(sources, key=lambda source: media.natural_key(source.name))
    if method == "random":
        return random.sample(sources, len(sources))
    return sorted(sources, key=lambda source: source.name)
