"""Creation: the job that turns the data of a task into frames, segments and jobs."""

from __future__ import annotations

import json
import shutil
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvat_sandbox.errors import Crash, JobForgotten, WorkerError, failure_text
from cvat_sandbox.state import media, tasks

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.faults import Faults
    from cvat_sandbox.state.database import Database
    from cvat_sandbox.workers.downloads import Downloader
    from cvat_sandbox.workers.pool import WorkerPool
    from cvat_sandbox.workers.share import Share

DECODERS = 4
MAX_NAME_LENGTH = 1024


@dataclass
class Request:
    """The data that one request adds to a task. It is stored, so that a restarted server can continue."""

    task_id: int
    data_id: int
    client: list[tuple[str, str]] = field(default_factory=list)
    """Name and file in the raw folder of each uploaded file."""
    server: list[str] = field(default_factory=list)
    remote: list[str] = field(default_factory=list)
    stop_frame: int | None = None


@dataclass(frozen=True)
class Source:
    """A file that may become a frame, and the name that the API shows for it."""

    name: str
    file: Path


class Creations:
    """The creation jobs of all tasks, and their states."""

    def __init__(
        self, db: Database, workers: WorkerPool, folder: Path, share: Share, downloader: Downloader, faults: Faults
    ) -> None:
        self._db, self._workers, self._folder = db, workers, folder
        self._share, self._downloader, self._faults = share, downloader, faults
        self._locks: dict[int, threading.Lock] = {}
        self._running: set[int] = set()

    def folder(self, data_id: int) -> Path:
        """Return the folder with the media of a data row."""
        return self._folder / "data" / str(data_id)

    def start(self, task_id: int, values: dict[str, Any], uploads: list[tuple[str, Path]]) -> None:
        """Replace the data of a task and queue the job that makes its frames.

        values: the validated body of the request. uploads: name and file of each uploaded file; the files are moved.
        Raises Crash for duplicate names and names that are too long. The task then stays as it was.
        """
        data_id = self._db.insert(
            "data", chunk_size=values.get("chunk_size"), size=values.get("size", 0),
            image_quality=values["image_quality"], start_frame=values.get("start_frame", 0),
            stop_frame=values.get("stop_frame", 0), frame_filter=values.get("frame_filter", ""),
        )  # fmt: skip
        names = [name for name, _ in uploads]
        if len(set(names)) < len(names) or any(name in {".", ".."} for name in names):
            raise Crash("OSError: file already exists or its name is too long")
        if any(len(name) > MAX_NAME_LENGTH for name in values["server_files"] + values["remote_files"]):
            raise Crash("DataError: value too long for type character varying(1024)")
        request = Request(task_id, data_id, server=values["server_files"], remote=values["remote_files"])
        request.stop_frame = values.get("stop_frame")
        request.client = self._move(data_id, uploads)
        with self._db.transaction():
            self._db.execute("UPDATE task SET data_id = ? WHERE id = ?", data_id, task_id)
            stored = json.dumps(asdict(request))
            sql = "INSERT OR REPLACE INTO creation VALUES (?, ?, 'Queued', '', ?)"
            self._db.execute(sql, task_id, data_id, stored)
        self._submit(request)

    def _move(self, data_id: int, uploads: list[tuple[str, Path]]) -> list[tuple[str, str]]:
        raw = self.folder(data_id) / "raw"
        raw.mkdir(parents=True)
        moved = []
        for number, (name, file) in enumerate(uploads):
            file.replace(raw / f"{number:06d}")
            moved.append((name, f"{number:06d}"))
        return moved

    def _submit(self, request: Request) -> None:
        self._workers.submit(lambda: self._run(request))

    def resume(self) -> None:
        """Queue the jobs again that a killed server had not finished."""
        for row in self._db.all("SELECT request FROM creation WHERE state IN ('Queued', 'Started') ORDER BY data_id"):
            self._submit(Request(**json.loads(row["request"])))

    def status(self, task_id: int) -> tuple[str, str | None]:
        """Return the state and the message of a task's last job; Finished without one.

        The message is None for a moment when a job fails, as on the real server.
        """
        row = self._db.one("SELECT state, message FROM creation WHERE task_id = ?", task_id)
        if row is None or row["state"] == "Finished":
            return "Finished", ""
        if row["state"] == "Failed" and (row["message"] is None or self._faults.run_worker("null_message", task_id)):
            return "Failed", None
        return row["state"], row["message"].strip()

    def is_running(self, task_id: int) -> bool:
        """Return whether a worker runs a job of the task."""
        return task_id in self._running

    def _run(self, request: Request) -> None:
        lock = self._locks.setdefault(request.task_id, threading.Lock())
        with lock:
            self._running.add(request.task_id)
            try:
                self._set_state(request, "Started", "")
                self._create(request)
                self._set_state(request, "Finished", "")
            except JobForgotten as forgotten:
                # Measured on 1.0.0: without its queue the status is Finished, with a killed worker it stays Started.
                self._set_state(request, "Finished" if forgotten.what == "queue" else "Started", "")
            except Exception as error:  # noqa: BLE001 - any failure becomes the text of the job
                self._set_state(request, "Failed", None)
                self._set_state(request, "Failed", failure_text(error))
            finally:
                self._running.discard(request.task_id)

    def _set_state(self, request: Request, state: str, message: str | None) -> None:
        self._db.execute(
            "UPDATE creation SET state = ?, message = ? WHERE task_id = ? AND data_id = ?",
            state, message, request.task_id, request.data_id,
        )  # fmt: skip

    def _report(self, request: Request, message: str) -> None:
        self._set_state(request, "Started", message)

    def _create(self, request: Request) -> None:
        data = self._db.one("SELECT * FROM data WHERE id = ?", request.data_id)
        if data is None:
            raise LookupError("Task matching query does not exist.")
        if data["size"]:
            raise NotImplementedError("Adding more data is not implemented")
        self._faults.run_worker("creation", request.task_id)
        sources = self._gather(request)
        self._report(request, "Media files are being extracted...")
        step, stop = media.frame_step(data["frame_filter"]), request.stop_frame
        last = len(sources) if stop is None else min(len(sources), stop + 1)
        if last <= data["start_frame"]:
            raise AssertionError
        chosen = [(number, sources[number]) for number in range(data["start_frame"], last, step)]
        width, height = self._size(request, sources[0])
        frames = self._frames(request, chosen)
        self._report(request, "Task is being saved in database")
        # CVAT's formula: as many frames as 36 Full HD frames have pixels.
        self._save(request, data, frames, chunk_size=max(2, min(72, 36 * 1920 * 1080 // (width * height))))

    # -- the files

    def _gather(self, request: Request) -> list[Source]:
        """Return the images of a request, ordered by name as frames are."""
        uploaded = self._uploaded(request)
        shared = self._share.choose(request.server)
        found: dict[str, list[Source]] = {kind: [] for kind in media.KINDS}
        for source in [*uploaded, *(Source(path, self._share.path(path)) for path in shared)]:
            kind = "directory" if source.file.is_dir() else media.kind_of(source.name)
            if kind:
                found[kind].append(source)
        self._validate(found)
        if shared:
            self._report(request, "Data are being copied from share..")
            self._share.check(shared)
        return sorted(self._images(found, request.data_id), key=lambda source: source.name)

    def _uploaded(self, request: Request) -> list[Source]:
        raw = self.folder(request.data_id) / "raw"
        if not request.remote:
            return [Source(name, raw / file) for name, file in request.client]
        fetched = self._downloader.fetch(request.remote, raw, lambda url: self._before_download(request, url))
        return [Source(name, file) for name, file in fetched]

    def _before_download(self, request: Request, url: str) -> None:
        self._report(request, f"{url} is being downloaded..")
        self._faults.run_download(url)

    def _validate(self, found: dict[str, list[Source]]) -> None:
        unique = sum(len(found[kind]) for kind in ("video", "archive", "pdf", "zip"))
        multiple = len(found["image"]) + len(found["directory"])
        if unique > 1 or (unique and multiple):
            counts = ", ".join(f"{len(found[kind])} {kind}(s)" for kind in media.KINDS)
            raise ValueError("Only one video, archive, pdf, zip or many image, directory can be used simultaneously,"
                             f"             but {counts} found.")  # fmt: skip
        if not unique and not multiple:
            raise ValueError("No media data found")
        if any(found[kind] for kind in ("video", "archive", "pdf")):
            raise NotImplementedError("the sandbox reads images and zip archives only")

    def _images(self, found: dict[str, list[Source]], data_id: int) -> list[Source]:
        if found["image"] and found["directory"]:
            raise WorkerError("Combined data types are not supported")
        if found["zip"]:
            images = self._unpack(found["zip"][0].file, data_id)
        else:
            folders = [self._share.images(source.name) for source in found["directory"]]
            images = found["image"] + [Source(name, file) for folder in folders for name, file in folder]
        if not images:
            raise WorkerError("No image found")
        return images

    def _unpack(self, archive: Path, data_id: int) -> list[Source]:
        try:
            members = media.unpack(archive, self.folder(data_id) / "raw")
        except zipfile.BadZipFile:
            raise zipfile.BadZipFile("File is not a zip file") from None
        return [Source(name, file) for name, file in members]

    # -- the frames

    def _size(self, request: Request, source: Source) -> tuple[int, int]:
        return media.measure(source.file, media.shown_path(request.data_id, source.name))

    def _frames(self, request: Request, chosen: list[tuple[int, Source]]) -> list[tuple[Any, ...]]:
        """Decode the chosen images and return rows for the frame table, without their data id."""
        raw, rows = self.folder(request.data_id) / "raw", []
        with ThreadPoolExecutor(DECODERS) as pool:
            sizes = pool.map(lambda pair: self._size(request, pair[1]), chosen)
            for count, ((number, source), (width, height)) in enumerate(zip(chosen, sizes, strict=True), 1):
                file = source.file
                if file.parent != raw:
                    file = Path(shutil.copyfile(file, raw / f"share-{number:06d}"))
                rows.append((number, source.name, file.name, width, height))
                if count % 50 == 0 or count == len(chosen):
                    self._report(request, f"Images are being compressed {round(100 * count / len(chosen))}%")
        return rows

    def _save(self, request: Request, data: sqlite3.Row, frames: list[tuple[Any, ...]], *, chunk_size: int) -> None:
        step = media.frame_step(data["frame_filter"])
        stop_frame = data["stop_frame"] or data["start_frame"] + (len(frames) - 1) * step
        rows = [(data["id"], *frame) for frame in frames]
        with self._db.transaction():
            self._db.execute_many(
                "INSERT INTO frame (data_id, frame, path, file, width, height) VALUES (?, ?, ?, ?, ?, ?)", rows
            )
            self._db.execute(
                "UPDATE data SET size = ?, chunk_size = ?, stop_frame = ? WHERE id = ?",
                len(frames), data["chunk_size"] or chunk_size, stop_frame, data["id"],
            )  # fmt: skip
            tasks.split(self._db, request.task_id, len(frames))
