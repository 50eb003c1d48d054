"""`labelyard deploy`: the set-up, and every deployment of prefect.yaml with this machine's settings put in."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactCollectionFilter, ArtifactCollectionFilterKey
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from labelyard.errors import PrefectUnreachable
from labelyard.orchestration.pull import find_project
from labelyard.settings import DeploySettings, Settings

_log = logging.getLogger(__name__)
_LINES_OF_A_FAILURE = 8


def deploy_all(settings: Settings) -> None:
    """Make or renew pool, automations and deployments; safe to repeat.

    Raises PrefectUnreachable with Prefect's own words.
    """
    _reach(settings.prefect_api())
    project, environment = find_project(), _environment(settings)
    _run([sys.executable, str(project / "deployments" / "set_up.py")], environment, Path.cwd())
    with tempfile.TemporaryDirectory(prefix="labelyard-deploy-") as folder:
        rendered = Path(folder) / "prefect.yaml"
        rendered.write_text(
            render((project / "prefect.yaml").read_text(encoding="utf-8"), settings.deploy), encoding="utf-8"
        )
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(rendered)]
        _run(command, environment, project)
    draw_first_page(settings)


def draw_first_page(settings: Settings) -> None:
    """Start one run that draws the operations page where there is none: its schedule may be a day away."""
    secret = settings.prefect_api_auth_string
    reached = {PREFECT_API_URL: settings.prefect_api_url, PREFECT_API_AUTH_STRING: secret and secret.get_secret_value()}
    drawn = ArtifactCollectionFilter(key=ArtifactCollectionFilterKey(any_=["operations"]))
    with temporary_settings(reached), get_client(sync_client=True) as client:
        if not client.read_latest_artifacts(artifact_filter=drawn):
            deployment = client.read_deployment_by_name("report-operations/report-operations")
            client.create_flow_run_from_deployment(deployment.id, idempotency_key="the first page")


def render(document: str, settings: DeploySettings) -> str:
    """prefect.yaml with the settings in it. Prefect's own templates reach neither the pool's name nor an interval."""
    config: dict[str, Any] = yaml.safe_load(document)
    intervals = {"collect": settings.collect_seconds, "sweep": settings.sweep_seconds}
    for deployment in config["deployments"]:
        deployment["work_pool"] = deployment["work_pool"] | {"name": settings.pool}
        if deployment["name"] == "ingest-batch":
            deployment["concurrency_limit"] = deployment["concurrency_limit"] | {"limit": settings.batches_at_once}
        for schedule in deployment.get("schedules", []):
            if schedule["slug"] in intervals:
                schedule["interval"] = intervals[schedule["slug"]]
    return yaml.safe_dump(config, sort_keys=False)


def _reach(api_url: str) -> None:
    try:
        httpx.get(f"{api_url.rstrip('/')}/health", timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        what = f"no healthy Prefect there: {error or type(error).__name__}"
        raise PrefectUnreachable(what, where=api_url, next_step="prefect server start, or labelyard up") from error


def _environment(settings: Settings) -> dict[str, str]:
    given = {"PREFECT_API_URL": settings.prefect_api_url or "", "LABELYARD_DEPLOY__POOL": settings.deploy.pool,
             "LABELYARD_DEPLOY__RUNS_AT_ONCE": str(settings.deploy.runs_at_once),
             "LABELYARD_DEPLOY__BATCHES_AT_ONCE": str(settings.deploy.batches_at_once),
             "LABELYARD_DEPLOY__HEARTBEAT_TIMEOUT_SECONDS": str(settings.deploy.heartbeat_timeout_seconds)}  # fmt: skip
    if settings.prefect_api_auth_string is not None:
        given["PREFECT_API_AUTH_STRING"] = settings.prefect_api_auth_string.get_secret_value()
    return {**os.environ, **given}  # .env need not lie where the command runs


def _run(command: list[str], environment: dict[str, str], folder: Path) -> None:
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    _log.debug("%s", done.stdout)
    if done.returncode != 0:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-_LINES_OF_A_FAILURE:]
        raise PrefectUnreachable("\n".join(last), where=" ".join(command[1:4]), next_step="labelyard doctor")
