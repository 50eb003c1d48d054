"""Context: the ledger, object storage and CVAT clients that the settings name. Every pipeline step needs one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from labelyard import failpoints
from labelyard.blocks import complete
from labelyard.domain.forgotten import Timeouts
from labelyard.ledger import Ledger
from labelyard.server_settings import CvatSettings, StoreSettings
from labelyard.settings import Settings, load_settings

if TYPE_CHECKING:
    from labelyard.cvat import Cvat
    from labelyard.storage import Store

_cvats: dict[CvatSettings, Cvat] = {}
"""Clients are kept until the process ends: CVAT limits logins (100 an hour on later 1.x)."""
_stores: dict[StoreSettings, Store] = {}
"""Kept too: boto3 reads its description of S3 for each new client, which takes longer than a small batch."""
_lock = Lock()
_opened: ContextVar[Context | None] = ContextVar("opened", default=None)
"""The context that `open_context()` has opened around the current code, if any."""


@dataclass
class Context:
    """The settings of this machine, its ledger, its object storage and its CVAT servers.

    Many commands need the ledger alone: the clients of the others are imported and made at their first use.
    """

    settings: Settings
    ledger: Ledger
    _store: Store | None = None

    @property
    def store(self) -> Store:
        """The object storage of the settings, or another one that the context was made with."""
        return self._store or _store(self.settings.store)

    @store.setter
    def store(self, store: Store) -> None:
        self._store = store

    @property
    def forgotten_timeouts(self) -> Timeouts:
        """When an upload counts as forgotten by CVAT."""
        return Timeouts(self.settings.forgotten_seconds, self.settings.stalled_seconds)

    @contextmanager
    def spool_folder(self, purpose: str) -> Iterator[Path]:
        """Yield a new private folder below the spool, whose name begins with `purpose`; it is deleted at the end."""
        self.settings.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{purpose}-", dir=self.settings.spool) as folder:
            yield Path(folder)

    def cvat(self, name: str) -> Cvat:
        """Return the client of the CVAT, and of the organization there, that datasets call `name`.

        Raises SettingsError for an unknown name.
        """
        from labelyard.cvat import connect  # noqa: PLC0415 - see the class

        at = self.settings.cvat_named(name)
        with _lock:
            server = at.model_copy(update={"organization": ""})
            if server not in _cvats:
                _cvats[server] = connect(
                    at.url, username=at.username, password=at.password, token=at.token, dialect=at.dialect,
                    timeout=at.timeout_seconds,
                )  # fmt: skip
            if at not in _cvats:  # with the session of the other clients of the server
                _cvats[at] = _cvats[server].in_organization(at.organization)
            return _cvats[at]


@contextmanager
def open_context(settings: Settings | None = None) -> Iterator[Context]:
    """Open a context with `settings`, by default those of this machine, and close its ledger at the end.

    Without `settings`, inside another `with open_context():`, return that one's context. So a Prefect task shares the
    ledger of its flow: Prefect copies context variables into the threads of tasks.

    Blocks of Prefect that the settings name are read first. Raises SettingsError, PrefectUnreachable (if there are such
    blocks), LedgerBehind or LedgerUnreachable. CVAT and object storage are contacted at their first use.
    """
    outer = _opened.get()
    if settings is not None:
        with _open(settings) as context:
            yield context
    elif outer is not None:
        yield outer
    else:
        with _open(load_settings()) as context:
            token = _opened.set(context)
            try:
                yield context
            finally:
                _opened.reset(token)


@contextmanager
def _open(settings: Settings) -> Iterator[Context]:
    failpoints.arm(settings.failpoint)
    settings = complete(settings)
    context = Context(settings, Ledger(settings.ledger))
    try:
        yield context
    finally:
        context.ledger.close()


def _store(settings: StoreSettings) -> Store:
    from labelyard.storage import Store  # noqa: PLC0415 - see the class

    with _lock:
        if settings not in _stores:
            _stores[settings] = Store(settings)
        return _stores[settings]
