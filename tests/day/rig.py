"""The installation of the scripted day: emulator, sandbox, bots and `labelyard up` in one folder, as a user has it."""

from __future__ import annotations

import io
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from PIL import Image, ImageDraw

from labelyard.cvat import Cvat, connect
from labelyard.demo.environment import (
    ACCOUNT,
    DemoEnvironment,
    bots_process,
    create_environment,
    emulator_process,
    enter_environment,
    sandbox_process,
)
from labelyard.settings import load_settings
from labelyard.storage.boto import boto_client
from labelyard.supervisor import Process, RestartPolicy, Supervisor, prints
from tests.support.smtp_receiver import Mailbox, mailbox
from tests.support.webhook_receiver import Receiver, receiver

SLOW = "cleo"
"""The person who gets jobs and never begins: no bot has this name."""
DATASETS: Mapping[str, str] = {"street": "{max_objects: 6, quiet: 10s}", "night": "{max_objects: 4, quiet: 10s}"}
"""The rules of batches by dataset."""
_START_SECONDS = 300.0
_STEP_SECONDS = 150.0
_DATASET = """
name: {name}
cvat: {{organization: acme}}
sources: [{{bucket: {name}, prefix: incoming/}}]
batch: {batch}
task: {{labels: [car, person], segment_size: 3}}
annotators: [ada, ben, cleo]
export: {{prefix: datasets/{name}/}}
deadlines: {{label: 1m}}
"""


@dataclass
class Day:
    """The running installation, and what has been put into its buckets."""

    environment: DemoEnvironment
    supervisor: Supervisor
    s3: Any
    cvat: Cvat
    mail: Mailbox
    hook: Receiver
    say: Callable[[str], None]
    slowness: float
    """How many times as long as on a quiet machine anything may take."""
    put_images: Counter[str] = field(default_factory=Counter)
    """How many files by dataset; one that replaces another counts too, as it arrives."""

    @property
    def prefect(self) -> str:
        """The address of Prefect's server."""
        return f"http://127.0.0.1:{self.environment.prefect_port}"

    # --- what happens ---

    def put(self, dataset: str, first: int, count: int) -> None:
        """Put pictures into the bucket of a dataset; their names have numbers."""
        for number in range(first, first + count):
            self.put_file(dataset, f"{number:04d}.jpg", picture(number))

    def put_file(self, dataset: str, name: str, body: bytes) -> None:
        self.s3.put_object(Bucket=dataset, Key=f"incoming/{name}", Body=body)
        self.put_images[dataset] += 1

    def stop_cvat(self) -> None:
        self.supervisor.stop("sandbox")

    def start_cvat(self) -> None:
        self.supervisor.start(sandbox_process(self.environment))

    def kill_worker(self) -> None:
        """Kill -9 the worker; `labelyard up` starts another one."""
        words = {"prefect", "worker", "start"}
        [worker, *_] = [one for one in psutil.Process().children(recursive=True) if words <= set(_arguments(one))]
        worker.kill()

    def delete_task(self, batch: str) -> None:
        """Delete the task of a batch in CVAT, as a person does by mistake."""
        self.cvat.delete_task(self.batch(batch)["task_id"])

    def run(self, *command: str) -> str:
        """Run a command of labelyard; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "labelyard", *command], capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, f"labelyard {' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    # --- what there is ---

    def status(self) -> Any:
        return json.loads(self.run("status", "--json"))

    def batch(self, name: str) -> Any:
        return next(one for one in self.status()["batches"] if one["id"] == name)

    def page(self, key: str) -> str:
        """Return the Markdown of a page in Prefect, "" while there is none."""
        asked = {"artifacts": {"key": {"any_": [key]}}}
        found = httpx.post(f"{self.prefect}/api/artifacts/latest/filter", json=asked, timeout=30).json()
        return str(found[0]["data"]) if found else ""

    def failed_runs(self) -> list[str]:
        """Return the names and messages of the runs that are red."""
        asked = {"flow_runs": {"state": {"type": {"any_": ["FAILED", "CRASHED"]}}}}
        found = httpx.post(f"{self.prefect}/api/flow_runs/filter", json=asked, timeout=30).json()
        return [f"{one['name']}: {one['state']['message']}" for one in found]

    def exported_images(self) -> int:
        """Return how many images the current exports have, counted in the files in the buckets."""
        total = 0
        for batch in self.status()["batches"]:
            if batch["exports"]:
                bucket, key = batch["exports"][-1].removeprefix("s3://").split("/", 1)
                total += len(json.loads(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())["images"])
        return total

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something is so, and say it. Raises SignalReceived on Ctrl-C."""
        seconds = _STEP_SECONDS * self.slowness
        deadline = time.monotonic() + seconds

        def met() -> bool:
            assert time.monotonic() < deadline, f"waited {seconds:.0f} s for this: {what}"
            return bool(condition())

        self.supervisor.watch(met)
        self.say(what)


@contextmanager
def running_day(folder: Path, say: Callable[[str], None], slowness: float) -> Iterator[Day]:
    """Start everything; end all of it when the context ends. This process changes its working directory."""
    with mailbox() as mail, receiver() as hook, Supervisor(folder / "logs", say, RestartPolicy()) as supervisor:
        environment = create_environment(
            folder,
            "2.73",
            LABELYARD_ALERTS__CHANNELS__LEAD__URL=mail.url,
            LABELYARD_ALERTS__CHANNELS__CHAT__URL=hook.url.replace("http://", "json://"),
        )
        _remove_bot(folder / "bots", SLOW)
        enter_environment(environment)
        supervisor.start(emulator_process(environment), sandbox_process(environment))
        s3 = boto_client("s3", load_settings().store, environment.store_url)
        cvat = connect(
            environment.cvat_url, username=ACCOUNT, password=environment.password,
            organization=environment.organization,
        )  # fmt: skip
        day = Day(environment, supervisor, s3, cvat, mail, hook, say, slowness)
        day.run("db", "upgrade", "--create")
        for name, batch in DATASETS.items():
            s3.create_bucket(Bucket=name)
            (folder / f"{name}.yaml").write_text(_DATASET.format(name=name, batch=batch))
            day.run("apply", f"{name}.yaml")
            day.run("notifications", f"{name}.yaml", "--apply")
        command = [sys.executable, "-m", "labelyard", "up"]
        ready = prints("Ctrl-C stops everything")
        supervisor.start(Process("up", command, {}, ready, _START_SECONDS * slowness, stop_within=60))
        supervisor.start(bots_process(environment))
        yield day


def operations_address(folder: Path) -> str:
    """Return the address of the operations page, which `labelyard up` prints first."""
    found = re.search(r"http\S+/artifacts/artifact/\S+", (folder / "logs" / "up.log").read_text())
    return found[0] if found else ""


def _remove_bot(file: Path, name: str) -> None:
    bots = [line for line in file.read_text().splitlines() if not line.startswith(f"{name}:")]
    file.write_text("\n".join(bots) + "\n")


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def picture(number: int) -> bytes:
    """Return a photograph of coloured boxes, another one for each number."""
    chance = random.Random(number)
    image = Image.new("RGB", (640, 480), tuple(chance.randrange(256) for _ in range(3)))
    pen = ImageDraw.Draw(image)
    for _ in range(8):
        x, y = chance.randrange(600), chance.randrange(440)
        pen.rectangle((x, y, x + chance.randrange(20, 90), y + chance.randrange(20, 90)), fill=chance.randrange(2**24))
    kept = io.BytesIO()
    image.save(kept, "JPEG")
    return kept.getvalue()
