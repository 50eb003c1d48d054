"""Artifacts of Prefect: Markdown pages and the progress bar of an upload. A failure to write one stops nothing."""

from __future__ import annotations

import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Self, cast

from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact

from labelyard.markdown import block, slug
from labelyard.orchestration.best_effort import best_effort

if TYPE_CHECKING:
    from uuid import UUID

_SECONDS_BETWEEN_UPDATES = 0.5


def publish_markdown(key: str, markdown: str, description: str) -> None:
    """Create a Markdown artifact of the current run. Prefect's UI shows the newest version of each key first."""
    with best_effort(f"publishing the artifact {key}"):
        create_markdown_artifact(key=slug(key), markdown=markdown, description=description)


def publish_failure(batch: str | None, error: str, next_step: str) -> None:
    """Create the artifact `failure-<batch>`: the error, and the command to run next."""
    subject = batch or "labelyard"
    publish_markdown(
        f"failure-{subject}",
        f"### {subject} failed\n\n{block(error)}\n\n**Next:**\n\n{block(next_step)}\n",
        f"{subject}: what to do",
    )


class UploadProgress:
    """The progress artifact of an upload, a callback of the bytes sent and the total; used in a `with` block.

    A thread updates the artifact at most twice a second, so that a slow Prefect server does not delay the upload. An
    upload that takes less than half a second has none: it is over before anybody looks.
    """

    def __init__(self, batch: str) -> None:
        self._batch = batch
        self._artifact: UUID | None = None
        self._reached = self._published = (0, 0)
        self._done = threading.Event()
        # In the caller's context, so that the artifact belongs to the caller's run.
        self._thread = threading.Thread(target=copy_context().run, args=(self._publish_until_done,), daemon=True)

    def __call__(self, sent: int, total: int) -> None:
        """Record that `sent` of `total` bytes were sent."""
        self._reached = (sent, total)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _publish_until_done(self) -> None:
        with best_effort(f"publishing the upload progress of {self._batch}"):  # no second try after a failure
            while not self._done.wait(_SECONDS_BETWEEN_UPDATES):
                self._publish(*self._reached)
            if self._artifact is not None:
                self._publish(*self._reached)

    def _publish(self, sent: int, total: int) -> None:
        if (sent, total) == self._published:
            return
        self._published = (sent, total)
        percent = min(100.0, 100.0 * sent / total) if total else 100.0  # sent includes the form around the files
        description = f"{self._batch}: {min(sent, total):,} of {total:,} bytes sent"
        if self._artifact is None:
            created = create_progress_artifact(percent, key=slug(f"upload-{self._batch}"), description=description)
            self._artifact = cast("UUID", created)
        else:
            update_progress_artifact(self._artifact, percent, description=description)
