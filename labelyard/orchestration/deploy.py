"""`labelyard deploy`: create the work pool and its queues, then every deployment of prefect.yaml."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import yaml

from labelyard.context import open_context
from labelyard.errors import LedgerError, PrefectUnreachable
from labelyard.ledger import Ledger, datasets, processes
from labelyard.orchestration.automations import deploy_automations
from labelyard.orchestration.best_effort import best_effort
from labelyard.orchestration.dataset_schedules import PrefectSchedules
from labelyard.orchestration.one_installation import refuse_second_installation
from labelyard.orchestration.page_store import operations_url
from labelyard.orchestration.page_updates import update_pages
from labelyard.orchestration.prefect_api import refuse_failed_login
from labelyard.orchestration.pull import find_project
from labelyard.server_settings import StoreSettings
from labelyard.settings import DeploySettings, Settings

_log = logging.getLogger(__name__)
_QUOTED_LINES = 8


def deploy_all(settings: Settings, *, replace: bool = False) -> str | None:
    """Create or update the work pool, its queues and the deployments with their automations and schedules.

    Safe to repeat. A server of another installation is refused, unless it is to `replace` that. Return why the
    schedules of the datasets could not be created, None if they were. Raises PrefectUnreachable with the output of the
    Prefect command that failed, SettingsError if the server is refused, AlertNotSent for a missing block.
    """
    _require_server(settings)
    refuse_second_installation(settings, replace=replace)
    settings = with_limits(settings)
    project, environment = find_project(), _environment(settings)
    _run([sys.executable, str(project / "deployments" / "set_up.py")], environment, Path.cwd())
    # Without servers, whose blocks may not exist yet: pages need none of them.
    only_pages = settings.model_copy(update={"cvat": {}, "store": StoreSettings()})
    with best_effort("drawing the first pages"), open_context(only_pages) as context:
        update_pages(context)
    with tempfile.TemporaryDirectory(prefix="labelyard-deploy-") as folder:
        rendered = Path(folder) / "prefect.yaml"
        document = (project / "prefect.yaml").read_text(encoding="utf-8")
        rendered.write_text(render(document, settings.deploy, operations_url(settings)), encoding="utf-8")
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(rendered)]
        _run(command, environment, project)
    deploy_automations(settings)
    return _sync_schedules(settings)


def with_limits(settings: Settings) -> Settings:
    """Return the settings with the limits of the site: those that are set, else derived from the workers that run."""
    try:
        with closing(Ledger(settings.ledger)) as ledger, ledger.read_only() as tx:
            workers = processes.count(tx, processes.WORKER)
    except LedgerError:  # a machine without the ledger
        workers = 0
    batches, exports = settings.deploy.at_once(workers)
    limits = {"batches_at_once": batches, "exports_at_once": exports}
    return settings.model_copy(update={"deploy": settings.deploy.model_copy(update=limits)})


def _sync_schedules(settings: Settings) -> str | None:
    """Make the schedules of datasets those of their files in the ledger, as `labelyard apply` does."""
    try:
        with closing(Ledger(settings.ledger)) as ledger, ledger.read_only() as tx:
            declared = datasets.schedules(tx)
    except LedgerError as error:
        return error.happened
    PrefectSchedules(settings).sync(declared)
    return None


def render(document: str, settings: DeploySettings, operations: str = "") -> str:
    """Return prefect.yaml with the settings applied. Prefect's templates do not reach pool or interval.

    `operations` is the address that every description links to.
    """
    config: dict[str, Any] = yaml.safe_load(document)
    intervals = {
        "collect": settings.collect_seconds,
        "sweep": settings.sweep_seconds,
        "housekeeping": settings.housekeeping_seconds,
    }
    limits = dict(zip(("ingest-batch", "export-task"), settings.at_once(), strict=True))
    for deployment in config["deployments"]:
        if operations:
            about = deployment.get("description", "").strip()
            deployment["description"] = f"{about}\n\n[Operations page]({operations})".strip()
        deployment["work_pool"] = deployment["work_pool"] | {"name": settings.pool}
        if limit := limits.get(deployment["name"]):
            deployment["concurrency_limit"] = deployment["concurrency_limit"] | {"limit": limit}
        for schedule in deployment.get("schedules", []):
            if schedule["slug"] in intervals:
                schedule["interval"] = intervals[schedule["slug"]]
    return yaml.safe_dump(config, sort_keys=False)


def _require_server(settings: Settings) -> None:
    api_url = settings.prefect_api()
    try:
        answer = httpx.get(f"{api_url.rstrip('/')}/health", headers=settings.prefect_login(), timeout=10)
        refuse_failed_login(settings, answer, api_url)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        what = f"no healthy Prefect there: {error or type(error).__name__}"
        raise PrefectUnreachable(what, where=api_url, next_step="prefect server start, or labelyard up") from error


def _environment(settings: Settings) -> dict[str, str]:
    """Return the environment of the Prefect commands, with the settings that may come from a `.env` elsewhere."""
    given = {
        "PREFECT_API_URL": settings.prefect_api_url or "",
        "LABELYARD_DEPLOY__POOL": settings.deploy.pool,
        "LABELYARD_DEPLOY__RUNS_AT_ONCE": str(settings.deploy.runs_at_once),
        "LABELYARD_DEPLOY__BATCHES_AT_ONCE": str(settings.deploy.batches_at_once),
        "LABELYARD_DEPLOY__EXPORTS_AT_ONCE": str(settings.deploy.exports_at_once),
    }
    return {**os.environ, **given, **settings.prefect_variables()}


def _run(command: list[str], environment: dict[str, str], folder: Path) -> None:
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    _log.debug("%s", done.stdout)
    if done.returncode != 0:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-_QUOTED_LINES:]
        raise PrefectUnreachable("\n".join(last), where=" ".join(command[1:4]), next_step="labelyard doctor")
