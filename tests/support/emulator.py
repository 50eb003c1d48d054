"""The S3 and SQS of the tests: MiniStack, in its own process, over HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from labelyard.server_settings import StoreSettings
from labelyard.storage import Store
from labelyard.storage.boto import boto_client
from labelyard.supervisor.stack import free_ports

_START_SECONDS = 30


class StoreServer:
    """A running emulator; S3 and SQS have the same address."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._clients: dict[str, Any] = {}

    @property
    def settings(self) -> StoreSettings:
        """Settings that connect to it."""
        return StoreSettings(
            endpoint_url=self.url,
            region="us-east-1",
            access_key_id="test",
            secret_access_key=SecretStr("test"),
            addressing_style="path",
        )

    @cached_property
    def store(self) -> Store:
        return Store(self.settings)

    def boto(self, service: str) -> Any:
        """A plain boto3 client, for what a person would do manually."""
        if service not in self._clients:
            self._clients[service] = boto_client(service, self.settings, self.url)
        return self._clients[service]

    def new_bucket(self, *, versioned: bool = False) -> str:
        name = f"bucket-{uuid4().hex[:12]}"
        s3 = self.boto("s3")
        s3.create_bucket(Bucket=name)
        if versioned:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object as a person would; labelyard deletes none."""
        self.boto("s3").delete_object(Bucket=bucket, Key=key)

    def new_queue(self, **attributes: str) -> str:
        """Create a queue; return its URL."""
        created = self.boto("sqs").create_queue(QueueName=f"queue-{uuid4().hex[:12]}", Attributes=attributes)
        url: str = created["QueueUrl"]
        return url

    def notify(self, bucket: str, queue_url: str) -> None:
        """Let the bucket notify the queue of new and deleted objects."""
        arn = f"arn:aws:sqs:us-east-1:000000000000:{queue_url.rsplit('/', 1)[-1]}"
        self.boto("s3").put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={
                "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}]
            },
        )


@contextmanager
def run_emulator() -> Iterator[StoreServer]:
    """Run an emulator on a free port."""
    with tempfile.TemporaryDirectory(prefix="labelyard-ministack-") as folder:
        port, log_file = free_ports(1)[0], Path(folder) / "log"
        # Otherwise it would use fixed ports and manage Docker containers that are not the tests'.
        isolation = {
            "SERVICES": "s3,sqs",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": f"unix://{folder}/no",
        }
        options = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "TMPDIR": folder}
        environment = {**os.environ, **options, **isolation}
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "ministack"], env=environment, cwd=folder, stdout=log, stderr=log
            )
        try:
            _wait_until_open(port, process, log_file)
            yield StoreServer(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_until_open(port: int, process: subprocess.Popen[bytes], log_file: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"MiniStack did not start:\n{log_file.read_text(errors='replace')}")
