"""From S3 to a task: labelyard, a plain `requests` script, and a copy to disk with one request of `curl`.

    python benchmarks/upload.py                  # 500 JPEGs, about 94 MB
    python benchmarks/upload.py --large          # 2 GB in 500 JPEGs
    python benchmarks/upload.py --rounds 5 --json upload.json

An S3 emulator and the sandbox run as processes of their own. Each way is a process too, and they take turns, so that a
noisy machine disturbs them alike. Measured are the seconds until the server has answered the
upload, those of the POST alone, and the memory above that of the idle process. The server makes frames of each upload,
and the task is deleted, before the next turn begins.

labelyard also decodes every image and takes its SHA-256 before it sends any, which the others leave to luck;
`--trust` leaves that out.
"""

from __future__ import annotations

# ruff: noqa: PLC0415, SLF001, FBT001 - each way imports what it needs, and only that, in a process of its own
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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from measuring import memory, peak

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

FILES = 500
SMALL, LARGE = 94_000_000, 2_000_000_000
WAYS = ("labelyard", "requests", "curl")
BUCKET = "batch"
USER, PASSWORD = "root", "benchmark"
THREADS = 4
"""Objects fetched side by side, by every way alike."""


@dataclass(frozen=True)
class Place:
    """What a way needs to know: where S3 and CVAT are, the task to fill, and how many objects there are."""

    s3: str
    cvat: str
    task_id: int
    spool: str
    trust: bool


@dataclass(frozen=True)
class Figures:
    """Seconds from the first request to the answer of the upload, of the POST alone; memory in bytes above idle."""

    seconds: float
    post: float
    memory: int


# --- the three ways ---------------------------------------------------------------------------------------------------


def labelyard(context: Place) -> Figures:
    """The parts that upload_data is made of: store, spool, a look at each image, client."""
    from labelyard.cvat import connect
    from labelyard.domain.tasks import DataSpec, UploadFile
    from labelyard.storage import inspect_image

    store = _store(context.s3)
    cvat = connect(context.cvat, username=USER, password=PASSWORD)
    cvat.whoami()
    idle, began = memory(), time.perf_counter()
    with (
        store.spool(store.list(BUCKET), Path(context.spool), 8 * 1024**3) as spool,
        ThreadPoolExecutor(2) as lookers,
    ):
        spooled = []
        looks = []
        for one in spool:
            spooled.append(one)
            if not context.trust:
                looks.append(lookers.submit(inspect_image, one.path))
        for look in looks:
            look.result()
        files = [UploadFile(one.object.key, one.size, partial(one.path.open, "rb"), "image/jpeg") for one in spooled]
        posted = time.perf_counter()
        cvat.upload(context.task_id, files, DataSpec(70))
        done = time.perf_counter()
    return Figures(done - began, done - posted, peak() - idle)


def requests(context: Place) -> Figures:
    """What somebody writes who follows the API page: get everything, post everything."""
    import requests as plain

    s3 = _store(context.s3)._client
    token = _token(context.cvat)
    idle, began = memory(), time.perf_counter()
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
    answer = plain.post(
        f"{context.cvat}/api/v1/tasks/{context.task_id}/data",
        data={"image_quality": 70},
        files=files,
        headers={"Authorization": f"Token {token}"},
        timeout=600,
    )
    done = time.perf_counter()
    assert answer.status_code == 202, answer.text
    return Figures(done - began, done - posted, peak() - idle)


def curl(context: Place) -> Figures:
    """A copy from S3 to disk, then one raw multipart request of curl."""
    s3 = _store(context.s3)._client
    token = _token(context.cvat)
    idle, began = memory(), time.perf_counter()
    keys = [
        one["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET) for one in page["Contents"]
    ]
    folder = Path(context.spool)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda key: s3.download_file(BUCKET, key, str(folder / key)), keys))
    forms = [f'form = "client_files[{n}]=@{folder / key};type=image/jpeg"' for n, key in enumerate(keys)]
    config = folder / "curl.config"
    config.write_text("\n".join(['form = "image_quality=70"', *forms]))
    words = ["curl", "--silent", "--show-error", "--fail", "--config", str(config), "--output", os.devnull]
    words += ["--header", f"Authorization: Token {token}", "--header", "Expect:"]
    posted = time.perf_counter()
    subprocess.run([*words, f"{context.cvat}/api/v1/tasks/{context.task_id}/data"], check=True)
    done = time.perf_counter()
    return Figures(done - began, done - posted, peak() - idle)


def _store(url: str) -> Any:
    from pydantic import SecretStr

    from labelyard.settings import StoreSettings
    from labelyard.storage import Store

    secret = SecretStr("test")
    return Store(
        StoreSettings(
            endpoint_url=url,
            region="us-east-1",
            access_key_id="test",
            secret_access_key=secret,
            addressing_style="path",
        )
    )


def _token(url: str) -> str:
    import httpx

    answer = httpx.post(f"{url}/api/v1/auth/login", json={"username": USER, "password": PASSWORD})
    return str(answer.raise_for_status().json()["key"])


RUNS: dict[str, Callable[[Place], Figures]] = {"labelyard": labelyard, "requests": requests, "curl": curl}


# --- the turns --------------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure, or (as a process of its own) run one way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="2 GB instead of 94 MB")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each way")
    parser.add_argument("--trust", action="store_true", help="send without a look at the images")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--run", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--place", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(asdict(RUNS[given.run](Place(**json.loads(given.context))))))
        return
    figures = _measure(LARGE if given.large else SMALL, given.rounds, given.trust)
    _tell(figures)
    if given.json:
        given.json.write_text(
            json.dumps({way: [asdict(one) for one in told] for way, told in figures.items()}, indent=1)
        )


def _measure(total: int, rounds: int, trust: bool) -> dict[str, list[Figures]]:
    from tests.support.emulator import run_emulator

    figures: dict[str, list[Figures]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="labelyard-benchmark-") as folder, run_emulator() as s3:
        size = _fill(s3.store, total)
        print(f"{FILES} objects, {size / 1e6:.0f} MB, {rounds} rounds")
        with _sandbox(Path(folder)) as url:
            for turn in range(rounds):
                for way in WAYS[turn % 3 :] + WAYS[: turn % 3]:
                    figures[way].append(_turn(way, url, s3.url, Path(folder), trust))
                    print(
                        f"  {turn + 1} {way:<10} {figures[way][-1].seconds:7.2f} s, POST {figures[way][-1].post:6.2f} s"
                    )
    return figures


def _fill(store: Any, total: int) -> int:
    """Put FILES objects of together about `total` bytes into the bucket: real JPEGs, a few contents over and over."""
    store._client.create_bucket(Bucket=BUCKET)
    contents, size = [_jpeg(total // FILES) for _ in range(5)], 0
    for number in range(FILES):
        content = contents[number % len(contents)]
        store.write(BUCKET, f"{number:05d}.jpg", content)
        size += len(content)
    return size


def _jpeg(wanted: int) -> bytes:
    """A JPEG of noise of about so many bytes."""
    from PIL import Image

    side = 256
    while True:
        buffer = io.BytesIO()
        Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(buffer, "JPEG", quality=75)
        if abs(buffer.tell() - wanted) < wanted / 50:
            return buffer.getvalue()
        side = round(side * (wanted / buffer.tell()) ** 0.5)


@contextmanager
def _sandbox(folder: Path) -> Iterator[str]:
    """The sandbox as a process of its own."""
    from tests.support.emulator import free_port

    port = free_port()
    words = ["-m", "cvat_sandbox", "--port", str(port), "--user", f"{USER}:{PASSWORD}:superuser"]
    process = subprocess.Popen([sys.executable, *words, "--data", str(folder / "sandbox")], stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _turn(way: str, url: str, s3: str, folder: Path, trust: bool) -> Figures:
    """One way, once, in a process of its own, with a fresh task and a fresh folder."""
    from labelyard.cvat import connect
    from labelyard.domain.labels import Label
    from labelyard.domain.tasks import TaskSpec

    cvat = connect(url, username=USER, password=PASSWORD)
    task = cvat.create_task(TaskSpec(f"benchmark {way}", (Label("car"),)))
    spool = folder / "spool"
    spool.mkdir()
    context = json.dumps(asdict(Place(s3, url, task.id, str(spool), trust)))
    done = subprocess.run(
        [sys.executable, __file__, "--run", way, "--place", context], check=True, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 900
    while (made := cvat.task(task.id)).size != FILES:
        assert time.monotonic() < deadline, made
        time.sleep(0.2)
    cvat.delete_task(task.id)
    cvat.close()
    shutil.rmtree(spool)
    os.sync()
    return Figures(**json.loads(done.stdout))


def _tell(figures: dict[str, list[Figures]]) -> None:
    """Medians, and the best turns beside them: on a machine that others use too, those were disturbed least."""
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
