"""Asking the servers that are left alone whether they are back, so that no run of a batch has to fail to find out."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping

from labelyard.context import Context
from labelyard.errors import LabelyardError, StoreError, StoreUnreachable
from labelyard.ledger import breakers, datasets
from labelyard.operations.remarks import server_label

_log = logging.getLogger(__name__)


def probe(context: Context) -> Mapping[str, str]:
    """Ask every server that is left alone, once a minute at most; returns those still away, with what they said."""
    with context.ledger.transaction() as tx:
        troubled = [row.server for row in breakers.failing(tx)]
        due = [server for server in troubled if breakers.may_probe(tx, server)]
    for server in due:
        _ask(context, server)
    with context.ledger.read_only() as tx:
        return {row.server: row.error for row in breakers.failing(tx)}


def _ask(context: Context, server: str) -> None:
    try:
        if server == breakers.STORE:
            _ask_store(context)
        else:
            context.cvat(server).whoami()
    except LabelyardError as error:
        with context.ledger.transaction() as tx:
            breakers.record_failure(tx, server, error.happened)
        return
    with context.ledger.transaction() as tx:
        breakers.record_success(tx, server)
    _log.info("%s is back", server_label(server))


def _ask_store(context: Context) -> None:
    """Raises StoreUnreachable where a source does not answer: any of them, for one bucket may be away by itself."""
    with context.ledger.read_only() as tx:
        sources = [source for spec, _ in datasets.current(tx) for source in spec.sources]
    if not sources:
        return
    source = random.choice(sources)  # noqa: S311 - nothing secret
    try:
        next(context.store.list(source.bucket, source.prefix, page_size=1), None)
    except StoreUnreachable:
        raise
    except StoreError:
        return  # a refusal is an answer
