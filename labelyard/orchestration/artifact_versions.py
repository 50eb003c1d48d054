"""Old artifacts, of which there are more and more. Pruned, because Prefect keeps every one, and every version."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey, FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.sorting import ArtifactSort
from prefect.exceptions import ObjectNotFound

from labelyard.orchestration import MOST_AT_ONCE
from labelyard.orchestration.best_effort import best_effort
from labelyard.orchestration.page_links import OPERATIONS

KEPT: Mapping[str, int] = {OPERATIONS: 1, "failed-actions": 30}
"""How many versions of an artifact are kept. An older labelyard wrote versions of the operations page."""

_KEPT_OF_RUNS = 1000
"""How many artifacts are kept of those that belong to one run: the newest ones, for the runs that people look at."""
_OF_ONE_RUN = (ArtifactFilterKey(exists_=False), ArtifactFilterKey(like_="decision-"))
"""The links of runs (`run_pages`), which have no key, and the results of what people started (`decision_artifact`)."""
_OUR_RUNS = FlowRunFilter(tags=FlowRunFilterTags(all_=["labelyard"]))


def prune_artifact_versions() -> None:
    """Delete all but the newest of the artifacts that are written again and again."""
    with best_effort("pruning artifacts"), get_client(sync_client=True) as client:
        for key, kept in KEPT.items():
            _prune(client, ArtifactFilterKey(any_=[key]), kept)
        for of_one_run in _OF_ONE_RUN:
            _prune(client, of_one_run, _KEPT_OF_RUNS, _OUR_RUNS)


def _prune(client: SyncPrefectClient, key: ArtifactFilterKey, kept: int, runs: FlowRunFilter | None = None) -> None:
    found = client.read_artifacts(
        artifact_filter=ArtifactFilter(key=key),
        flow_run_filter=runs,
        sort=ArtifactSort.CREATED_DESC,
        limit=MOST_AT_ONCE,
        offset=kept,
    )
    for artifact in found:
        with suppress(ObjectNotFound):  # another housekeeping run has deleted it
            client.delete_artifact(artifact.id)
