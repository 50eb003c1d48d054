"""The one place that turns settings into the things that steps work with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from labelyard import failpoints
from labelyard.cvat import Cvat, connect
from labelyard.ledger import Ledger
from labelyard.settings import CvatSettings, Settings, StoreSettings, load_settings
from labelyard.storage import Store

_cvats: dict[CvatSettings, Cvat] = {}
"""Kept for the life of the process, whatever workplaces come and go: CVAT counts logins (100 an hour on later 1.x)."""
_stores: dict[StoreSettings, Store] = {}
"""Kept too: boto3 reads its descriptions of S3 anew for each client, which takes longer than a small batch."""
_lock = Lock()


@dataclass
class Context:
    """A ledger, and the store and the CVATs that are opened once a process."""

    settings: Settings
    ledger: Ledger
    store: Store

    def cvat(self, name: str) -> Cvat:
        """The CVAT that datasets call `name`, logged in once a process. Raises SettingsError."""
        at = self.settings.cvat_named(name)
        with _lock:
            if at not in _cvats:
                _cvats[at] = connect(
                    at.url, username=at.username, password=at.password, token=at.token, dialect=at.dialect,
                    timeout=at.timeout_seconds,
                )  # fmt: skip
            return _cvats[at]


@contextmanager
def open_context(settings: Settings | None = None) -> Iterator[Context]:
    """A workplace from the settings of this machine, closed at the end.

    Raises SettingsError, LedgerBehind or LedgerUnreachable; CVAT and the store are reached when first used.
    """
    settings = settings or load_settings()
    failpoints.arm(settings.failpoint)
    context = Context(settings, Ledger(settings.ledger), _store(settings.store))
    try:
        yield context
    finally:
        context.ledger.close()


def _store(settings: StoreSettings) -> Store:
    with _lock:
        if settings not in _stores:
            _stores[settings] = Store(settings)
        return _stores[settings]
