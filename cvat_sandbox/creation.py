"""How data becomes frames, segments and jobs: POST of data, and the worker's part behind it."""

from __future__ import annotations

import json
import re
import shutil
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvat_sandbox import media, tasks
from cvat_sandbox.answers import Crash, WorkerError, in_words
from cvat_sandbox.fields import LARGEST_ID, Choice, Field, Flag, Invalid, Many, Object, Text, Whole

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.faults import Faults
    from cvat_sandbox.sources import Remote, Share
    from cvat_sandbox.state import Store
    from cvat_sandbox.workers import WorkerPool

DECODERS = 4
LONGEST_NAME = 1024


@dataclass
class Request:
    """What one POST asks for; kept, so that a server that was killed can go on."""

    task_id: int
    data_id: int
    client: list[tuple[str, str]] = field(default_factory=list)
    """(name, file in the raw folder)"""
    server: list[str] = field(default_factory=list)
    remote: list[str] = field(default_factory=list)
    stop_frame: int | None = None


@dataclass(frozen=True)
class Source:
    """A file that may become a frame: the name that the API will show, and where it lies."""

    name: str
    file: Path


class FrameFilter(Text):
    """The frame filter of a body."""

    def clean(self, value: Any) -> str:
        """The filter; Invalid without a step."""
        text = super().clean(value)
        if not re.search(r"step\s*=\s*([1-9]\d*)", text):
            raise Invalid("Invalid frame filter expression")
        return text


class ChunkSize(Whole):
    """A positive integer; none may be left out, and crashes where it is sent."""

    def run(self, value: Any, *, form: bool = False, partial: bool = False) -> Any:
        """The number, or MISSING."""
        number = super().run(value, form=form, partial=partial)
        if number is None:
            raise Crash("TypeError: '>' not supported between instances of 'NoneType' and 'int'")
        return number

    def clean(self, value: Any) -> int:
        """The number."""
        number = super().clean(value)
        if number <= 0:
            raise Invalid("Chunk size must be a positive integer")
        return number


def _whole() -> Whole:
    return Whole(least=0, most=LARGEST_ID, required=False)


FIELDS = Object({
    "chunk_size": ChunkSize(least=0, most=LARGEST_ID, null=True, required=False), "size": _whole(),
    "image_quality": Whole(least=0, most=100), "start_frame": _whole(), "stop_frame": _whole(),
    "frame_filter": FrameFilter(longest=256, blank=True, required=False),
    "compressed_chunk_type": Choice("video", "imageset", "list", required=False),
    "original_chunk_type": Choice("video", "imageset", "list", required=False),
    "client_files": Many(Field(), default=list), "server_files": Many(Field(), default=list),
    "remote_files": Many(Field(), default=list), "use_zip_chunks": Flag(default=False),
})  # fmt: skip


def check(body: Any, *, form: bool) -> dict[str, Any]:
    """The clean body of a POST of data; Invalid."""
    clean = FIELDS.run(body, form=form)
    if "start_frame" in clean and "stop_frame" in clean and clean["start_frame"] > clean["stop_frame"]:
        raise Invalid({"non_field_errors": ["Stop frame must be more or equal start frame"]})
    return clean


def answer(clean: dict[str, Any]) -> dict[str, Any]:
    """What the server answers to a POST of data, at once."""
    defaults = {"chunk_size": None, "size": 0, "start_frame": 0, "stop_frame": 0, "frame_filter": "",
                "compressed_chunk_type": "imageset", "original_chunk_type": "imageset"}  # fmt: skip
    return {**defaults, **clean, "use_zip_chunks": False}


class Creations:
    """The worker's jobs that make frames; their states are what GET …/status tells."""

    def __init__(
        self, store: Store, workers: WorkerPool, folder: Path, share: Share, remote: Remote, faults: Faults
    ) -> None:
        self._store, self._workers, self._folder = store, workers, folder
        self._share, self._remote, self._faults = share, remote, faults
        self._locks: dict[int, threading.Lock] = {}
        self._running: set[int] = set()

    def folder(self, data_id: int) -> Path:
        """Where the media of a data row lie."""
        return self._folder / "data" / str(data_id)

    def receive(self, task_id: int, clean: dict[str, Any], uploads: list[tuple[str, Path]]) -> None:
        """Take over the data of a task, whatever it has had before, and queue the job.

        Raises Crash for names given twice: the task then stays as it was.
        """
        data_id = self._store.insert(
            "data", chunk_size=clean.get("chunk_size"), size=clean.get("size", 0), image_quality=clean["image_quality"],
            start_frame=clean.get("start_frame", 0), stop_frame=clean.get("stop_frame", 0),
            frame_filter=clean.get("frame_filter", ""),
        )  # fmt: skip
        names = [name for name, _ in uploads]
        if len(set(names)) < len(names) or any(name in {".", ".."} for name in names):
            raise Crash("OSError: file already exists or its name is too long")
        if any(len(name) > LONGEST_NAME for name in clean["server_files"] + clean["remote_files"]):
            raise Crash("DataError: value too long for type character varying(1024)")
        request = Request(task_id, data_id, server=clean["server_files"], remote=clean["remote_files"])
        request.stop_frame = clean.get("stop_frame")
        request.client = self._keep(data_id, uploads)
        with self._store.transaction():
            self._store.run("UPDATE task SET data_id = ? WHERE id = ?", data_id, task_id)
            self._store.run(
                "INSERT OR REPLACE INTO creation VALUES (?, ?, 'Queued', '', ?)",
                task_id,
                data_id,
                json.dumps(asdict(request)),
            )
        self._workers.submit(lambda: self._run(request))

    def _keep(self, data_id: int, uploads: list[tuple[str, Path]]) -> list[tuple[str, str]]:
        raw = self.folder(data_id) / "raw"
        raw.mkdir(parents=True)
        kept = []
        for place, (name, file) in enumerate(uploads):
            file.replace(raw / f"{place:06d}")
            kept.append((name, f"{place:06d}"))
        return kept

    def resume(self) -> None:
        """Queue again what a server that was killed had not finished."""
        for row in self._store.all(
            "SELECT request FROM creation WHERE state IN ('Queued', 'Started') ORDER BY data_id"
        ):
            request = Request(**json.loads(row["request"]))
            self._workers.submit(lambda request=request: self._run(request))  # type: ignore[misc]

    def status(self, task_id: int) -> dict[str, Any]:
        """The state of a task's last job; without one, Finished."""
        row = self._store.one("SELECT state, message FROM creation WHERE task_id = ?", task_id)
        if row is None or row["state"] == "Finished":
            return {"state": "Finished", "message": ""}
        if row["state"] == "Failed" and (row["message"] is None or self._faults.worker("null_message", task_id)):
            raise Invalid({"message": ["This field may not be null."]})
        return {"state": row["state"], "message": row["message"].strip()}

    def busy(self, task_id: int) -> bool:
        """Whether a worker is at a task."""
        return task_id in self._running

    def _run(self, request: Request) -> None:
        lock = self._locks.setdefault(request.task_id, threading.Lock())
        with lock:
            self._running.add(request.task_id)
            try:
                self._set(request, "Started", "")
                self._create(request)
                self._set(request, "Finished", "")
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is the job's text
                self._set(request, "Failed", None)
                self._set(request, "Failed", in_words(error))
            finally:
                self._running.discard(request.task_id)

    def _set(self, request: Request, state: str, message: str | None) -> None:
        self._store.run(
            "UPDATE creation SET state = ?, message = ? WHERE task_id = ? AND data_id = ?",
            state, message, request.task_id, request.data_id,
        )  # fmt: skip

    def _say(self, request: Request, message: str) -> None:
        self._set(request, "Started", message)

    def _create(self, request: Request) -> None:
        data = self._store.one("SELECT * FROM data WHERE id = ?", request.data_id)
        if data is None:
            raise LookupError("Task matching query does not exist.")
        if data["size"]:
            raise NotImplementedError("Adding more data is not implemented")
        self._faults.worker("creation", request.task_id)
        sources = self._gather(request)
        self._say(request, "Media files are being extracted...")
        step, stop = media.frame_step(data["frame_filter"]), request.stop_frame
        last = len(sources) if stop is None else min(len(sources), stop + 1)
        if last <= data["start_frame"]:
            raise AssertionError
        chosen = [(number, sources[number]) for number in range(data["start_frame"], last, step)]
        width, height = self._size(request, sources[0])
        frames = self._frames(request, chosen)
        self._say(request, "Task is being saved in database")
        self._save(request, data, frames, chunk_size=max(2, min(72, 36 * 1920 * 1080 // (width * height))))

    # -- where the files come from

    def _gather(self, request: Request) -> list[Source]:
        """The images of a request in the order of their frames."""
        raw = self.folder(request.data_id) / "raw"
        if request.remote:
            fetched = self._remote.fetch(
                request.remote, raw, lambda url: self._say(request, f"{url} is being downloaded..")
            )
            uploaded = [Source(name, file) for name, file in fetched]
        else:
            uploaded = [Source(name, raw / file) for name, file in request.client]
        shared = self._share.choose(request.server)
        found: dict[str, list[Source]] = {kind: [] for kind in media.KINDS}
        for source in [*uploaded, *(Source(path, self._share.path(path)) for path in shared)]:
            kind = "directory" if source.file.is_dir() else media.kind_of(source.name)
            if kind:
                found[kind].append(source)
        self._validate(found)
        if shared:
            self._say(request, "Data are being copied from share..")
            self._share.check(shared)
        return sorted(self._extract(found, request.data_id), key=lambda source: source.name)

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

    def _extract(self, found: dict[str, list[Source]], data_id: int) -> list[Source]:
        if found["image"] and found["directory"]:
            raise WorkerError("Combined data types are not supported")
        if found["zip"]:
            archive = found["zip"][0].file
            try:
                members = media.unpack(archive, self.folder(data_id) / "raw")
            except zipfile.BadZipFile:
                raise zipfile.BadZipFile("File is not a zip file") from None
            if not members:
                raise WorkerError("No image found")
            return [Source(name, file) for name, file in members]
        for source in found["directory"]:
            found["image"] += [Source(name, file) for name, file in self._share.images(source.name)]
        if not found["image"]:
            raise WorkerError("No image found")
        return found["image"]

    # -- what becomes of them

    def _size(self, request: Request, source: Source) -> tuple[int, int]:
        return media.measure(source.file, media.shown_path(request.data_id, source.name))

    def _frames(self, request: Request, chosen: list[tuple[int, Source]]) -> list[tuple[Any, ...]]:
        """Decode the frames; rows for the frame table without their data id."""
        raw, rows = self.folder(request.data_id) / "raw", []
        with ThreadPoolExecutor(DECODERS) as pool:
            sizes = pool.map(lambda pair: self._size(request, pair[1]), chosen)
            for place, ((number, source), (width, height)) in enumerate(zip(chosen, sizes, strict=True), 1):
                file = source.file
                if file.parent != raw:
                    file = Path(shutil.copyfile(file, raw / f"share-{number:06d}"))
                rows.append((number, source.name, file.name, width, height))
                if place % 50 == 0 or place == len(chosen):
                    self._say(request, f"Images are being compressed {round(100 * place / len(chosen))}%")
        return rows

    def _save(self, request: Request, data: sqlite3.Row, frames: list[tuple[Any, ...]], *, chunk_size: int) -> None:
        step = media.frame_step(data["frame_filter"])
        stop_frame = data["stop_frame"] or data["start_frame"] + (len(frames) - 1) * step
        with self._store.transaction():
            self._store.run_many(
                "INSERT INTO frame VALUES (?, ?, ?, ?, ?, ?)", [(data["id"], *frame) for frame in frames]
            )
            self._store.run(
                "UPDATE data SET size = ?, chunk_size = ?, stop_frame = ? WHERE id = ?",
                len(frames), data["chunk_size"] or chunk_size, stop_frame, data["id"],
            )  # fmt: skip
            self._split(request.task_id, len(frames))

    def _split(self, task_id: int, size: int) -> None:
        """Add segments with one job each; those of an earlier upload stay."""
        task = self._store.one("SELECT segment_size, overlap FROM task WHERE id = ?", task_id)
        if task is None:
            raise LookupError("Task matching query does not exist.")
        length = task["segment_size"] or size
        overlap = min(task["overlap"] or 0, length // 2)
        stride = (task["segment_size"] or sys.maxsize) - overlap
        for start in range(0, size, stride):
            segment = self._store.insert(
                "segment", task_id=task_id, start_frame=start, stop_frame=min(start + length, size) - 1
            )
            self._store.insert("job", segment_id=segment, task_id=task_id, touched=self._store.next_id("touch"))
        self._store.run("UPDATE task SET mode = 'annotation', overlap = ? WHERE id = ?", overlap, task_id)
        tasks.follow_jobs(self._store, task_id)
