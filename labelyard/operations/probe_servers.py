"""Ask servers with an open breaker whether they answer again, so that no run of a batch fails to find out."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping

from labelyard.context import Context
from labelyard.errors import STORE_UNAVAILABLE, LabelyardError, SettingsError, StoreError
from labelyard.ledger import Transaction, breakers, datasets

_log = logging.getLogger(__name__)


def probe(context: Context) -> Mapping[str, str]:
    """Ask each unavailable server, at most once a minute; return those that still fail, with their last error."""
    with context.ledger.transaction() as tx:
        _forget_unused(tx, context)
        servers = [row.server for row in breakers.failing(tx)]
        due = [server for server in servers if breakers.may_probe(tx, server)]
    for server in due:
        _probe_server(context, server)
    return unavailable(context)


def unavailable(context: Context) -> Mapping[str, str]:
    """Return the servers whose circuit breaker is open, with their last error, from the ledger."""
    with context.ledger.read_only() as tx:
        return {row.server: row.error for row in breakers.failing(tx)}


def _forget_unused(tx: Transaction, context: Context) -> None:
    """Close the breakers of CVATs that neither the settings nor a dataset names: their outages would never end."""
    used = {breakers.STORE, *(spec.cvat for spec in datasets.current(tx))}
    for row in breakers.failing(tx):
        if row.server not in used and not _is_in_settings(context, row.server):
            breakers.record_success(tx, row.server)


def _is_in_settings(context: Context, cvat: str) -> bool:
    try:
        context.settings.cvat_named(cvat)
    except SettingsError:
        return False
    return True


def _probe_server(context: Context, server: str) -> None:
    try:
        if server == breakers.STORE:
            _list_a_source(context)
        else:
            context.cvat(server).whoami()
    except LabelyardError as error:
        with context.ledger.transaction() as tx:
            breakers.record_failure(tx, server, error.happened)
        return
    with context.ledger.transaction() as tx:
        breakers.record_success(tx, server)
    _log.info("%s answers again", breakers.server_label(server))


def _list_a_source(context: Context) -> None:
    """List any source, because a single bucket may be unavailable. Raises StoreUnreachable."""
    with context.ledger.read_only() as tx:
        sources = [source for spec in datasets.current(tx) for source in spec.sources]
    if not sources:
        return
    source = random.choice(sources)  # noqa: S311 - nothing secret
    try:
        next(context.store.list(source.bucket, source.prefix, page_size=1), None)
    except STORE_UNAVAILABLE:
        raise
    except StoreError:
        return  # the store answers, though it refuses
