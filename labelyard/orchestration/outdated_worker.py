"""Whether this worker is too old for the ledger: then it takes no runs, and those of a newer labelyard do the work."""

from __future__ import annotations

import logging
import time

from labelyard.errors import LabelyardError, LedgerAhead
from labelyard.ledger import Ledger
from labelyard.settings import load_settings

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_CHECKS = 10.0


class SchemaCheck:
    """Asks the ledger of this machine, now and then, whether a newer labelyard has upgraded it."""

    def __init__(self) -> None:
        self._due, self._is_ahead, self._failure = 0.0, False, ""

    def is_ahead(self) -> bool:
        """Return whether the ledger is too new for this labelyard; the last answer, at first False, if it fails."""
        if time.monotonic() < self._due:
            return self._is_ahead
        try:
            Ledger(load_settings().ledger).close()
        except LedgerAhead as error:
            if not self._is_ahead:
                _log.error("this worker takes no runs any more: %s", error)
            self._is_ahead = True
        except Exception as error:  # noqa: BLE001 - a damaged file, a refused login: the flows report it
            failure = f"{type(error).__name__}: {error}"
            is_known = isinstance(error, LabelyardError) or failure == self._failure
            level = logging.DEBUG if is_known else logging.WARNING
            _log.log(level, "the schema of the ledger could not be checked: %s", failure)
            self._failure = failure
        else:
            self._is_ahead, self._failure = False, ""
        self._due = time.monotonic() + _SECONDS_BETWEEN_CHECKS
        return self._is_ahead
