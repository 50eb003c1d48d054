"""What a person sees of the work in Prefect's UI: artifacts and events. None of it may stop the work it shows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Self, cast

from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.events import emit_event

from labelyard.orchestration.events_api import resources
from labelyard.orchestration.markdown import block, slug

if TYPE_CHECKING:
    from uuid import UUID

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_UPDATES = 0.5


@contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Whatever fails inside is logged, as `what` that failed, and forgotten: the work goes on without it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - Prefect's client raises what it likes
        _log.warning("%s failed, going on without it: %s: %s", what, type(error).__name__, error)


def page(key: str, markdown: str, description: str) -> None:
    """Show a page under `key`, beside the run and among the artifacts; the newest of a key stands first."""
    with best_effort(f"showing the page {key}"):
        create_markdown_artifact(key=slug(key), markdown=markdown, description=description)


def failure_page(batch: str | None, error: str, next_step: str) -> None:
    """Show what failed, where, and the command that comes next."""
    subject = batch or "labelyard"
    page(
        f"failure-{subject}",
        f"### {subject} failed\n\n{block(error)}\n\n**Next:**\n\n{block(next_step)}\n",
        f"{subject}: what to do",
    )


def event(what: str, batch: str, dataset: str, **payload: Any) -> None:
    """Tell Prefect's feed that something happened to a batch; Prefect ties it to the run that is at work.

    Nothing is started by these events: `emit_event` loses them while the server is away.
    """
    resource, related = resources(batch, dataset)
    with best_effort(f"telling Prefect's feed of {batch}"):
        emit_event(
            event=f"labelyard.{what}",
            resource=resource,
            related=related,
            payload={"batch": batch, **payload},
        )


class UploadProgress:
    """A bar in Prefect's UI, for a callback of bytes sent and bytes in all: a `with` block that ends with the upload.

    A thread draws it, twice a second at most: a slow server of Prefect must not hold up what it shows.
    """

    def __init__(self, batch: str) -> None:
        self._batch = batch
        self._artifact: UUID | None = None
        self._reached = self._shown = (0, 0)
        self._over = threading.Event()
        # In the caller's context, so that the bar is one of the caller's run.
        self._artist = threading.Thread(target=copy_context().run, args=(self._go_on_drawing,), daemon=True)

    def __call__(self, sent: int, total: int) -> None:
        """Tell that `sent` of `total` bytes are on their way."""
        self._reached = (sent, total)

    def __enter__(self) -> Self:
        self._artist.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Show how far it came."""
        self._over.set()
        self._artist.join()

    def _go_on_drawing(self) -> None:
        with best_effort(f"drawing the upload of {self._batch}"):  # a bar that cannot be drawn once is not tried again
            while not self._over.wait(_SECONDS_BETWEEN_UPDATES):
                self._draw(*self._reached)
            self._draw(*self._reached)

    def _draw(self, sent: int, total: int) -> None:
        if (sent, total) == self._shown:
            return
        self._shown = (sent, total)
        percent = min(100.0, 100.0 * sent / total) if total else 100.0  # the form around the files is sent too
        description = f"{self._batch}: {min(sent, total):,} of {total:,} bytes sent"
        if self._artifact is None:
            made = create_progress_artifact(percent, key=slug(f"upload-{self._batch}"), description=description)
            self._artifact = cast("UUID", made)
        else:
            update_progress_artifact(self._artifact, percent, description=description)


def tag_run(dataset: str) -> None:
    """Give the current run the name of its dataset as a tag: the UI filters by tags."""
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        tags = {*context.flow_run.tags, dataset}
        with best_effort("tagging the run"), get_client(sync_client=True) as client:
            client.update_flow_run(context.flow_run.id, tags=tags)


def batch_of_this_run() -> str | None:
    """The batch that the current flow run was started for; None where it is for no single one."""
    context = FlowRunContext.get()
    batch = (context.parameters or {}).get("batch") if context else None
    return batch if isinstance(batch, str) else None
