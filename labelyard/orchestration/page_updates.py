"""Keeps the pages in Prefect's UI up to date: of the installation, of each dataset, of batches, of failures.

Called twice a minute. While nothing changed a look costs a few counts, and only after REFRESH_AFTER the pages are
written again, so that their readers know that they are alive. No run and no version of an artifact is created.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from labelyard.context import Context
from labelyard.domain.states import BatchState
from labelyard.ledger import batches, datasets, workload
from labelyard.ledger.tables import Batch, History
from labelyard.ledger.workload import Marker
from labelyard.markdown import code
from labelyard.operations.figure_words import headline
from labelyard.operations.figures import Figures, figures
from labelyard.operations.moments import moment, moment_and_zone, rewritten_by
from labelyard.orchestration.batch_artifact import batch_markdown
from labelyard.orchestration.best_effort import best_effort
from labelyard.orchestration.operations_artifact import operations_markdown, plot_line
from labelyard.orchestration.page_links import (
    OPERATIONS,
    batch_key,
    dataset_key,
    failure_key,
    release_key,
)
from labelyard.orchestration.page_plots import is_available, plot_url
from labelyard.orchestration.page_store import PageStore, StoredPage

_REFRESH_MINUTES = 15
REFRESH_AFTER = timedelta(minutes=_REFRESH_MINUTES - 1)
"""After this time a page is written again although nothing changed; the looks are a minute apart."""
_BATCHES_AT_ONCE = 50
_KEPT_BATCH_PAGES = 2000
_WITHOUT_PLOT = "Plots need `pip install 'labelyard[report]'` on the workers."


@dataclass(frozen=True)
class _DrawnBatches:
    """Up to which entry of the history the pages of batches are up to date, and which of them say that it is late."""

    history: int
    late: Collection[str]
    all_late: bool
    """Whether these are all; if not, the next look continues."""


def update_pages(context: Context) -> None:
    """Bring every page up to date. A Prefect that does not answer stops nothing."""
    with best_effort("updating the pages"), PageStore(context.settings) as store:
        _update(context, store)


def update_batch_artifact(context: Context, batch: str) -> None:
    """Bring the page of a batch up to date, and delete the page of its failure if it has recovered."""
    with best_effort(f"updating the page of {batch}"), PageStore(context.settings) as store:
        _update_batches(context, store, [batch])


def _update(context: Context, store: PageStore) -> None:
    known = store.find([OPERATIONS]).get(OPERATIONS)
    with context.ledger.read_only() as tx:
        marker, now = workload.marker(tx), tx.now
        if known is not None and _is_current(known, marker, now):
            return
        seen = figures(tx, zone=context.settings.zone)
        names = sorted(spec.name for spec in datasets.current(tx))
    values = known.values if known is not None and known.values.get("ledger") == marker.ledger else {}
    last = int(values.get("history", 0)) if values else None
    changed, history = _changed_batches(context, last, marker.history)
    # The passing of time makes a batch late, without an entry in the history.
    shown_late, late = {*values.get("late", "").split()}, {one.id for one in seen.late}
    became = sorted(shown_late ^ late)[:_BATCHES_AT_ONCE]
    _update_batches(context, store, list(dict.fromkeys([*changed, *became])))
    drawn = _DrawnBatches(history, shown_late ^ {*became}, len(became) < _BATCHES_AT_ONCE)
    pages = store.find([OPERATIONS, *map(dataset_key, names), *map(release_key, names), *_named(seen)])
    for name in names:
        with context.ledger.read_only() as tx:
            of_dataset = figures(tx, name, context.settings.zone)
        _write(store, of_dataset, pages | store.find(_named(of_dataset)), marker, drawn)
    _write(store, seen, pages | store.find(map(dataset_key, names)), marker, drawn, names)
    _delete_pages_of_healed_failures(context, store)
    for old in store.versions("batch-", _KEPT_BATCH_PAGES):
        store.delete(old)


def _is_current(page: StoredPage, marker: Marker, now: datetime) -> bool:
    """Return whether neither the ledger nor the passing of time has changed what a page shows, and it is not old.

    The pages of all batches must be up to date too.
    """
    complete = page.values.get("history") == str(marker.history)
    changes_at = page.values.get("changes_at")
    overdue = bool(changes_at) and datetime.fromisoformat(changes_at or "") <= now
    return page.values.get("marker") == str(marker) and complete and not overdue and now - page.updated < REFRESH_AFTER


def _named(seen: Figures) -> Sequence[str]:
    """Return the keys of the pages of all batches that a page may name."""
    named = [one.id for one in seen.newest] + [late.id for late in seen.late]
    named += [batch for cause in seen.causes for batch in cause.batches]
    return list(map(batch_key, named[:1000]))


def _write(
    store: PageStore,
    seen: Figures,
    pages: Mapping[str, StoredPage],
    marker: Marker,
    drawn: _DrawnBatches,
    names: Sequence[str] = (),
) -> None:
    """Write the page of an installation, with links to the datasets of these names, or of a dataset."""
    key = dataset_key(seen.dataset) if seen.dataset else OPERATIONS
    known, links = pages.get(key), store.links(pages)
    plot = plot_url(seen)
    page = operations_markdown(seen, links, names, plot)
    # Without the image: another machine draws other pixels of the same days, or none.
    words = page.replace(f"{plot_line(plot)}\n\n", "") if plot else page
    digest = _digest(words, seen.verdict, str(seen.days), str(seen.zone))
    is_same = known is not None and known.values.get("digest") == digest
    changed_at = known.values.get("changed_at", "") if known and is_same else seen.at.isoformat()
    up = f"[all datasets](<{links.url(OPERATIONS)}>) · " if seen.dataset else ""
    measured = f"{moment_and_zone(seen.at, seen.zone)}, {up}{seen.dataset or 'all datasets'}"
    since = moment(datetime.fromisoformat(changed_at), seen.zone)
    unchanged = f"; nothing has changed since {since}" if is_same else ""
    latest = rewritten_by(seen.at, timedelta(minutes=_REFRESH_MINUTES), seen.zone)
    promise = f"This page follows a change within a minute. {latest}: {code('labelyard doctor')}."
    note = "" if plot or is_available() else f"\n\n{_WITHOUT_PLOT}"
    changes_at = seen.changes_at if drawn.all_late else seen.at
    values = {
        "digest": digest,
        "changed_at": changed_at,
        "marker": str(marker),
        "history": str(drawn.history),
        "late": " ".join(sorted(drawn.late)),
        "ledger": marker.ledger,
        "changes_at": changes_at.isoformat() if changes_at else "",
    }
    store.write(
        key, f"## {headline(seen)}\n\n{measured}{unchanged}. {promise}\n\n{page}{note}", headline(seen), values, known
    )


def _changed_batches(context: Context, after: int | None, until: int) -> tuple[Sequence[str], int]:
    """Return the batches to look at now, and the entry of the history up to which all are up to date then.

    These are the batches with entries in the history `after` one of them, and those with an error; open ones have no
    page yet. Of many changes the oldest come first, and the next look continues. `until` is the newest entry. Where
    `after` is None there are no pages yet: only the newest batches get one.
    """
    with context.ledger.read_only() as tx:
        changed = select(Batch.id).where(Batch.state != BatchState.OPEN).limit(_BATCHES_AT_ONCE)
        failed = tx.scalars(changed.where(Batch.error.is_not(None)).order_by(Batch.changed_at.desc())).all()
        newest = func.max(History.id)
        query = changed.add_columns(newest).join(History, History.batch_id == Batch.id).group_by(Batch.id)
        query = query.order_by(newest.desc()) if after is None else query.where(History.id > after).order_by(newest)
        entries = {row[0]: row[1] for row in tx.execute(query)}
    more = after is not None and len(entries) == _BATCHES_AT_ONCE
    return list(dict.fromkeys([*failed, *entries])), max(entries.values()) if more else until


def _update_batches(context: Context, store: PageStore, names: Sequence[str]) -> None:
    if not names:
        return
    with context.ledger.read_only() as tx:
        rows = [batches.get(tx, name) for name in names]
        of_them = {row.id: row.dataset for row in rows}
    of_batches = [key(name) for name in names for key in (batch_key, failure_key)]
    pages = store.find([OPERATIONS, *map(dataset_key, set(of_them.values())), *of_batches])
    for name in names:
        runs = store.runs(f"ingest {name}", f"export {name}")
        with context.ledger.read_only() as tx:
            markdown, description, healed = batch_markdown(tx, name, store.links(pages), context.settings.zone, runs)
        known = pages.get(batch_key(name))
        digest = _digest(markdown)
        if known is None or known.values.get("digest") != digest:
            store.write(batch_key(name), markdown, description, {"digest": digest}, known)
        if healed and failure_key(name) in pages:
            for page in store.versions(failure_key(name)):
                if page.key == failure_key(name):
                    store.delete(page)


def _delete_pages_of_healed_failures(context: Context, store: PageStore) -> None:
    """Delete the page of a failure once its batch has no error, or once its deployment has completed a run again."""
    pages = store.versions("failure-")
    if not pages:
        return
    with context.ledger.read_only() as tx:
        names = [spec.name for spec in datasets.current(tx, retired=True)]
        of_pages = [one for page in pages for one in _batches_with_page(page.key, names)]
        without_error = select(Batch.id).where(Batch.id.in_(of_pages), Batch.error.is_(None))
        healed = set(map(failure_key, tx.scalars(without_error)))
    for page in pages:
        general = page.key == failure_key("labelyard") and page.run is not None
        if page.key in healed or (general and store.has_completed_since(page.run or "", page.updated)):
            store.delete(page)


def _batches_with_page(key: str, names: Sequence[str]) -> Sequence[str]:
    """Return the ids that a batch of one of these datasets must have to have this page of a failure."""
    ids = [f"{name}-{key.rpartition('-')[2]}" for name in names]
    return [one for one in ids if failure_key(one) == key]


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]
