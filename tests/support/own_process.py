"""A step in a process of its own, which may end at a failpoint as after kill -9."""

from __future__ import annotations

import os
import subprocess
import sys

from pydantic import SecretStr

from labelyard.alert_settings import MessageSettings, PersonChannel
from labelyard.context import open_context
from labelyard.operations.reassign import reassign
from labelyard.operations.send_messages import send_messages
from labelyard.orchestration.alert_channels import send
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.collect_finished import collect
from tests.support.paths import ROOT
from tests.support.workspace import FIRST, Workspace, ingest_steps


def ingest_in_own_process(workspace: Workspace, failpoint: str | None = None) -> int:
    """Ingest the first batch with the settings of a workspace; return the exit status."""
    return _run(workspace, "ingest", failpoint=failpoint)


def reassign_in_own_process(
    workspace: Workspace, person: str, failpoint: str | None = None, to: str | None = None
) -> int:
    """Give the work of a person to others with the settings of a workspace; return the exit status."""
    return _run(workspace, "reassign", person, *([to] if to else []), failpoint=failpoint)


def collect_in_own_process(workspace: Workspace, failpoint: str | None = None) -> int:
    """Look at the finished tasks with the settings of a workspace; return the exit status."""
    return _run(workspace, "collect", failpoint=failpoint)


def send_messages_in_own_process(workspace: Workspace, person: str, url: str, failpoint: str | None = None) -> int:
    """Send the messages that are due to a person with such a channel; return the exit status."""
    return _run(workspace, "send_messages", person, url, failpoint=failpoint)


def _run(workspace: Workspace, *arguments: str, failpoint: str | None) -> int:
    settings = workspace.context.settings
    secret, cvat = settings.store.secret_access_key, settings.cvat["default"]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LABELYARD_", "PREFECT_"))},
        "LABELYARD_LEDGER": settings.ledger,
        "LABELYARD_CVAT__DEFAULT__URL": cvat.url,
        "LABELYARD_CVAT__DEFAULT__USERNAME": cvat.username,
        "LABELYARD_CVAT__DEFAULT__PASSWORD": "rootpass",
        "LABELYARD_STORE__ENDPOINT_URL": settings.store.endpoint_url or "",
        "LABELYARD_STORE__REGION": settings.store.region or "us-east-1",
        "LABELYARD_STORE__ACCESS_KEY_ID": settings.store.access_key_id or "",
        "LABELYARD_STORE__SECRET_ACCESS_KEY": secret.get_secret_value() if secret else "",
        "LABELYARD_STORE__ADDRESSING_STYLE": settings.store.addressing_style,
        "LABELYARD_SPOOL": str(settings.spool),
        "LABELYARD_POLL_SECONDS": "0.02",
        "LABELYARD_UNCLEAR_WRITE_SECONDS": str(settings.unclear_write_seconds),
        **({"LABELYARD_FAILPOINT": failpoint} if failpoint else {}),
    }
    command = [sys.executable, "-m", "tests.support.own_process", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False, timeout=120).returncode


if __name__ == "__main__":
    with open_context() as context:
        if sys.argv[1] == "reassign":
            reassign(context, *sys.argv[2:4])
        elif sys.argv[1] == "send_messages":
            channel = PersonChannel(url=SecretStr(sys.argv[3]), person=sys.argv[2])
            context.settings.messages = MessageSettings(people={"one": channel}, bundle_minutes=0)
            send_messages(context, send)
        elif sys.argv[1] == "collect":
            collect(context)
        else:
            with acquire_batch(context, FIRST) as lease:
                ingest_steps(lease)
