"""What surrounds labelyard in a demo, all on free ports: an S3 and SQS emulator, a CVAT sandbox, annotator bots."""

from __future__ import annotations

import importlib.util
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from labelyard.errors import InputError
from labelyard.supervisor import Process, answers, prints
from labelyard.supervisor.stack import free_ports

BOTS = {"ada": (0.2, 0.98), "ben": (0.5, 0.8), "cleo": (0.8, 0.5), "rita": (0.1, 1.0)}
"""The bots: seconds per image, and care from 0 to 1. The dataset file says that rita reviews, and who labels."""

ACCOUNT = "labelyard"

ROLES: Mapping[str, tuple[str, str]] = {"1.0.0": ("admin", "annotator"), "2.73": ("superuser", "superuser")}
"""By version of CVAT: the roles of labelyard's account and of the bots.

On 2.x a bot is a superuser, because an annotator sees there his jobs alone, and the bots look for tasks.
"""
ORGANIZATION = "acme"
"""The organization of CVAT 2.x in which the demo works."""
PROJECT = "Photographs"
"""The project of its tasks there."""
_KEY = "demo"
_LABELYARD = (sys.executable, "-m", "labelyard")
_START_SECONDS = 90.0


@dataclass(frozen=True)
class DemoEnvironment:
    """A demo's folder, its ports, the one password of all accounts in its sandbox, and `overrides` of its settings."""

    folder: Path
    store_port: int
    cvat_port: int
    prefect_port: int
    watch_port: int
    password: str
    cvat_version: str = "2.73"
    """The version of CVAT that the sandbox serves: a key of ROLES."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    webhook_secret: str = field(default_factory=partial(secrets.token_hex, 32))
    """The secret with which the sandbox signs what it reports."""

    @property
    def store_url(self) -> str:
        """The address of S3 and SQS."""
        return f"http://127.0.0.1:{self.store_port}"

    @property
    def cvat_url(self) -> str:
        """The address of the sandbox."""
        return f"http://127.0.0.1:{self.cvat_port}"

    @property
    def organization(self) -> str:
        """The organization in which the demo works; empty for CVAT 1.0.0, which has none."""
        return "" if self.cvat_version == "1.0.0" else ORGANIZATION

    @property
    def settings(self) -> dict[str, str]:
        """The lines of `.env` that point labelyard here. All intervals are short, so that the demo is."""
        own = self.folder / ".labelyard"
        return {
            "LABELYARD_LEDGER": f"sqlite:///{own / 'ledger.db'}",
            "LABELYARD_SPOOL": str(own / "spool"),
            "LABELYARD_STORE__ENDPOINT_URL": self.store_url,
            "LABELYARD_STORE__REGION": "us-east-1",
            "LABELYARD_STORE__ACCESS_KEY_ID": _KEY,
            "LABELYARD_STORE__SECRET_ACCESS_KEY": _KEY,
            "LABELYARD_STORE__ADDRESSING_STYLE": "path",
            "LABELYARD_CVAT__DEFAULT__URL": self.cvat_url,
            "LABELYARD_CVAT__DEFAULT__USERNAME": ACCOUNT,
            "LABELYARD_CVAT__DEFAULT__PASSWORD": self.password,
            "LABELYARD_CVAT__DEFAULT__CLOUD__CREDENTIALS": "store",
            "LABELYARD_WATCH__QUEUE_URL": f"{self.store_url}/000000000000/labelyard",
            "LABELYARD_WATCH__SQS_ENDPOINT_URL": self.store_url,
            "LABELYARD_WATCH__PORT": str(self.watch_port),
            "LABELYARD_UP__PREFECT_PORT": str(self.prefect_port),
            "LABELYARD_DEPLOY__SWEEP_SECONDS": "20",
            "LABELYARD_DEPLOY__HOUSEKEEPING_SECONDS": "10",
            "LABELYARD_UP__KEEP_ROUTINE_EVENTS_HOURS": "0.5",
            "LABELYARD_PUBLISH_AGAIN_SECONDS": "15",
            "LABELYARD_POLL_SECONDS": "0.2",
            **self._completions,
            **self.overrides,
        }

    @property
    def _completions(self) -> dict[str, str]:
        """The settings for noticing completed jobs: CVAT 2.x reports them, and 1.0.0 is asked often."""
        if not self.organization:
            return {"LABELYARD_DEPLOY__COLLECT_SECONDS": "3"}
        return {
            "LABELYARD_CVAT__DEFAULT__WEBHOOK__URL": f"http://127.0.0.1:{self.watch_port}",
            "LABELYARD_CVAT__DEFAULT__WEBHOOK__SECRET": self.webhook_secret,
            "LABELYARD_DEPLOY__COLLECT_SECONDS": "30",
        }


def require_emulator() -> None:
    """Raise InputError with the command that installs the emulator, if it is missing."""
    if importlib.util.find_spec("ministack") is None:
        raise InputError(
            "the demo needs an emulator of S3 and SQS, and ministack is not installed",
            next_step=f"{sys.executable} -m pip install 'labelyard[demo]' (in a checkout: make demo)",
        )


def create_environment(folder: Path, cvat_version: str = "2.73", **overrides: str) -> DemoEnvironment:
    """Choose ports and a password; write `.env` and the lists of users and bots into `folder`."""
    store, cvat, prefect, watch = free_ports(4)
    password, (own_role, bot_role) = secrets.token_urlsafe(12), ROLES[cvat_version]
    env = DemoEnvironment(folder, store, cvat, prefect, watch, password, cvat_version, overrides)
    _write_secret(folder / ".env", [f"{name}={value}" for name, value in env.settings.items()])
    users = [f"{name}:{env.password}:{bot_role}" for name in BOTS]
    _write_secret(folder / "users", [f"{ACCOUNT}:{env.password}:{own_role}", *users])
    bots = [f"{name}:{env.password}:{speed}:{care}" for name, (speed, care) in BOTS.items()]
    _write_secret(folder / "bots", bots)
    (folder / "tmp").mkdir()
    return env


def add_prefect_url(env: DemoEnvironment, api: str) -> None:
    """Add Prefect's address to `.env`, for commands in other shells."""
    with (env.folder / ".env").open("a", encoding="utf-8") as file:
        file.write(f"PREFECT_API_URL={api}\n")


def enter_environment(env: DemoEnvironment) -> None:
    """Make the demo's folder the current one and its `.env` the only settings, for child processes too.

    Removes the shell's settings of labelyard, Prefect and AWS, and any proxy for loopback addresses.
    """
    for name in [name for name in os.environ if name.startswith(("LABELYARD_", "PREFECT_", "AWS_"))]:
        del os.environ[name]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.chdir(env.folder)


def emulator_process(env: DemoEnvironment) -> Process:
    """Return the process of the S3 and SQS emulator, which keeps everything in memory."""
    environment = {
        "GATEWAY_PORT": str(env.store_port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "SERVICES": "s3,sqs",
        # These would take fixed ports and manage Docker containers that are not the demo's.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{env.folder / 'no-docker'}",
        "TMPDIR": str(env.folder / "tmp"),
    }
    ready = answers(f"{env.store_url}/_ministack/health")
    return Process("emulator", [sys.executable, "-m", "ministack"], environment, ready, _START_SECONDS)


def sandbox_process(env: DemoEnvironment) -> Process:
    """Return the process of the CVAT sandbox; its state survives a restart."""
    command = [sys.executable, "-m", "cvat_sandbox", "--host", "127.0.0.1", "--port", str(env.cvat_port)]
    command += ["--version", env.cvat_version]
    command += ["--organization", env.organization] if env.organization else []
    command += ["--users", str(env.folder / "users"), "--data", str(env.folder / "sandbox")]
    return Process("sandbox", command, _temporary(env), prints("sandbox: http"), _START_SECONDS)


def bots_process(env: DemoEnvironment) -> Process:
    """Return the process of the annotator bots."""
    command = [*_LABELYARD, "bots", "--cvat-url", env.cvat_url, "--file", str(env.folder / "bots")]
    command += ["--organization", env.organization] if env.organization else []
    return Process("bots", command, _temporary(env), prints("bots at"), _START_SECONDS)


def _temporary(env: DemoEnvironment) -> Mapping[str, str]:
    return {"TMPDIR": str(env.folder / "tmp")}


def _write_secret(path: Path, lines: list[str]) -> None:
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
