"""A burst of files becomes tasks of 100: how many objects a second, from the first put to the last task.

Everything is real, as `labelyard up` starts it. At the end bucket, ledger and CVAT are compared: nothing may be lost or
duplicated. The peer is the script that one would write without labelyard: it lists the bucket and follows the API page,
one group of 100 files after the other, on the same emulator and the same CVAT. It has every advantage: all files are in
the bucket when its clock starts, and it keeps no ledger, checks nothing and sends no events.

    python benchmarks/burst.py [--objects 10000] [--cvat 2.73] [--json FILE]
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
from full_stack import BUCKET, BenchmarkStack, labelyard_up
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy import func, select

from labelyard.demo import environment, verify
from labelyard.domain.states import BatchState
from labelyard.ledger import tables

GROUP = 100
_PUTS_AT_ONCE = 8
_STALLED_SECONDS = 120.0
_PEER_OBJECTS = 1000
"""The peer's rate does not depend on the number of files."""


@click.command()
@click.option("--objects", default=10_000, show_default=True, help="Files in the burst.")
@click.option(
    "--cvat", type=click.Choice(list(environment.ROLES)), default="2.73", show_default=True, help="The version of CVAT."
)
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(*, objects: int, cvat: str, to: Path | None) -> None:
    """Measure, and print a table. The exit status is 1 if something was lost or duplicated."""
    console, to, bodies = Console(), to and to.absolute(), pictures()
    batch = {"max_objects": GROUP, "quiet": "2s"}
    with Progress(console=console, transient=True) as progress, labelyard_up(batch, cvat) as stack:
        _warm(stack, bodies)
        keys = [f"in/{number // 1000:03d}/{number:06d}.jpg" for number in range(objects)]
        ours = _burst(stack, keys, bodies, progress)
        wrong = list(differences(stack, keys))
        peer_keys = keys[:_PEER_OBJECTS]
        bar = progress.add_task("script", total=len(peer_keys))
        began = time.monotonic()
        for done in script(stack, peer_keys):
            progress.advance(bar, done)
        peer = len(peer_keys) / (time.monotonic() - began)
    result = {"objects": objects, "group": GROUP, "cvat": cvat, **ours, "script_objects_per_second": round(peer, 1),
            "of_script": round(ours["objects_per_second"] / peer, 2), "differences": wrong,
            "load": round(os.getloadavg()[0], 1)}  # fmt: skip
    show(console, result)
    if to is not None:
        to.write_text(json.dumps(result, indent=1) + "\n")
    raise SystemExit(1 if wrong else 0)


def pictures() -> list[bytes]:
    """Return 200 small JPEGs, all different."""
    rng, made = random.Random(1), []
    for _ in range(200):
        file = io.BytesIO()
        small = Image.frombytes("RGB", (8, 6), rng.randbytes(8 * 6 * 3))
        small.resize((160, 120), Image.Resampling.BILINEAR).save(file, "JPEG")
        made.append(file.getvalue())
    return made


def _warm(stack: BenchmarkStack, bodies: Sequence[bytes]) -> None:
    """Process a first batch: labelyard runs for weeks, with SQL statements compiled and flows loaded."""
    stack.s3.put_object(Bucket=BUCKET, Key="in/warm.jpg", Body=bodies[0])
    end = time.monotonic() + _STALLED_SECONDS
    stack.supervisor.watch(lambda: _assigned(stack) == 1 or time.monotonic() > end)


def _burst(stack: BenchmarkStack, keys: Sequence[str], bodies: Sequence[bytes], progress: Progress) -> dict[str, Any]:
    """Put everything as fast as the store accepts it, and wait until every job has an assignee."""
    bars = [progress.add_task(name, total=len(keys)) for name in ("put", "registered", "in tasks")]

    # Without boto3, which costs CPU that uploaders would spend on another machine.
    store = urllib3.PoolManager(maxsize=_PUTS_AT_ONCE)

    def put(number: int) -> None:
        address = f"{stack.environment.store_url}/{BUCKET}/{keys[number]}"
        response = store.request("PUT", address, body=bodies[number % len(bodies)])
        if response.status != HTTPStatus.OK:
            raise click.ClickException(f"{address}: {response.status} {response.data[:200]!r}")

    began = moved = time.monotonic()
    last: tuple[int, ...] = ()
    put_seconds = registered_seconds = 0.0
    with ThreadPoolExecutor(_PUTS_AT_ONCE) as pool:
        puts = [pool.submit(put, number) for number in range(len(keys))]
        while True:
            stack.supervisor.check()
            counts = (sum(one.done() for one in puts), _registered(stack) - 1, _assigned(stack) - 1)
            for bar, count in zip(bars, counts, strict=True):
                progress.update(bar, completed=count)
            now = time.monotonic()
            if counts != last:
                last, moved = counts, now
            put_seconds = put_seconds or (now - began if counts[0] == len(keys) else 0.0)
            registered_seconds = registered_seconds or (now - began if counts[1] >= len(keys) else 0.0)
            if counts[2] >= len(keys) or now - moved > _STALLED_SECONDS:
                break
            time.sleep(0.25)
    seconds = time.monotonic() - began
    for one in puts:
        one.result()
    return {"seconds": round(seconds, 1), "objects_per_second": round(last[2] / seconds, 1),
            "put_seconds": round(put_seconds, 1), "registered_seconds": round(registered_seconds, 1)}  # fmt: skip


def _registered(stack: BenchmarkStack) -> int:
    with stack.ledger.read_only() as tx:
        return tx.scalar(select(func.count()).select_from(tables.Object)) or 0


def _assigned(stack: BenchmarkStack) -> int:
    with stack.ledger.read_only() as tx:
        done = select(func.sum(tables.Batch.objects)).where(tables.Batch.state == BatchState.ASSIGNED)
        return int(tx.scalar(done) or 0)


def differences(stack: BenchmarkStack, keys: Sequence[str]) -> Iterator[str]:
    """Return every difference: each file must be once in the ledger and a frame of exactly one CVAT task."""
    wanted = Counter([*(key.rsplit("/", 1)[-1] for key in keys), "warm.jpg"])
    with stack.ledger.read_only() as tx:
        rows = Counter(key.rsplit("/", 1)[-1] for key in tx.scalars(select(tables.Object.key)))
    made = stack.environment
    tasks = verify.read_tasks(made.cvat_url, environment.ACCOUNT, made.password, made.cvat_version)
    frames = Counter(name for task in tasks for name, _, _ in task.frames)
    for where, found in (("the ledger", rows), ("CVAT's tasks", frames)):
        if lost := wanted - found:
            yield f"{lost.total()} files are not in {where}, such as {min(lost)}"
        if extra := found - wanted:
            yield f"{extra.total()} files too many are in {where}, such as {min(extra)}"
    for task in tasks:
        if any(job.assignee is None for job in task.jobs):
            yield f"task {task.id} has a job without an assignee"


def script(stack: BenchmarkStack, keys: Sequence[str]) -> Iterator[int]:
    """Run the peer: tasks of 100 files, one after the other; yield the number of files of each finished task."""
    made, http = stack.environment, requests.Session()
    api = f"{made.cvat_url}/api/v1" if made.cvat_version == "1.0.0" else f"{made.cvat_url}/api"
    login = http.post(
        f"{api}/auth/login", json={"username": environment.ACCOUNT, "password": made.password}, timeout=60
    )
    http.headers["Authorization"] = f"Token {_ok(login)['key']}"
    people = itertools.cycle(user["id"] for user in _ok(http.get(f"{api}/users", timeout=60))["results"])
    for first in range(0, len(keys), GROUP):
        some = keys[first : first + GROUP]
        spec = json.dumps({"name": f"script {first}", "labels": [{"name": "car"}]})
        task_id = _ok(http.post(f"{api}/tasks", spec, headers={"Content-Type": "application/json"}, timeout=60))["id"]
        bodies = [stack.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in some]
        files = [
            (f"client_files[{n}]", (key.rsplit("/", 1)[-1], body, "image/jpeg"))
            for n, (key, body) in enumerate(zip(some, bodies, strict=True))
        ]
        _ok(http.post(f"{api}/tasks/{task_id}/data", data={"image_quality": 70}, files=files, timeout=600))
        while not (task := _ok(http.get(f"{api}/tasks/{task_id}", timeout=60)))["size"]:
            time.sleep(0.5)
        if made.cvat_version == "1.0.0":
            jobs = [job for segment in task["segments"] for job in segment["jobs"]]
        else:
            jobs = _ok(http.get(f"{api}/jobs", params={"task_id": task_id}, timeout=60))["results"]
        for job in jobs:
            _ok(http.patch(f"{api}/jobs/{job['id']}", json={"assignee": next(people)}, timeout=60))
        yield len(some)


def _ok(response: requests.Response) -> Any:
    response.raise_for_status()
    return response.json() if response.content else None


def show(console: Console, result: Mapping[str, Any]) -> None:
    """Print the figures and the differences."""
    table = Table("", "objects a second", "of the script")
    table.add_row("labelyard, from the first put", f"{result['objects_per_second']:.0f}", f"{result['of_script']:.2f}")
    table.add_row("a script, one group after the other", f"{result['script_objects_per_second']:.0f}", "1.00")
    console.print(table)
    console.print(
        f"{result['objects']:,} objects in tasks of {result['group']} on CVAT {result['cvat']}:"
        f" after {result['put_seconds']:.0f} s all are put,"
        f" after {result['registered_seconds']:.0f} s in the ledger, after {result['seconds']:.0f} s in assigned tasks;"
        f" load {result['load']}"
    )
    for line in result["differences"] or ["nothing lost, nothing duplicated"]:
        console.print(line, style="red" if result["differences"] else "green", markup=False)


if __name__ == "__main__":
    main()
