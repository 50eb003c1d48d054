"""Old versions of the artifacts that are written again and again. Pruned, because Prefect keeps every version."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.exceptions import ObjectNotFound

from labelyard.orchestration.best_effort import best_effort
from labelyard.orchestration.page_links import OPERATIONS

KEPT: Mapping[str, int] = {OPERATIONS: 1, "failed-actions": 30}
"""How many versions of an artifact are kept. An older labelyard wrote versions of the operations page."""

_MOST_AT_ONCE = 200  # Prefect's maximum


def prune_artifact_versions() -> None:
    """Delete all but the newest versions of the artifacts that concern no single batch."""
    with best_effort("pruning artifacts"), get_client(sync_client=True) as client:
        for key, kept in KEPT.items():
            _prune(client, key, kept)


def _prune(client: SyncPrefectClient, key: str, kept: int) -> None:
    versions = client.read_artifacts(
        artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])),
        sort=ArtifactSort.CREATED_DESC,
        limit=_MOST_AT_ONCE,
        offset=kept,
    )
    for version in versions:
        with suppress(ObjectNotFound):  # another housekeeping run has deleted it
            client.delete_artifact(version.id)
