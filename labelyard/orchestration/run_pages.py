"""Links on the page of a run: to the pages of its batch, its dataset and the installation."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact

from labelyard.markdown import link
from labelyard.orchestration.best_effort import best_effort
from labelyard.orchestration.page_links import OPERATIONS, batch_key, dataset_key
from labelyard.orchestration.page_store import PageStore
from labelyard.settings import Settings


def publish_page_links(settings: Settings, dataset: str, batch: str = "") -> None:
    """Create an artifact of the current run, which its page shows, with links to what it is about."""
    keys = {dataset: dataset_key(dataset), "operations": OPERATIONS}
    if batch:
        keys = {batch: batch_key(batch)} | keys
    with best_effort("linking the pages"), PageStore(settings) as store:
        pages = store.links(store.find(keys.values()))
        lines = [f"- {link(name, pages.url(key))}" for name, key in keys.items()]
        create_markdown_artifact("\n".join(lines), description="Pages of " + ", ".join(keys))
