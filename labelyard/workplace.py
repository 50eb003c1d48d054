"""The one place that turns settings into the things that steps work with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Lock

from labelyard.cvat import Cvat, connect
from labelyard.ledger import Ledger
from labelyard.settings import Settings, load_settings
from labelyard.storage import Store


@dataclass
class Workplace:
    """A ledger, a store and the CVATs, each opened once a process."""

    settings: Settings
    ledger: Ledger
    store: Store
    _cvats: dict[str, Cvat] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def cvat(self, name: str) -> Cvat:
        """The CVAT that datasets call `name`, logged in once. Raises SettingsError or a CvatError."""
        with self._lock:
            if name not in self._cvats:
                at = self.settings.cvat_named(name)
                self._cvats[name] = connect(
                    at.url, username=at.username, password=at.password, token=at.token, dialect=at.dialect
                )
            return self._cvats[name]

    def close(self) -> None:
        """Give every connection back; the CVAT tokens stay valid, other clients of the user share them."""
        with ExitStack() as stack:
            for cvat in self._cvats.values():
                stack.callback(cvat.close)
            stack.callback(self.ledger.close)


@contextmanager
def open_workplace(settings: Settings | None = None) -> Iterator[Workplace]:
    """A workplace from the settings of this machine, closed at the end.

    Raises SettingsError, LedgerBehind or LedgerUnreachable; CVAT and the store are reached when first used.
    """
    settings = settings or load_settings()
    place = Workplace(settings, Ledger(settings.ledger), Store(settings.store))
    try:
        yield place
    finally:
        place.close()
