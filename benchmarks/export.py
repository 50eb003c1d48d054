"""From a completed task to its dataset in the bucket: labelyard, and the server's own export alone.

    python benchmarks/export.py                          # 100 frames with 3 boxes each, CVAT 1.0.0 and 2.73
    python benchmarks/export.py --boxes 100 --rounds 3   # 10,000 shapes
    python benchmarks/export.py --json export.json

An S3 emulator and the CVAT sandbox run as processes of their own. Each way is a process too, and the ways take turns:

    labelyard   what the flows do, without Prefect: collect_finished notices the completed jobs, export_annotations
                reads the annotations, compares them with CVAT's lossless export, and writes COCO into the bucket
    server      the server's COCO export alone: start it, poll every 20 ms, download

Before each turn the task is changed, so that the server has no file in its cache. Measured are the seconds, those in
which labelyard waits for the server's export, the server's exports, the requests and writes to CVAT, and the memory
above that of the idle process.
"""

from __future__ import annotations

# ruff: noqa: PLC0415 - each way imports only what it needs, in a process of its own
import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from process_memory import current_and_reset_peak, peak
from servers import Servers, run_servers, store_settings
from turns import BUCKET, SPEC, turns

if TYPE_CHECKING:
    from labelyard.context import Context
    from labelyard.cvat import Cvat

VERSIONS = ("1.0.0", "2.73")
FRAMES = 100


@dataclass(frozen=True)
class Setup:
    """The input of a way: the servers, the ledger, and the batch with its task."""

    store_url: str
    cvat_url: str
    username: str
    password: str
    folder: str
    batch: str
    task_id: int


@dataclass(frozen=True)
class Figures:
    """Seconds in all and in the server's export, counts of what was asked of CVAT, and bytes above the idle process."""

    seconds: float
    in_export: float
    exports: int
    requests: int
    writes: int
    memory: int


# --- the ways ---------------------------------------------------------------------------------------------------------


def labelyard(setup: Setup) -> Figures:
    """What the flows collect_finished and export_task do."""
    from labelyard.cvat.client import Cvat
    from labelyard.cvat.transport import HttpTransport
    from labelyard.domain.states import BatchState
    from labelyard.pipeline.acquire_batch import acquire_batch
    from labelyard.pipeline.collect_finished import collect
    from labelyard.pipeline.export_annotations import export_annotations

    sent: list[Any] = []
    _watch(HttpTransport, "send", lambda _, request: sent.append(request))
    waits: list[float] = []
    _watch(Cvat, "export", lambda seconds, _: waits.append(seconds))
    context = _context(setup)
    context.cvat("default").whoami()
    sent.clear()
    idle, began = current_and_reset_peak(), time.perf_counter()
    collect(context)
    with acquire_batch(context, setup.batch, (BatchState.COMPLETED,)) as lease:
        exported = export_annotations(lease)
    seconds = time.perf_counter() - began
    writes = sum(one.method != "GET" and not one.path.endswith("/export") for one in sent)
    return Figures(seconds, sum(waits), exported.exports, len(sent), writes, peak() - idle)


def server(setup: Setup) -> Figures:
    """The server's own export, as a script would fetch it."""
    import httpx

    with httpx.Client(base_url=setup.cvat_url, timeout=60) as http:
        root = "/api/v1" if http.get("/api/v1/server/about").status_code != 404 else "/api"
        account = {"username": setup.username, "password": setup.password}
        key = http.post(f"{root}/auth/login", json=account).raise_for_status().json()["key"]
        http.cookies.clear()
        http.headers["Authorization"] = f"Token {key}"
        idle, began = current_and_reset_peak(), time.perf_counter()
        fetch = _export_of_v1 if root == "/api/v1" else _export_of_v2
        count = fetch(http, setup.task_id, Path(setup.folder) / "server.zip")
        seconds = time.perf_counter() - began
    return Figures(seconds, seconds, 1, count, 0, peak() - idle)


def _export_of_v1(http: Any, task: int, to: Path) -> int:
    """Return the number of requests."""
    count, query = 1, {"format": "COCO 1.0", "action": "download"}
    while (answer := http.get(f"/api/v1/tasks/{task}/annotations", params=query)).status_code != 200:
        answer.raise_for_status()
        count += 1
        time.sleep(0.02)
    to.write_bytes(answer.content)
    return count


def _export_of_v2(http: Any, task: int, to: Path) -> int:
    """Return the number of requests."""
    query = {"format": "COCO 1.0", "save_images": "false", "location": "local"}
    started = http.post(f"/api/tasks/{task}/dataset/export", params=query).raise_for_status().json()
    count = 2
    while (state := http.get(f"/api/requests/{started['rq_id']}").raise_for_status().json())["status"] != "finished":
        assert state["status"] != "failed", state
        count += 1
        time.sleep(0.02)
    to.write_bytes(http.get(state["result_url"]).raise_for_status().content)
    return count + 1


WAYS: dict[str, Callable[[Setup], Figures]] = {"labelyard": labelyard, "server": server}


def _watch(owner: type, name: str, note: Callable[[float, Any], object]) -> None:
    """Call `note` after each call of a method, with its seconds and its first argument."""
    method = getattr(owner, name)

    def watched(self: Any, first: Any, *rest: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return method(self, first, *rest, **options)
        finally:
            note(time.perf_counter() - began, first)

    setattr(owner, name, watched)


def _context(setup: Setup) -> Context:
    from pydantic import SecretStr

    from labelyard.context import Context
    from labelyard.cvat_settings import CvatSettings
    from labelyard.ledger import Ledger
    from labelyard.settings import Settings
    from labelyard.storage.store import Store

    folder = Path(setup.folder)
    cvat = CvatSettings(url=setup.cvat_url, username=setup.username, password=SecretStr(setup.password))
    settings = Settings(
        ledger=f"sqlite:///{folder}/ledger.db", store=store_settings(setup.store_url), spool=folder / "spool",
        poll_seconds=0.05, cvat={"default": cvat},
    )  # fmt: skip
    return Context(settings, Ledger(settings.ledger), Store(settings.store))


# --- the turns --------------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure, or run one way in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=int, default=3, help=f"boxes on each of the {FRAMES} frames")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each way")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--run", choices=tuple(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--setup", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(asdict(WAYS[given.run](Setup(**json.loads(given.setup))))))
        return
    figures = {version: _measure(version, given.boxes, given.rounds) for version in VERSIONS}
    print(f"{FRAMES} frames, {FRAMES * given.boxes} boxes, load {os.getloadavg()[0]:.1f}")
    _print(figures)
    if given.json:
        raw = {version: {way: [asdict(one) for one in of_way] for way, of_way in ways.items()}
               for version, ways in figures.items()}  # fmt: skip
        given.json.write_text(json.dumps(raw, indent=1))


def _measure(version: str, boxes: int, rounds: int) -> dict[str, list[Figures]]:
    figures: dict[str, list[Figures]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="labelyard-benchmark-") as name:
        folder = Path(name)
        with run_servers(folder / "servers", sandbox=True, cvat_version=version) as servers:
            setup = _completed_task(servers, folder, boxes)
            for _, way in turns(list(WAYS), rounds):
                _change(setup)
                command = [sys.executable, __file__, "--run", way, "--setup", json.dumps(asdict(setup))]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                figures[way].append(Figures(**json.loads(done.stdout)))
    return figures


def _completed_task(servers: Servers, folder: Path, boxes: int) -> Setup:
    """Ingest a batch of images, draw boxes on each, and complete the jobs."""
    from labelyard.ledger import upgrade

    setup = Setup(servers.store_url, servers.cvat_url, servers.username, servers.password, str(folder), "", 0)
    upgrade(f"sqlite:///{folder}/ledger.db")
    context = _context(setup)
    batch = _ingested_batch(servers, context)
    task_id = _draw_boxes(context.cvat("default"), boxes)
    return replace(setup, batch=batch, task_id=task_id)


def _ingested_batch(servers: Servers, context: Context) -> str:
    """Upload the images to the bucket and put them to a task; return the batch's id."""
    from labelyard.config import DatasetSpec
    from labelyard.ledger import datasets
    from labelyard.pipeline.acquire_batch import acquire_batch
    from labelyard.pipeline.assign_jobs import assign_jobs
    from labelyard.pipeline.close_batches import close_now
    from labelyard.pipeline.create_task import create_task
    from labelyard.pipeline.register_objects import sweep_sources
    from labelyard.pipeline.upload_data import upload_data
    from labelyard.pipeline.wait_for_status import wait_for_status

    servers.client("s3").create_bucket(Bucket=BUCKET)
    for number in range(FRAMES):
        servers.store.write(BUCKET, f"in/{number:03d}.jpg", _jpeg(number))
    spec = {**SPEC, "annotators": [servers.username], "batch": {"max_objects": FRAMES + 1}}
    with context.ledger.transaction() as tx:
        datasets.apply(tx, DatasetSpec.model_validate(spec))
    sweep_sources(context)
    batch = close_now(context, "street")[0].id
    with acquire_batch(context, batch) as lease:
        for step in (create_task, upload_data, wait_for_status, assign_jobs):
            step(lease)
    return batch


def _draw_boxes(cvat: Cvat, boxes: int) -> int:
    """Draw boxes on each frame of the only task and complete its job; return the task's id."""
    from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
    from labelyard.domain.tasks import JobStatus

    [task] = cvat.tasks()
    [job], label = task.jobs, task.labels[0].id
    corners = [(n % 10 * 20.0, n // 10 * 20.0) for n in range(boxes)]
    shapes = tuple(
        Shape(ShapeType.RECTANGLE, frame, label, (x, y, x + 15.5, y + 12.25))
        for frame in range(FRAMES)
        for x, y in corners
    )
    cvat.change_annotations(job.id, Change.CREATE, Annotations(shapes=shapes))
    cvat.set_job_status(job.id, JobStatus.COMPLETED)
    return task.id


def _change(setup: Setup) -> None:
    """Change the task as a person does, so that CVAT's cached files are outdated; the batch is not exported yet."""
    from labelyard.domain.annotations import Annotations, Change, Tag
    from labelyard.domain.states import BatchState
    from labelyard.ledger import batches

    context = _context(setup)
    task = context.cvat("default").task(setup.task_id)
    tag = Annotations(tags=(Tag(0, task.labels[0].id),))
    created = context.cvat("default").change_annotations(task.jobs[0].id, Change.CREATE, tag)
    context.cvat("default").change_annotations(task.jobs[0].id, Change.DELETE, created)
    with context.ledger.transaction() as tx:
        batches.get(tx, setup.batch, lock=True).state = BatchState.ASSIGNED
    context.ledger.close()


def _jpeg(number: int) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (320, 240), (number, 255 - number, 60)).save(out, "JPEG")
    return out.getvalue()


def _print(figures: Mapping[str, Mapping[str, list[Figures]]]) -> None:
    """Print the medians of the turns."""
    heads = ("CVAT", "way", "seconds", "of server", "in export", "exports", "requests", "writes", "MB above idle")
    print("  ".join(f"{head:>9}" for head in heads))
    for version, ways in figures.items():
        alone = statistics.median(one.seconds for one in ways["server"])
        for way, found in ways.items():
            seconds, in_export = (
                statistics.median(getattr(one, what) for one in found) for what in ("seconds", "in_export")
            )
            counts = (max(getattr(one, what) for one in found) for what in ("exports", "requests", "writes"))
            memory = max(one.memory for one in found) / 1e6
            values = (
                version,
                way,
                f"{seconds:.2f}",
                f"{seconds / alone:.2f}",
                f"{in_export:.2f}",
                *counts,
                f"{memory:.1f}",
            )
            print("  ".join(f"{value:>9}" for value in values))


if __name__ == "__main__":
    main()
