"""A workspace on CVAT 2.73 in an organization, and the part of the watcher that CVAT's webhook posts to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from pydantic import SecretStr

from labelyard.pipeline.collect_reported import collect_reported_tasks
from labelyard.server_settings import WebhookSettings, webhook_secrets
from labelyard.sources.cvat_deliveries import CvatDeliveries
from labelyard.sources.reported_tasks import ReportedTask, ReportedTasks
from labelyard.sources.webhook import Webhook, serve
from tests.support.sandbox_client_v2 import found_organization
from tests.support.workspace import Workspace

SECRET = "a secret of this test"


def in_organization(workspace: Workspace, url: str, **changes: Any) -> Workspace:
    """Move the dataset into an organization, with a webhook in the settings; `changes` are as in `apply`."""
    found_organization(workspace.sandbox.url, "acme", ann="worker", bob="worker")
    set_webhook(workspace, url)
    workspace.apply(cvat={"organization": "acme"}, **changes)
    return workspace


def set_webhook(workspace: Workspace, url: str) -> None:
    """Set the address and the secret of the webhook in the settings."""
    settings = workspace.context.settings
    webhook = WebhookSettings(url=url, secret=SecretStr(SECRET))
    servers = {"default": settings.cvat["default"].model_copy(update={"webhook": webhook})}
    workspace.context.settings = settings.model_copy(update={"cvat": servers})


class Watching:
    """What the watcher did with reports: the tasks that it asked for together."""

    def __init__(self, workspace: Workspace) -> None:
        self._collect = partial(collect_reported_tasks, workspace.context)
        self.collected: list[Mapping[ReportedTask, bool]] = []
        self.url = ""

    def collect(self, tasks: Mapping[ReportedTask, bool]) -> Collection[ReportedTask]:
        """Ask as the watcher does, and keep what was asked for."""
        again = self._collect(tasks)
        self.collected.append(tasks)
        return again


@contextmanager
def watching(workspace: Workspace, port: int = 0) -> Iterator[Watching]:
    """Serve the endpoint and ask for what is reported, as `labelyard watch` does."""
    watcher = Watching(workspace)
    reported = ReportedTasks(watcher.collect, lambda: None)
    deliveries = CvatDeliveries(webhook_secrets(workspace.context.settings.cvat), reported.report)
    webhook = Webhook(None, lambda: {"alive": True}, None, deliveries)
    with reported.running(), serve(webhook, "127.0.0.1", port) as watcher.url:
        yield watcher
