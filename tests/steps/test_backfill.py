"""Backfill: a bucket that is full already, beside events, stops and goes on; nothing twice, nothing left out."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest
from emulator import StoreServer
from listing_server import ListingServer, etag, listing, numbered
from sqlalchemy import func, select

from labelyard.errors import InputError, NotKnown, StoreError
from labelyard.events import EventObject
from labelyard.ledger import Ledger, batches, datasets, objects, upgrade
from labelyard.ledger.tables import Batch, History, Object
from labelyard.model import StoredObject
from labelyard.plan.lifecycle import BatchState
from labelyard.settings import Settings, StoreSettings
from labelyard.spec import DatasetSpec
from labelyard.steps import by_hand
from labelyard.steps.backfilling import backfill
from labelyard.steps.landing import Landed, land, sweep
from labelyard.workplace import Workplace, open_workplace


def workplace(ledger: str, at: StoreSettings, bucket: str = "pictures", **batch: object) -> Workplace:
    upgrade(ledger)
    with open_workplace(Settings(ledger=ledger, store=at)) as place:
        apply(place, bucket, **batch)
    place.ledger = Ledger(ledger)
    return place


def apply(place: Workplace, bucket: str, **batch: object) -> None:
    document = {
        "name": "street", "sources": [{"bucket": bucket, "prefix": "in/"}], "annotators": ["ann"],
        "batch": {"max_objects": 100, **batch}, "task": {"labels": ["car"]}, "export": {"prefix": "out"},
    }  # fmt: skip
    with place.ledger.write() as session:
        datasets.apply(place.ledger, session, DatasetSpec.model_validate(document))


def of(server: ListingServer) -> StoreSettings:
    return StoreSettings(
        endpoint_url=server.url, region="us-east-1", access_key_id="t", secret_access_key="t", addressing_style="path"
    )


def counted(place: Workplace) -> tuple[int, int, dict[BatchState, int]]:
    """Objects, different identities, and batches by state."""
    with place.ledger.read() as session:
        rows = session.scalar(select(func.count()).select_from(Object)) or 0
        keys = session.scalar(select(func.count(func.distinct(Object.key))).where(Object.batch_id.is_not(None))) or 0
        states = session.execute(select(Batch.state, func.count()).group_by(Batch.state))
        for batch in session.scalars(select(Batch)):
            assert len(batches.members(session, batch.id)) == batch.objects
        return rows, keys, dict(states.tuples().all())


def told(numbers: range) -> list[EventObject]:
    return [EventObject(StoredObject("pictures", numbered(n), etag(n)), "ObjectCreated:Put", "aws:s3") for n in numbers]


def test_everything_lands_once_and_batches_close_as_they_fill(ledger_url: str) -> None:
    with listing(3450) as server:
        place = workplace(ledger_url, of(server))
        assert sum(backfill(place, "street"), Landed()) == Landed(new=3450)
        assert counted(place) == (3450, 3450, {BatchState.CLOSED: 34, BatchState.OPEN: 1})
        assert sum(backfill(place, "street"), Landed()) == Landed(known=3450)
        assert counted(place)[0] == 3450
        place.ledger.close()


def test_it_may_be_left_after_any_chunk_and_goes_on(tmp_path: Path) -> None:
    with listing(4200) as server:
        place = workplace(f"sqlite:///{tmp_path / 'ledger.db'}", of(server))
        assert sum(islice(backfill(place, "street"), 2), Landed()) == Landed(new=2000)
        assert sum(backfill(place, "street"), Landed()) == Landed(new=2200, known=2000)
        place.ledger.close()


def test_events_and_two_backfills_at_the_same_time_land_nothing_twice(ledger_url: str) -> None:
    with listing(3000) as server:
        place = workplace(ledger_url, of(server))
        together = threading.Barrier(3)

        def run(what: int) -> int:
            together.wait(30)
            if what < 2:
                return sum(backfill(place, "street"), Landed()).new
            return sum((land(place, told(range(n, n + 7)), "sqs") for n in reversed(range(0, 3000, 70))), Landed()).new

        with ThreadPoolExecutor(3) as pool:
            new = list(pool.map(run, range(3)))
        assert sum(new) == 3000
        assert counted(place)[:2] == (3000, 3000)
        with place.ledger.read() as session:
            told_of = session.scalar(select(func.count()).select_from(History).where(History.what == "landed"))
        assert told_of == 3000
        place.ledger.close()


def test_an_unknown_or_paused_dataset_and_a_source_that_is_missing_or_empty_are_named(
    store_server: StoreServer, tmp_path: Path
) -> None:
    bucket = store_server.new_bucket()
    place = workplace(f"sqlite:///{tmp_path / 'ledger.db'}", store_server.settings, bucket)
    with pytest.raises(NotKnown, match="street"):
        next(backfill(place, "lane"))
    with pytest.raises(StoreError, match=f"s3://{bucket}/in/: holds nothing"):
        next(backfill(place, "street"))
    store_server.store.write(bucket, "in/a.jpg", b"x")
    by_hand.pause(place, "street", "a broken camera")
    with pytest.raises(InputError, match=r"paused: a broken camera[\s\S]*labelyard resume street"):
        next(backfill(place, "street"))
    by_hand.resume(place, "street")
    assert list(backfill(place, "street")) == [Landed(new=1)]
    apply(place, "no-such-bucket")
    with pytest.raises(StoreError, match="create the bucket"):
        next(backfill(place, "street"))
    place.ledger.close()


def test_a_second_source_that_is_missing_is_told_before_anything_lands(
    store_server: StoreServer, tmp_path: Path
) -> None:
    bucket = store_server.new_bucket()
    place = workplace(f"sqlite:///{tmp_path / 'ledger.db'}", store_server.settings, bucket)
    store_server.store.write(bucket, "in/a.jpg", b"x")
    with place.ledger.write() as session:
        spec = datasets.spec(session, "street").model_dump(mode="json")
        spec["sources"].append({"bucket": "no-such-bucket", "prefix": "in/"})
        datasets.apply(place.ledger, session, DatasetSpec.model_validate(spec))
    with pytest.raises(StoreError, match="no-such-bucket"):
        next(backfill(place, "street"))
    assert counted(place)[0] == 0
    place.ledger.close()


@pytest.mark.parametrize("via", ["backfill", "sweep"])
def test_a_key_that_no_database_takes_is_left_out_with_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, via: str
) -> None:
    odd = ["in/a\0b.jpg", "in/a\0b.txt"]
    with listing(3, odd) as server:
        place = workplace(f"sqlite:///{tmp_path / 'ledger.db'}", of(server))
        with caplog.at_level(logging.WARNING):
            done = sum(backfill(place, "street"), Landed()) if via == "backfill" else sweep(place).landed["street"]
        assert done == Landed(new=3, ignored=2)
        assert [record.getMessage() for record in caplog.records] == [
            r"s3://pictures/'in/a\x00b.jpg' is left out: no database takes the NUL in its key; copy it to another"
        ]
        with place.ledger.read() as session:
            assert list(objects.named(session, "pictures", odd[0])) == []
        place.ledger.close()
