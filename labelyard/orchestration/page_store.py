"""Pages in Prefect: Markdown artifacts that are updated in place, over REST and without a run.

Prefect's UI shows for the key of an artifact only a list of its versions. A page has one version, so that its address
shows the page itself, and stays the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from labelyard.orchestration import MOST_AT_ONCE
from labelyard.orchestration.page_links import OPERATIONS, PageLinks
from labelyard.orchestration.prefect_api import PrefectApi
from labelyard.settings import Settings


@dataclass(frozen=True)
class StoredPage:
    """A page as Prefect has it: its id, when it was last written, and the values that were stored with it."""

    id: str
    key: str
    updated: datetime
    values: Mapping[str, str]
    run: str | None
    """The flow run that created it; None for a page that is updated in place."""


class PageStore(PrefectApi):
    """The artifacts of a Prefect server. Every method raises PrefectUnreachable."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._ui = settings.prefect_ui

    def find(self, keys: Iterable[str]) -> dict[str, StoredPage]:
        """Return those of the pages that exist, by key."""
        wanted, found = list(dict.fromkeys(keys)), {}
        for first in range(0, len(wanted), MOST_AT_ONCE):
            some = {"artifacts": {"key": {"any_": wanted[first : first + MOST_AT_ONCE]}}, "limit": MOST_AT_ONCE}
            for one in self.call("POST", "artifacts/latest/filter", some):
                found[one["key"]] = _page(one, one["latest_id"])
        return found

    def links(self, pages: Mapping[str, StoredPage]) -> PageLinks:
        """Return the addresses of pages."""
        return PageLinks(self._ui, {key: page.id for key, page in pages.items()})

    def versions(self, beginning_of_key: str, offset: int = 0) -> Sequence[StoredPage]:
        """Return the versions of artifacts whose key begins so, newest first, at most 200 after about `offset`."""
        # Prefect finds the text anywhere in a key, and counts in `offset` what it finds.
        asked = {"artifacts": {"key": {"like_": beginning_of_key}}, "sort": "CREATED_DESC", "limit": MOST_AT_ONCE}
        found = self.call("POST", "artifacts/filter", asked | {"offset": offset})
        return [_page(one, one["id"]) for one in found if (one["key"] or "").startswith(beginning_of_key)]

    def write(
        self, key: str, markdown: str, description: str, values: Mapping[str, str], known: StoredPage | None
    ) -> None:
        """Update a page in place, or create it."""
        body = {"data": markdown, "description": description, "metadata_": dict(values)}
        if known is None or self.request("PATCH", f"artifacts/{known.id}", body).status_code == httpx.codes.NOT_FOUND:
            self.call("POST", "artifacts/", body | {"key": key, "type": "markdown"})

    def delete(self, page: StoredPage) -> None:
        """Delete a version of an artifact, which may be gone already."""
        self.request("DELETE", f"artifacts/{page.id}")

    def runs(self, *names: str) -> Sequence[Mapping[str, Any]]:
        """Return the newest runs of these names."""
        asked = {"flow_runs": {"name": {"any_": list(names)}}, "sort": "START_TIME_DESC", "limit": 5}
        found: Sequence[Mapping[str, Any]] = self.call("POST", "flow_runs/filter", asked)
        return found

    def has_completed_since(self, run: str, since: datetime) -> bool:
        """Return whether a run of the same deployment has completed since then; also if the run is gone."""
        answer = self.request("GET", f"flow_runs/{run}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return True
        wanted = {"state": {"type": {"any_": ["COMPLETED"]}}, "end_time": {"after_": since.isoformat()}}
        asked = {
            "flow_runs": wanted | {"deployment_id": {"any_": [answer.json()["deployment_id"]]}},
            "limit": 1,
        }
        return bool(self.call("POST", "flow_runs/filter", asked))


def _page(found: Mapping[str, Any], page_id: str) -> StoredPage:
    updated = datetime.fromisoformat(found["updated"])
    return StoredPage(page_id, found["key"] or "", updated, found["metadata_"] or {}, found["flow_run_id"])


def operations_url(settings: Settings) -> str:
    """Return the address of the operations page. Raises PrefectUnreachable."""
    with PageStore(settings) as store:
        return store.links(store.find([OPERATIONS])).url(OPERATIONS)
