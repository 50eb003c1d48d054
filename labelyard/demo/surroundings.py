"""What stands around labelyard in a demo, all on free ports: an emulator of S3 and SQS, a sandbox CVAT, robots."""

from __future__ import annotations

import importlib.util
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labelyard.errors import InputError
from labelyard.yard import Part, answers, prints
from labelyard.yard.everything import free_ports

CREW = {"ada": (0.2, 0.98), "ben": (0.5, 0.8), "cleo": (0.8, 0.5)}
"""The robots: seconds an image, and care from 0 to 1."""

ACCOUNT = "labelyard"
_KEY = "demo"
_LABELYARD = (sys.executable, "-m", "labelyard")
_SLOW_MACHINE = 90.0


@dataclass(frozen=True)
class Surroundings:
    """A demo's folder, its ports, the password of everybody in its sandbox, and settings that differ from a demo's."""

    folder: Path
    store_port: int
    cvat_port: int
    prefect_port: int
    watch_port: int
    password: str
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def store_url(self) -> str:
        """Where S3 and SQS answer."""
        return f"http://127.0.0.1:{self.store_port}"

    @property
    def cvat_url(self) -> str:
        """Where the sandbox answers."""
        return f"http://127.0.0.1:{self.cvat_port}"

    @property
    def settings(self) -> dict[str, str]:
        """What leads labelyard here: the lines of `.env`. All times are short, so that a demo is."""
        inside = self.folder / ".labelyard"
        return {
            "LABELYARD_LEDGER": f"sqlite:///{inside / 'ledger.db'}",
            "LABELYARD_SPOOL": str(inside / "spool"),
            "LABELYARD_STORE__ENDPOINT_URL": self.store_url,
            "LABELYARD_STORE__REGION": "us-east-1",
            "LABELYARD_STORE__ACCESS_KEY_ID": _KEY,
            "LABELYARD_STORE__SECRET_ACCESS_KEY": _KEY,
            "LABELYARD_STORE__ADDRESSING_STYLE": "path",
            "LABELYARD_CVAT__DEFAULT__URL": self.cvat_url,
            "LABELYARD_CVAT__DEFAULT__USERNAME": ACCOUNT,
            "LABELYARD_CVAT__DEFAULT__PASSWORD": self.password,
            "LABELYARD_WATCH__QUEUE_URL": f"{self.store_url}/000000000000/labelyard",
            "LABELYARD_WATCH__SQS_ENDPOINT_URL": self.store_url,
            "LABELYARD_WATCH__PORT": str(self.watch_port),
            "LABELYARD_UP__PREFECT_PORT": str(self.prefect_port),
            "LABELYARD_DEPLOY__COLLECT_SECONDS": "3",
            "LABELYARD_DEPLOY__SWEEP_SECONDS": "20",
            "LABELYARD_ANNOUNCE_AGAIN_SECONDS": "15",
            "LABELYARD_POLL_SECONDS": "0.2",
            **self.others,
        }


def require_emulator() -> None:
    """Raise InputError with the command that installs the emulator, where it is missing."""
    if importlib.util.find_spec("ministack") is None:
        raise InputError(
            "the demo needs an emulator of S3 and SQS, and ministack is not installed",
            next_step=f"{sys.executable} -m pip install 'labelyard[demo]' (in a checkout: make demo)",
        )


def surround(folder: Path, **others: str) -> Surroundings:
    """Choose ports and a password, and write `.env` and the lists of people into `folder`."""
    store, cvat, prefect, watch = free_ports(4)
    made = Surroundings(folder, store, cvat, prefect, watch, secrets.token_urlsafe(12), others)
    _write_secret(folder / ".env", [f"{name}={value}" for name, value in made.settings.items()])
    people = [f"{name}:{made.password}:annotator" for name in CREW]
    _write_secret(folder / "people", [f"{ACCOUNT}:{made.password}:admin", *people])
    crew = [f"{name}:{made.password}:{speed}:{care}" for name, (speed, care) in CREW.items()]
    _write_secret(folder / "robots", crew)
    (folder / "tmp").mkdir()
    return made


def lead_to_prefect(made: Surroundings, api: str) -> None:
    """Let `.env` name Prefect's server too, for commands in other shells."""
    with (made.folder / ".env").open("a", encoding="utf-8") as file:
        file.write(f"PREFECT_API_URL={api}\n")


def step_inside(made: Surroundings) -> None:
    """Make the demo's folder and its `.env` the only settings of this process and of those that it starts.

    What this shell says of labelyard, Prefect and AWS is another world's; a proxy must not stand before the loopback.
    """
    for name in [name for name in os.environ if name.startswith(("LABELYARD_", "PREFECT_", "AWS_"))]:
        del os.environ[name]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.chdir(made.folder)


def emulator(made: Surroundings) -> Part:
    """The S3 and SQS, in memory."""
    environment = {
        "GATEWAY_PORT": str(made.store_port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "SERVICES": "s3,sqs",
        # It would take a fixed port, and look after Docker containers that are not the demo's.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{made.folder / 'no-docker'}",
        "TMPDIR": str(made.folder / "tmp"),
    }
    ready = answers(f"{made.store_url}/_ministack/health")
    return Part("emulator", [sys.executable, "-m", "ministack"], environment, ready, _SLOW_MACHINE)


def sandbox(made: Surroundings) -> Part:
    """The CVAT; its state outlives a restart."""
    command = [sys.executable, "-m", "cvat_sandbox", "--host", "127.0.0.1", "--port", str(made.cvat_port)]
    command += ["--users", str(made.folder / "people"), "--data", str(made.folder / "sandbox")]
    return Part("sandbox", command, _temporary(made), prints("sandbox: http"), _SLOW_MACHINE)


def robots(made: Surroundings) -> Part:
    """The annotators."""
    command = [*_LABELYARD, "robots", "--cvat-url", made.cvat_url, "--file", str(made.folder / "robots")]
    return Part("robots", command, _temporary(made), prints("robots at"), _SLOW_MACHINE)


def _temporary(made: Surroundings) -> Mapping[str, str]:
    return {"TMPDIR": str(made.folder / "tmp")}


def _write_secret(path: Path, lines: list[str]) -> None:
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
