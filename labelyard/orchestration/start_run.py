"""Starting a run of a deployment, as a person does in Prefect's UI."""

from __future__ import annotations

from typing import Any

from labelyard.orchestration.prefect_client import prefect_client
from labelyard.settings import Settings


def start_run(settings: Settings, deployment: str, **parameters: Any) -> None:
    """Start a run of a deployment, whose flow has the same name, on the server of the settings."""
    with prefect_client(settings) as client:
        found = client.read_deployment_by_name(f"{deployment}/{deployment}")
        client.create_flow_run_from_deployment(found.id, parameters=parameters)
