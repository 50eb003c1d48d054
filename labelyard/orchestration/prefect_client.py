"""Prefect's own client, on the server of the settings and with its login."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL, temporary_settings

from labelyard.settings import Settings


@contextmanager
def prefect_client(settings: Settings) -> Iterator[SyncPrefectClient]:
    """Yield a client of the server that the settings name, whatever Prefect's own settings are."""
    server = {
        PREFECT_API_URL: settings.prefect_api_or_ours,
        PREFECT_API_AUTH_STRING: settings.prefect_password(),
        PREFECT_API_KEY: settings.prefect_key(),
    }
    # Temporary settings are validated like a whole environment, which takes longer than some requests.
    has_them = all(setting.value() == wanted for setting, wanted in server.items())
    with nullcontext() if has_them else temporary_settings(server), get_client(sync_client=True) as client:
        yield client
