"""From S3 to a task: labelyard, a plain `requests` script, and a copy to disk with one `curl` request.

    python benchmarks/upload.py                  # 500 JPEGs, about 94 MB
    python benchmarks/upload.py --large          # 2 GB in 500 JPEGs
    python benchmarks/upload.py --cvat 1.0.0
    python benchmarks/upload.py --rounds 5 --json upload.json

An S3 emulator and the CVAT sandbox run as processes of their own. Each way is a process too. The ways take turns, so
that a noisy machine disturbs all of them. Measured are the seconds until the server has answered the upload, those of
the POST alone, and the memory above that of the idle process. Before the next turn starts, the server has made frames
of the upload, and the task is deleted.

Only labelyard decodes every image and computes its SHA-256 before it sends any; `--trust` leaves that out.
"""

from __future__ import annotations

# ruff: noqa: PLC0415, SLF001, FBT001 - each way imports only what it needs, in a process of its own
import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from process_memory import current_and_reset_peak, peak
from servers import Servers, run_servers, store_settings
from turns import turns

FILES = 500
SMALL, LARGE = 94_000_000, 2_000_000_000
BUCKET = "batch"
V1 = "1.0.0"
THREADS = 4
"""Objects fetched at the same time, by every way."""


@dataclass(frozen=True)
class Setup:
    """The input of a way: the servers, the task to fill, and an empty folder."""

    store_url: str
    cvat_url: str
    cvat_version: str
    username: str
    password: str
    task_id: int
    spool: str
    trust: bool

    @property
    def api(self) -> str:
        """Where the server's API is."""
        return f"{self.cvat_url}/api/v1" if self.cvat_version == V1 else f"{self.cvat_url}/api"


@dataclass(frozen=True)
class Figures:
    """Seconds from the first request to the answer of the upload, of the POST alone; memory in bytes above idle."""

    seconds: float
    post: float
    memory: int


# --- the three ways ---------------------------------------------------------------------------------------------------


def labelyard(setup: Setup) -> Figures:
    """The parts of upload_data: store, spool, inspection of each image, CVAT client."""
    from labelyard.cvat import connect
    from labelyard.domain.tasks import DataSpec, UploadFile
    from labelyard.images import SERVERS, inspect_image

    store, dialect = _store(setup.store_url), "v1" if setup.cvat_version == V1 else "v2"
    cvat = connect(setup.cvat_url, username=setup.username, password=setup.password)
    cvat.whoami()
    idle, began = current_and_reset_peak(), time.perf_counter()
    with (
        store.spool(store.list(BUCKET), Path(setup.spool), 8 * 1024**3) as spool,
        ThreadPoolExecutor(2) as inspectors,
    ):
        spooled = []
        inspections = []
        for one in spool:
            spooled.append(one)
            if not setup.trust:
                inspections.append(inspectors.submit(inspect_image, one.path, SERVERS[dialect]))
        for inspection in inspections:
            inspection.result()
        files = [UploadFile(one.object.key, one.size, partial(one.path.open, "rb"), "image/jpeg") for one in spooled]
        posted = time.perf_counter()
        cvat.upload(setup.task_id, files, DataSpec(70))
        done = time.perf_counter()
    return Figures(done - began, done - posted, peak() - idle)


def requests(setup: Setup) -> Figures:
    """The script that follows the API page: get everything, post everything."""
    import requests as plain

    s3 = _store(setup.store_url)._client
    token = _token(setup)
    idle, began = current_and_reset_peak(), time.perf_counter()
    keys = [
        one["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET) for one in page["Contents"]
    ]
    with ThreadPoolExecutor(THREADS) as pool:
        bodies = list(pool.map(lambda key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read(), keys))
    files = [
        (f"client_files[{n}]", (key, body, "image/jpeg"))
        for n, (key, body) in enumerate(zip(keys, bodies, strict=True))
    ]
    posted = time.perf_counter()
    response = plain.post(
        f"{setup.api}/tasks/{setup.task_id}/data",
        data={"image_quality": 70},
        files=files,
        headers={"Authorization": f"Token {token}"},
        timeout=600,
    )
    done = time.perf_counter()
    assert response.status_code == 202, response.text
    return Figures(done - began, done - posted, peak() - idle)


def curl(setup: Setup) -> Figures:
    """A copy from S3 to disk, then one multipart request of curl."""
    s3 = _store(setup.store_url)._client
    token = _token(setup)
    idle, began = current_and_reset_peak(), time.perf_counter()
    keys = [
        one["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET) for one in page["Contents"]
    ]
    folder = Path(setup.spool)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda key: s3.download_file(BUCKET, key, str(folder / key)), keys))
    forms = [f'form = "client_files[{n}]=@{folder / key};type=image/jpeg"' for n, key in enumerate(keys)]
    config = folder / "curl.config"
    config.write_text("\n".join(['form = "image_quality=70"', *forms]))
    command = ["curl", "--silent", "--show-error", "--fail", "--config", str(config), "--output", os.devnull]
    command += ["--header", f"Authorization: Token {token}", "--header", "Expect:"]
    posted = time.perf_counter()
    subprocess.run([*command, f"{setup.api}/tasks/{setup.task_id}/data"], check=True)
    done = time.perf_counter()
    return Figures(done - began, done - posted, peak() - idle)


def _store(url: str) -> Any:
    from labelyard.storage.store import Store

    return Store(store_settings(url))


def _token(setup: Setup) -> str:
    import httpx

    account = {"username": setup.username, "password": setup.password}
    response = httpx.post(f"{setup.api}/auth/login", json=account)
    return str(response.raise_for_status().json()["key"])


WAYS: dict[str, Callable[[Setup], Figures]] = {"labelyard": labelyard, "requests": requests, "curl": curl}


# --- the turns --------------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure, or run one way in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="2 GB instead of 94 MB")
    parser.add_argument("--cvat", choices=(V1, "2.73"), default="2.73", help="the version of CVAT (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each way")
    parser.add_argument("--trust", action="store_true", help="send without inspecting the images")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--run", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--setup", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(asdict(WAYS[given.run](Setup(**json.loads(given.setup))))))
        return
    figures = _measure(LARGE if given.large else SMALL, given.rounds, given.trust, given.cvat)
    _print(figures)
    if given.json:
        given.json.write_text(
            json.dumps({way: [asdict(one) for one in turns] for way, turns in figures.items()}, indent=1)
        )


def _measure(total: int, rounds: int, trust: bool, version: str) -> dict[str, list[Figures]]:
    figures: dict[str, list[Figures]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="labelyard-benchmark-") as name:
        folder = Path(name)
        with run_servers(folder / "servers", sandbox=True, cvat_version=version) as servers:
            size = _fill(servers.store, total)
            print(f"{FILES} objects, {size / 1e6:.0f} MB, {rounds} rounds, CVAT {version}")
            for turn, way in turns(list(WAYS), rounds):
                one = _turn(way, servers, version, folder / "spool", trust)
                figures[way].append(one)
                print(f"  {turn + 1} {way:<10} {one.seconds:7.2f} s, POST {one.post:6.2f} s")
    return figures


def _fill(store: Any, total: int) -> int:
    """Put FILES objects of about `total` bytes altogether: JPEGs, five contents again and again."""
    store._client.create_bucket(Bucket=BUCKET)
    contents, size = [_jpeg(total // FILES) for _ in range(5)], 0
    for number in range(FILES):
        content = contents[number % len(contents)]
        store.write(BUCKET, f"{number:05d}.jpg", content)
        size += len(content)
    return size


def _jpeg(wanted: int) -> bytes:
    """Return a JPEG of noise of about so many bytes."""
    from PIL import Image

    side = 256
    while True:
        buffer = io.BytesIO()
        Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(buffer, "JPEG", quality=75)
        if abs(buffer.tell() - wanted) < wanted / 50:
            return buffer.getvalue()
        side = round(side * (wanted / buffer.tell()) ** 0.5)


def _turn(way: str, servers: Servers, version: str, spool: Path, trust: bool) -> Figures:
    """Run one way once, in a process of its own, with a fresh task and an empty folder."""
    from labelyard.cvat import connect
    from labelyard.domain.labels import Label
    from labelyard.domain.tasks import TaskSpec

    cvat = connect(servers.cvat_url, username=servers.username, password=servers.password)
    task = cvat.create_task(TaskSpec(f"benchmark {way}", (Label("car"),)))
    spool.mkdir()
    urls, account = (servers.store_url, servers.cvat_url), (servers.username, servers.password)
    setup = json.dumps(asdict(Setup(*urls, version, *account, task.id, str(spool), trust)))
    command = [sys.executable, __file__, "--run", way, "--setup", setup]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 900
    while (uploaded := cvat.task(task.id)).size != FILES:
        assert time.monotonic() < deadline, uploaded
        time.sleep(0.2)
    cvat.delete_task(task.id)
    cvat.close()
    shutil.rmtree(spool)
    os.sync()
    return Figures(**json.loads(done.stdout))


def _print(figures: dict[str, list[Figures]]) -> None:
    """Print medians and the best turns: on a busy machine the best turns were disturbed least."""
    for name, choose in (("median", statistics.median), ("best", min)):
        print(f"{name:<10} {'seconds':>8} {'of curl':>8} {'POST':>8} {'of curl':>8} {'MB above idle':>14}")
        curls = [choose([getattr(one, what) for one in figures["curl"]]) for what in ("seconds", "post")]
        for way in WAYS:
            seconds, post = (choose([getattr(one, what) for one in figures[way]]) for what in ("seconds", "post"))
            memory = max(one.memory for one in figures[way]) / 1e6
            print(
                f"{way:<10} {seconds:8.2f} {seconds / curls[0]:8.2f} {post:8.2f} {post / curls[1]:8.2f} {memory:14.1f}"
            )


if __name__ == "__main__":
    main()
