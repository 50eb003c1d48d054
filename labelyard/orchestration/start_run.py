"""Starting a run of a deployment, as a person does in Prefect's UI."""

from __future__ import annotations

from typing import Any

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from labelyard.settings import Settings


def start_run(settings: Settings, deployment: str, **parameters: Any) -> None:
    """Start a run of a deployment, whose flow has the same name, on the server of the settings."""
    server = {PREFECT_API_URL: settings.prefect_api_url, PREFECT_API_AUTH_STRING: settings.prefect_password()}
    with temporary_settings(server), get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(f"{deployment}/{deployment}")
        client.create_flow_run_from_deployment(found.id, parameters=parameters)
