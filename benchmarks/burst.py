"""A burst of files becomes tasks of 100: how many objects a second, from the first put to the last task.

Everything is real, as `labelyard up` starts it. At the end bucket, ledger and CVAT are compared: nothing may be lost or
doubled. The peer is what one writes without labelyard: a script that goes through the bucket and follows the API page,
one group of 100 files after the other, on the same emulator and the same CVAT. It has every advantage: the files lie
there when its clock starts, it keeps no ledger, proves nothing, and tells nobody.

    python benchmarks/burst.py [--objects 10000] [--json FILE]
"""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click
import requests
import urllib3
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from running import BUCKET, Running, labelyard_up
from sqlalchemy import func, select

from labelyard.demo import environment, verify
from labelyard.domain.states import BatchState
from labelyard.ledger import tables

GROUP = 100
_PUTS_AT_ONCE = 8
_STALLED_SECONDS = 120.0
_PEER_MOST = 1000
"""Its rate does not depend on how many files there are."""


@click.command()
@click.option("--objects", default=10_000, show_default=True, help="Files in the burst.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(*, objects: int, to: Path | None) -> None:
    """Measure, and show a table; exit status 1 where something was lost or doubled."""
    console, to, bodies = Console(), to and to.absolute(), pictures()
    batch = {"max_objects": GROUP, "quiet": "2s"}
    with Progress(console=console, transient=True) as progress, labelyard_up(batch) as running:
        _warm(running, bodies)
        keys = [f"in/{number // 1000:03d}/{number:06d}.jpg" for number in range(objects)]
        ours = _burst(running, keys, bodies, progress)
        wrong = list(differences(running, keys))
        peer_keys = keys[:_PEER_MOST]
        bar = progress.add_task("script", total=len(peer_keys))
        began = time.monotonic()
        for done in script(running, peer_keys):
            progress.advance(bar, done)
        peer = len(peer_keys) / (time.monotonic() - began)
    told = {"objects": objects, "group": GROUP, **ours, "script_objects_per_second": round(peer, 1),
            "of_script": round(ours["objects_per_second"] / peer, 2), "differences": wrong,
            "load": round(os.getloadavg()[0], 1)}  # fmt: skip
    show(console, told)
    if to is not None:
        to.write_text(json.dumps(told, indent=1) + "\n")
    raise SystemExit(1 if wrong else 0)


def pictures() -> list[bytes]:
    """A few hundred small JPEGs, all different."""
    rng, made = random.Random(1), []
    for _ in range(200):
        file = io.BytesIO()
        small = Image.frombytes("RGB", (8, 6), rng.randbytes(8 * 6 * 3))
        small.resize((160, 120), Image.Resampling.BILINEAR).save(file, "JPEG")
        made.append(file.getvalue())
    return made


def _warm(running: Running, bodies: Sequence[bytes]) -> None:
    """A first batch: a labelyard runs for weeks, its statements are compiled and its flows loaded."""
    running.s3.put_object(Bucket=BUCKET, Key="in/warm.jpg", Body=bodies[0])
    end = time.monotonic() + _STALLED_SECONDS
    running.yard.watch(lambda: _assigned(running) == 1 or time.monotonic() > end)


def _burst(running: Running, keys: Sequence[str], bodies: Sequence[bytes], progress: Progress) -> dict[str, Any]:
    """Put everything as fast as the store takes it, and watch until every job lies with a person."""
    bars = [progress.add_task(name, total=len(keys)) for name in ("put", "landed", "in tasks")]

    # Not by boto3: those who put do so elsewhere, and what that costs them is not to be taken from this machine.
    store = urllib3.PoolManager(maxsize=_PUTS_AT_ONCE)

    def put(number: int) -> None:
        address = f"{running.made.store_url}/{BUCKET}/{keys[number]}"
        answer = store.request("PUT", address, body=bodies[number % len(bodies)])
        if answer.status != HTTPStatus.OK:
            raise click.ClickException(f"{address}: {answer.status} {answer.data[:200]!r}")

    began = moved = time.monotonic()
    seen: tuple[int, ...] = ()
    put_seconds = landed_seconds = 0.0
    with ThreadPoolExecutor(_PUTS_AT_ONCE) as pool:
        puts = [pool.submit(put, number) for number in range(len(keys))]
        while True:
            running.yard.look()
            counts = (sum(one.done() for one in puts), _landed(running) - 1, _assigned(running) - 1)
            for bar, count in zip(bars, counts, strict=True):
                progress.update(bar, completed=count)
            now = time.monotonic()
            if counts != seen:
                seen, moved = counts, now
            put_seconds = put_seconds or (now - began if counts[0] == len(keys) else 0.0)
            landed_seconds = landed_seconds or (now - began if counts[1] >= len(keys) else 0.0)
            if counts[2] >= len(keys) or now - moved > _STALLED_SECONDS:
                break
            time.sleep(0.25)
    seconds = time.monotonic() - began
    for one in puts:
        one.result()
    return {"seconds": round(seconds, 1), "objects_per_second": round(seen[2] / seconds, 1),
            "put_seconds": round(put_seconds, 1), "landed_seconds": round(landed_seconds, 1)}  # fmt: skip


def _landed(running: Running) -> int:
    with running.ledger.read_only() as tx:
        return tx.scalar(select(func.count()).select_from(tables.Object)) or 0


def _assigned(running: Running) -> int:
    with running.ledger.read_only() as tx:
        done = select(func.sum(tables.Batch.objects)).where(tables.Batch.state == BatchState.ASSIGNED)
        return int(tx.scalar(done) or 0)


def differences(running: Running, keys: Sequence[str]) -> Iterator[str]:
    """What is not as it has to be: every file is once in the ledger, and a frame of exactly one task of CVAT."""
    wanted = Counter([*(key.rsplit("/", 1)[-1] for key in keys), "warm.jpg"])
    with running.ledger.read_only() as tx:
        rows = Counter(key.rsplit("/", 1)[-1] for key in tx.scalars(select(tables.Object.key)))
    tasks = verify.look_at_server(running.made.cvat_url, environment.ACCOUNT, running.made.password)
    frames = Counter(name for task in tasks for name, _, _ in task.frames)
    for where, found in (("the ledger", rows), ("CVAT's tasks", frames)):
        if lost := wanted - found:
            yield f"{lost.total()} files are not in {where}, such as {min(lost)}"
        if exponential_backoff := found - wanted:
            yield f"{exponential_backoff.total()} files too many are in {where}, such as {min(exponential_backoff)}"
    for task in tasks:
        if any(job.assignee is None for job in task.jobs):
            yield f"task {task.id} has a job without a person"


def script(running: Running, keys: Sequence[str]) -> Iterator[int]:
    """The peer: tasks of 100 by the API page, one after the other; the number of files in each, once it is done."""
    at, http = running.made, requests.Session()
    api = f"{at.cvat_url}/api/v1"
    login = http.post(f"{api}/auth/login", json={"username": environment.ACCOUNT, "password": at.password}, timeout=60)
    http.headers["Authorization"] = f"Token {_ok(login)['key']}"
    people = itertools.cycle(user["id"] for user in _ok(http.get(f"{api}/users", timeout=60))["results"])
    for first in range(0, len(keys), GROUP):
        some = keys[first : first + GROUP]
        spec = json.dumps({"name": f"script {first}", "labels": [{"name": "car"}]})
        made = _ok(http.post(f"{api}/tasks", spec, headers={"Content-Type": "application/json"}, timeout=60))["id"]
        bodies = [running.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in some]
        files = [
            (f"client_files[{n}]", (key.rsplit("/", 1)[-1], body, "image/jpeg"))
            for n, (key, body) in enumerate(zip(some, bodies, strict=True))
        ]
        _ok(http.post(f"{api}/tasks/{made}/data", data={"image_quality": 70}, files=files, timeout=600))
        while not (task := _ok(http.get(f"{api}/tasks/{made}", timeout=60)))["size"]:
            time.sleep(0.5)
        for job in (job for segment in task["segments"] for job in segment["jobs"]):
            _ok(http.patch(f"{api}/jobs/{job['id']}", json={"assignee": next(people)}, timeout=60))
        yield len(some)


def _ok(answer: requests.Response) -> Any:
    answer.raise_for_status()
    return answer.json() if answer.content else None


def show(console: Console, told: Mapping[str, Any]) -> None:
    """The figures, and what differs."""
    table = Table("", "objects a second", "of the script")
    table.add_row("labelyard, from the first put", f"{told['objects_per_second']:.0f}", f"{told['of_script']:.2f}")
    table.add_row("a script, one group after the other", f"{told['script_objects_per_second']:.0f}", "1.00")
    console.print(table)
    console.print(
        f"{told['objects']:,} objects in tasks of {told['group']}: all put after {told['put_seconds']:.0f} s, in the"
        f" ledger after {told['landed_seconds']:.0f} s, in tasks with people after {told['seconds']:.0f} s;"
        f" load {told['load']}"
    )
    for line in told["differences"] or ["nothing lost, nothing doubled"]:
        console.print(line, style="red" if told["differences"] else "green", markup=False)


if __name__ == "__main__":
    main()
