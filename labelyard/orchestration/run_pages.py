"""Links on the page of a run: to the pages of its batch, its dataset and the installation."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey

from labelyard.markdown import link
from labelyard.orchestration.best_effort import best_effort
from labelyard.orchestration.current_run import current_run
from labelyard.orchestration.page_links import OPERATIONS, batch_key, dataset_key
from labelyard.orchestration.page_store import PageStore
from labelyard.settings import Settings


def publish_page_links(settings: Settings, dataset: str, batch: str = "") -> None:
    """Create an artifact of the current run, which its page shows, with links to what it is about.

    A run that has waited, and is executed again, keeps the one that it has.
    """
    keys = {dataset: dataset_key(dataset), "operations": OPERATIONS}
    if batch:
        keys = {batch: batch_key(batch)} | keys
    with best_effort("linking the pages"):
        if _has_links():
            return
        with PageStore(settings) as store:
            pages = store.links(store.find(keys.values()))
        lines = [f"- {link(name, pages.url(key))}" for name, key in keys.items()]
        create_markdown_artifact("\n".join(lines), description="Pages of " + ", ".join(keys))


def _has_links() -> bool:
    """Return whether an earlier execution of the current run has created the artifact, the only one without a key."""
    run = current_run()
    if run is None or run.run_count <= 1:
        return False
    of_run = ArtifactFilterFlowRunId(any_=[run.id])
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(flow_run_id=of_run, key=ArtifactFilterKey(exists_=False))
        return bool(client.read_artifacts(artifact_filter=wanted, limit=1))
