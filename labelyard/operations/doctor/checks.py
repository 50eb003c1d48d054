"""The table of checks, by subject."""

from __future__ import annotations

from collections.abc import Mapping

from labelyard.operations.doctor import cvat, events, ledger, models, notifications, storage, watcher, webhooks
from labelyard.operations.doctor.check import Subject

CHECKS: Mapping[str, Subject] = {
    "ledger": ledger.checks,
    "storage": storage.checks,
    "notifications": notifications.checks,
    "watcher": watcher.checks,
    "CVAT": cvat.checks,
    "webhooks": webhooks.checks,
    "models": models.checks,
    "events": events.checks,
}
"""Subject -> the function that returns its checks by name."""
