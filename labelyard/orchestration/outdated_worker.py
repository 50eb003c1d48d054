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
        self._due, self._is_ahead = 0.0, False

    def is_ahead(self) -> bool:
        """Return whether the ledger is too new for this labelyard; False while it is not known."""
        if time.monotonic() < self._due:
            return self._is_ahead
        try:
            Ledger(load_settings().ledger).close()
        except LedgerAhead as error:
            if not self._is_ahead:
                _log.error("this worker takes no runs any more: %s", error)
            self._is_ahead = True
        except LabelyardError as error:  # the flows say what is wrong with it
            _log.debug("the schema of the ledger could not be checked: %s", error)
        else:
            self._is_ahead = False
        self._due = time.monotonic() + _SECONDS_BETWEEN_CHECKS
        return self._is_ahead
