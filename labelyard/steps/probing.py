"""Asking the servers that are left alone whether they are back, so that no run of a batch has to fail to find out."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping

from labelyard.errors import LabelyardError, StoreError, StoreUnreachable
from labelyard.ledger import breakers, datasets
from labelyard.workplace import Workplace

_log = logging.getLogger(__name__)


def probe(place: Workplace) -> Mapping[str, str]:
    """Ask every server that is left alone, once a minute at most; returns those still away, with what they said."""
    with place.ledger.write() as session:
        troubled = [row.server for row in breakers.troubled(session)]
        due = [server for server in troubled if breakers.may_probe(place.ledger, session, server)]
    for server in due:
        _ask(place, server)
    with place.ledger.read() as session:
        return {row.server: row.error for row in breakers.troubled(session)}


def _ask(place: Workplace, server: str) -> None:
    try:
        if server == breakers.STORE:
            _ask_store(place)
        else:
            place.cvat(server).whoami()
    except LabelyardError as error:
        with place.ledger.write() as session:
            breakers.record_failure(place.ledger, session, server, error.happened)
        return
    with place.ledger.write() as session:
        breakers.record_success(session, server)
    _log.info("%s is back", breakers.called(server))


def _ask_store(place: Workplace) -> None:
    """Raises StoreUnreachable where a source does not answer: any of them, for one bucket may be away by itself."""
    with place.ledger.read() as session:
        sources = [source for spec, _ in datasets.current(session) for source in spec.sources]
    if not sources:
        return
    source = random.choice(sources)  # noqa: S311 - nothing secret
    try:
        next(place.store.list(source.bucket, source.prefix, page_size=1), None)
    except StoreUnreachable:
        raise
    except StoreError:
        return  # a refusal is an answer
