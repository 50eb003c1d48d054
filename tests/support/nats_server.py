"""A NATS server with JetStream, in its own process; tests publish to it as a store would."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, StreamConfig

_START_SECONDS = 20
_PROGRAM = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"


class NatsServer:
    """A running server; `new_stream` keeps tests apart."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], **login: Any) -> None:
        self.url, self.process, self._login = url, process, login

    def call(self, work: Callable[[JetStreamContext], Awaitable[Any]]) -> Any:
        """Return what `work` returns, on a connection of its own."""

        async def call() -> Any:
            client: Client = await nats.connect(self.url, **self._login)
            try:
                return await work(client.jetstream())
            finally:
                await client.close()

        return asyncio.run(call())

    def new_stream(self, ack_wait: float = 30, **stream: Any) -> dict[str, str]:
        """Create a stream with a consumer; return their settings."""
        name = f"stream-{uuid4().hex[:12]}"

        async def create(js: JetStreamContext) -> None:
            await js.add_stream(StreamConfig(name=name, subjects=[name], **stream))
            await js.add_consumer(name, ConsumerConfig(durable_name="watchers", ack_wait=ack_wait, filter_subject=name))

        self.call(create)
        return {"stream": name, "consumer": "watchers", "subject": name}

    def publish(self, subject: str, bodies: Sequence[str | bytes]) -> None:
        async def publish(js: JetStreamContext) -> None:
            for body in bodies:
                await js.publish(subject, body if isinstance(body, bytes) else body.encode())

        self.call(publish)


@contextmanager
def run_nats(port: int = -1, config: str = "", folder: Path | None = None, **login: Any) -> Iterator[NatsServer]:
    """Run a server, by default on a free port; `login` is what `nats.connect` needs."""
    with tempfile.TemporaryDirectory(prefix="labelyard-nats-") as temporary:
        ports, log = Path(temporary), Path(temporary) / "log"
        command = [
            _PROGRAM, "--addr", "127.0.0.1", "--port", str(port), "--jetstream",
            "--store_dir", str(folder or temporary), "--ports_file_dir", temporary, "--log", str(log),
        ]  # fmt: skip
        if config:
            (ports / "config").write_text(config)
            command += ["--config", str(ports / "config")]
        process = subprocess.Popen(command)
        try:
            yield NatsServer(_address(ports, process, log), process, **login)
        finally:
            process.kill()
            process.wait(timeout=30)


def _address(ports: Path, process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for found in ports.glob("*.ports"):
            if text := found.read_text():
                url: str = json.loads(text)["nats"][0]
                return url
        time.sleep(0.02)
    raise RuntimeError(f"NATS did not start:\n{log.read_text(errors='replace') if log.exists() else ''}")
