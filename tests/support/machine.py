"""A folder with a ledger and settings for the emulator, in which tests run commands."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from labelyard.cli import labelyard
from labelyard.config import DatasetSpec
from labelyard.ledger import Ledger, datasets
from tests.support.emulator import StoreServer
from tests.support.fresh_ledger import create_ledger

LABELYARD = [sys.executable, "-c", "from labelyard.cli import main; main()"]


class Machine:
    """A folder with a ledger, and an environment that connects to the emulator."""

    def __init__(self, server: StoreServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.ledger_url = f"sqlite:///{folder / 'ledger.db'}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("LABELYARD_", "PREFECT_"))}
        self.environment = {
            **clean,
            "COLUMNS": "200",
            "LABELYARD_LEDGER": self.ledger_url,
            "LABELYARD_STORE__ENDPOINT_URL": server.url,
            "LABELYARD_STORE__REGION": "us-east-1",
            "LABELYARD_STORE__ACCESS_KEY_ID": "test",
            "LABELYARD_STORE__SECRET_ACCESS_KEY": "test",
            "LABELYARD_STORE__ADDRESSING_STYLE": "path",
            "LABELYARD_WATCH__SQS_ENDPOINT_URL": server.url,
            "LABELYARD_WATCH__PORT": "0",
        }

    def run(self, *words: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*LABELYARD, *words], input=stdin, capture_output=True, timeout=60, check=False, cwd=self.folder,
            env={**self.environment, **environment},
        )  # fmt: skip

    def call(self, *words: str, stdin: bytes = b"", **environment: str) -> Result:
        """Run a command in this process, which is faster; a LabelyardError is in the result's `exception`."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for name in [name for name in os.environ if name not in self.environment]:
                patch.delenv(name)
            return CliRunner().invoke(labelyard, words, input=stdin, env={**self.environment, **environment})

    def apply(self, bucket: str, **batch: Any) -> DatasetSpec:
        spec = DatasetSpec.model_validate(
            {
                "name": f"cats-{bucket[-6:]}",
                "sources": [{"bucket": bucket, "prefix": "in/"}],
                "batch": batch,
                "task": {"labels": ["cat"]},
                "annotators": ["ann"],
                "export": {"prefix": "coco/"},
            }
        )
        if not (file := self.folder / "ledger.db").exists():
            create_ledger(file)
        with closing(Ledger(self.ledger_url)) as ledger, ledger.transaction() as tx:
            datasets.apply(tx, spec)
        return spec

    def rows(self, table: type) -> list[Any]:
        with closing(Ledger(self.ledger_url)) as ledger, ledger.read_only() as tx:
            return list(tx.scalars(select(table)).all())
