"""The addresses of pages in Prefect's UI. A page is an artifact: its key never changes, nor does its id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from labelyard.markdown import link, slug

OPERATIONS = "operations"
"""The key of the page of the installation."""


def dataset_key(dataset: str) -> str:
    """Return the key of the page of a dataset."""
    return slug(f"dataset-{dataset}")


def batch_key(batch: str) -> str:
    """Return the key of the page of a batch."""
    return slug(f"batch-{batch}")


def release_key(dataset: str) -> str:
    """Return the key of the page of a dataset's newest release."""
    return slug(f"release-{dataset}")


def failure_key(subject: str) -> str:
    """Return the key of the page of a failure, of a batch or of labelyard."""
    return slug(f"failure-{subject}")


def job_link(job: int, task_url: str) -> str:
    """Return a link to a job in CVAT, its id alone where the address of its task is empty."""
    return link(str(job), f"{task_url}/jobs/{job}" if task_url else "")


@dataclass(frozen=True)
class PageLinks:
    """The address of Prefect's UI, and the ids of the pages that exist, by key."""

    ui: str
    ids: Mapping[str, str] = field(default_factory=dict)

    def url(self, key: str) -> str:
        """Return the address of a page, or of the list of its versions where its id is not known."""
        return f"{self.ui}/artifacts/artifact/{self.ids[key]}" if key in self.ids else f"{self.ui}/artifacts/key/{key}"

    def run_url(self, run: str) -> str:
        """Return the address of a flow run."""
        return f"{self.ui}/runs/flow-run/{run}"

    def known(self, key: str) -> str:
        """Return the address of a page, "" if it is not known to exist."""
        return self.url(key) if key in self.ids else ""
