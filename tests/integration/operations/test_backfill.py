"""Backfill of a full bucket, beside notifications, stopped and continued: nothing twice, nothing left out."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import func, select

from labelyard.config import DatasetSpec
from labelyard.context import Context, open_context
from labelyard.domain.objects import StoredObject
from labelyard.domain.states import BatchState
from labelyard.errors import InputError, NotFound, StoreError
from labelyard.ledger import Ledger, batches, datasets, objects
from labelyard.ledger.tables import Batch, History, Object
from labelyard.operations import manual
from labelyard.operations.backfill import backfill
from labelyard.pipeline.register_objects import Registered, register_objects, sweep_sources
from labelyard.server_settings import StoreSettings
from labelyard.settings import Settings
from labelyard.sources.notifications import NotifiedObject
from tests.support.emulator import StoreServer
from tests.support.fresh_ledger import create_ledger
from tests.support.listing_server import ListingServer, etag, listing, numbered


def context_with_dataset(ledger: str, at: StoreSettings, bucket: str = "pictures", **batch: object) -> Context:
    with open_context(Settings(ledger=ledger, store=at)) as context:
        apply(context, bucket, **batch)
    context.ledger = Ledger(ledger)
    return context


def apply(context: Context, bucket: str, **batch: object) -> None:
    document = {
        "name": "street", "sources": [{"bucket": bucket, "prefix": "in/"}], "annotators": ["ann"],
        "batch": {"max_objects": 100, **batch}, "task": {"labels": ["car"]}, "export": {"prefix": "out"},
    }  # fmt: skip
    with context.ledger.transaction() as tx:
        datasets.apply(tx, DatasetSpec.model_validate(document))


def store_of(server: ListingServer) -> StoreSettings:
    return StoreSettings(
        endpoint_url=server.url, region="us-east-1", access_key_id="t", secret_access_key="t", addressing_style="path"
    )


def counts(context: Context) -> tuple[int, int, dict[BatchState, int]]:
    """Return how many objects and different keys there are, and batches by state."""
    with context.ledger.read_only() as tx:
        rows = tx.scalar(select(func.count()).select_from(Object)) or 0
        keys = tx.scalar(select(func.count(func.distinct(Object.key))).where(Object.batch_id.is_not(None))) or 0
        states = tx.execute(select(Batch.state, func.count()).group_by(Batch.state))
        for batch in tx.scalars(select(Batch)):
            assert len(batches.members(tx, batch.id)) == batch.objects
        return rows, keys, dict(states.tuples().all())


def notified(numbers: range) -> list[NotifiedObject]:
    return [
        NotifiedObject(StoredObject("pictures", numbered(n), etag(n)), "ObjectCreated:Put", "aws:s3") for n in numbers
    ]


def test_every_object_is_registered_once_and_batches_close_as_they_fill(ledger_url: str) -> None:
    with listing(3450) as server:
        context = context_with_dataset(ledger_url, store_of(server))
        assert sum(backfill(context, "street"), Registered()) == Registered(new=3450)
        assert counts(context) == (3450, 3450, {BatchState.CLOSED: 34, BatchState.OPEN: 1})
        assert sum(backfill(context, "street"), Registered()) == Registered(known=3450)
        assert counts(context)[0] == 3450
        context.ledger.close()


def test_a_backfill_stopped_after_any_chunk_continues_later(tmp_path: Path) -> None:
    with listing(4200) as server:
        context = context_with_dataset(create_ledger(tmp_path / "ledger.db"), store_of(server))
        assert sum(islice(backfill(context, "street"), 2), Registered()) == Registered(new=2000)
        assert sum(backfill(context, "street"), Registered()) == Registered(new=2200, known=2000)
        context.ledger.close()


@pytest.mark.slow
def test_notifications_and_two_backfills_at_once_register_nothing_twice(ledger_url: str) -> None:
    with listing(3000) as server:
        context = context_with_dataset(ledger_url, store_of(server))
        together = threading.Barrier(3)

        def run(what: int) -> int:
            together.wait(30)
            if what < 2:
                return sum(backfill(context, "street"), Registered()).new
            return sum(
                (register_objects(context, notified(range(n, n + 7)), "sqs") for n in reversed(range(0, 3000, 70))),
                Registered(),
            ).new

        with ThreadPoolExecutor(3) as pool:
            new = list(pool.map(run, range(3)))
        assert sum(new) == 3000
        assert counts(context)[:2] == (3000, 3000)
        with context.ledger.read_only() as tx:
            registered = tx.scalar(select(func.count()).select_from(History).where(History.what == "registered"))
        assert registered == 3000
        context.ledger.close()


def test_an_unknown_or_paused_dataset_and_a_source_that_is_missing_or_empty_are_named(
    store_server: StoreServer, tmp_path: Path
) -> None:
    bucket = store_server.new_bucket()
    context = context_with_dataset(create_ledger(tmp_path / "ledger.db"), store_server.settings, bucket)
    with pytest.raises(NotFound, match="street"):
        next(backfill(context, "zoo"))
    with pytest.raises(StoreError, match=f"s3://{bucket}/in/: contains nothing"):
        next(backfill(context, "street"))
    store_server.store.write(bucket, "in/a.jpg", b"x")
    manual.pause(context, "street", "a broken camera")
    with pytest.raises(InputError, match=r"paused: a broken camera[\s\S]*labelyard resume street"):
        next(backfill(context, "street"))
    manual.resume(context, "street")
    assert list(backfill(context, "street")) == [Registered(new=1)]
    apply(context, "no-such-bucket")
    with pytest.raises(StoreError, match="create the bucket"):
        next(backfill(context, "street"))
    context.ledger.close()


def test_a_missing_second_source_is_reported_before_anything_is_registered(
    store_server: StoreServer, tmp_path: Path
) -> None:
    bucket = store_server.new_bucket()
    context = context_with_dataset(create_ledger(tmp_path / "ledger.db"), store_server.settings, bucket)
    store_server.store.write(bucket, "in/a.jpg", b"x")
    with context.ledger.transaction() as tx:
        spec = datasets.spec(tx, "street").model_dump(mode="json")
        spec["sources"].append({"bucket": "no-such-bucket", "prefix": "in/"})
        datasets.apply(tx, DatasetSpec.model_validate(spec))
    with pytest.raises(StoreError, match="no-such-bucket"):
        next(backfill(context, "street"))
    assert counts(context)[0] == 0
    context.ledger.close()


@pytest.mark.parametrize("via", ["backfill", "sweep"])
def test_a_key_that_no_database_accepts_is_left_out_with_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, via: str
) -> None:
    odd = ["in/a\0b.jpg", "in/a\0b.txt"]
    with listing(3, odd) as server:
        context = context_with_dataset(create_ledger(tmp_path / "ledger.db"), store_of(server))
        with caplog.at_level(logging.WARNING):
            found = (
                sum(backfill(context, "street"), Registered())
                if via == "backfill"
                else sweep_sources(context).registered["street"]
            )
        assert found == Registered(new=3, ignored=2)
        assert [record.getMessage() for record in caplog.records] == [
            r"s3://pictures/'in/a\x00b.jpg' is ignored: no database accepts the NUL in its key; copy it to another key"
        ]
        with context.ledger.read_only() as tx:
            assert list(objects.of_key(tx, "pictures", odd[0])) == []
        context.ledger.close()
