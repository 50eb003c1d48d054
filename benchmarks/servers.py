"""The demo's S3 and SQS emulator and CVAT sandbox, for benchmarks that need nothing else of a running labelyard."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from labelyard.demo import environment
from labelyard.server_settings import StoreSettings
from labelyard.storage.boto import boto_client
from labelyard.storage.store import Store
from labelyard.supervisor import Supervisor


def store_settings(url: str) -> StoreSettings:
    """Return settings for an emulator, which takes any key."""
    return StoreSettings(
        endpoint_url=url,
        region="us-east-1",
        access_key_id="benchmark",
        secret_access_key=SecretStr("benchmark"),
        addressing_style="path",
    )


@dataclass(frozen=True)
class Servers:
    """Running servers. `username` is an admin of the sandbox."""

    store_url: str
    cvat_url: str
    username: str
    password: str

    @cached_property
    def store(self) -> Store:
        """The client of the object store, labelyard's own."""
        return Store(store_settings(self.store_url))

    def client(self, service: str) -> Any:
        """Return a plain boto3 client of `s3` or `sqs`."""
        return boto_client(service, store_settings(self.store_url), self.store_url)


@contextmanager
def run_servers(folder: Path, *, sandbox: bool = False, cvat_version: str = "1.0.0") -> Iterator[Servers]:
    """Start the emulator and, if asked, the sandbox, with their files in `folder`."""
    folder.mkdir()
    made = environment.create_environment(folder.resolve(), cvat_version)
    processes = [environment.emulator_process(made), *([environment.sandbox_process(made)] if sandbox else [])]
    with Supervisor(folder / "logs", lambda line: print(line, file=sys.stderr)) as supervisor:
        supervisor.start(*processes)
        yield Servers(made.store_url, made.cvat_url, environment.ACCOUNT, made.password)
