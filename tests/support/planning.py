"""`labelyard plan` and `apply` beside a workspace, without Prefect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from click.testing import Result

from labelyard.operations.plan import Plan, plan_datasets
from labelyard.orchestration.dataset_schedules import PrefectSchedules
from tests.support.workspace import Workspace

Run = Callable[..., Result]
"""Runs a command with the settings of a workspace."""


def write(workspace: Workspace, **changes: Any) -> str:
    """Write the workspace's dataset file with other sections; return its name."""
    document = {**workspace.spec.model_dump(mode="json", exclude_unset=True), **changes}
    Path("street.yaml").write_text(yaml.safe_dump(document))
    return "street.yaml"


def plan_of(workspace: Workspace, nowhere: str) -> Plan:
    settings = workspace.context.settings.model_copy(update={"prefect_api_url": nowhere})
    return plan_datasets(workspace.context, ["street"], PrefectSchedules(settings))
