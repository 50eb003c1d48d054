"""Asking the servers that are left alone whether they are back, so that no run of a batch has to fail to find out."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from labelyard.errors import LabelyardError
from labelyard.ledger import breakers
from labelyard.workplace import Workplace

_log = logging.getLogger(__name__)


def knock(place: Workplace) -> Mapping[str, str]:
    """Ask every CVAT that is left alone and whose wait is over; returns those still away, with what they said."""
    with place.ledger.write() as session:
        troubled = [row.cvat for row in breakers.troubled(session)]
        due = [cvat for cvat in troubled if breakers.may_try(place.ledger, session, cvat) is None]
    for cvat in due:
        _ask(place, cvat)
    with place.ledger.read() as session:
        return {row.cvat: row.error for row in breakers.troubled(session)}


def _ask(place: Workplace, cvat: str) -> None:
    try:
        place.cvat(cvat).whoami()
    except LabelyardError as error:
        with place.ledger.write() as session:
            breakers.failed(place.ledger, session, cvat, str(error).split("\n  next: ")[0])
        return
    with place.ledger.write() as session:
        breakers.worked(session, cvat)
    _log.info("CVAT %s is back", cvat)
