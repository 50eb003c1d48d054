"""The webhook with which a dataset's CVAT reports changed jobs to the watcher."""

from __future__ import annotations

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.ledger.database import ledger_id
from labelyard.sources.webhook_setup import WebhookSetup


def webhook_setup(context: Context, spec: DatasetSpec) -> WebhookSetup:
    """Return what plans and applies the webhook; the settings must have one (`wants_webhook`).

    Raises SettingsError if the dataset has neither an organization nor a project, to one of which a webhook belongs.
    """
    with context.ledger.read_only() as tx:
        return WebhookSetup(context.settings, spec, context.cvat(spec.cvat), ledger_id(tx))
