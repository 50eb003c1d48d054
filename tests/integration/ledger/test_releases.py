"""Releases in the ledger: what they merge is fixed, one run builds one at a time, images keep id and split."""

from __future__ import annotations

from datetime import timedelta

import pytest

from labelyard.config import DatasetSpec
from labelyard.domain.states import BatchState
from labelyard.errors import LeaseLost, LeaseTaken, NotFound
from labelyard.ledger import Ledger, batches, exports, releases
from labelyard.ledger.release_tables import Release
from labelyard.ledger.releases import PublishedImage
from labelyard.ledger.tables import Batch, Export
from tests.support.ledger_samples import Clock, an_object, closed_batch, register

LEASE = timedelta(seconds=10)
IMAGES = [PublishedImage("a" * 64, 2**53 - 1, "train", "drive-1/"), PublishedImage("b" * 64, 7, "val", "drive-2/")]


@pytest.fixture
def batch(ledger: Ledger, spec: DatasetSpec) -> Batch:
    found = closed_batch(ledger, spec)
    export(ledger, found)
    return found


def export(ledger: Ledger, batch: Batch, generation: int = 1, format_name: str = "coco") -> int:
    """Record a finished export, as of an exported batch."""
    row = Export(
        batch_id=batch.id, format=format_name, generation=generation, bucket="out", key=f"{batch.id}-{generation}",
        sha256="0", other_files={}, source="", images=1, annotations=1, task_updated="", tries=1, current=False,
    )  # fmt: skip
    with ledger.transaction() as tx:
        batches.get(tx, batch.id, lock=True).state = BatchState.EXPORTED
        return exports.finish(tx, exports.add_unfinished(tx, row).id).id


def set_state(ledger: Ledger, batch: Batch, state: BatchState) -> None:
    with ledger.transaction() as tx:
        batches.get(tx, batch.id, lock=True).state = state


def acquire(ledger: Ledger, holder: str = "one") -> Release:
    with ledger.transaction() as tx:
        return releases.acquire(tx, "street", "out", "releases/", holder, LEASE)


def publish(ledger: Ledger, release: Release, images: list[PublishedImage] = IMAGES) -> Release:
    with ledger.transaction() as tx:
        return releases.publish(tx, release.id, "f" * 64, 12, images)


def test_only_current_coco_exports_of_final_batches_are_merged_in_the_order_of_the_batches(
    ledger: Ledger, spec: DatasetSpec, batch: Batch
) -> None:
    newer = export(ledger, batch, 2)
    export(ledger, batch, 2, "voc")
    register(ledger, spec, an_object(7))
    with ledger.transaction() as tx:
        second = batches.lock_open(tx, "street")
        assert second is not None
        batches.close(tx, second, "for the test")
    last = export(ledger, second)
    with ledger.read_only() as tx:
        assert [one.id for one in releases.mergeable(tx, "street")] == [newer, last]
    set_state(ledger, batch, BatchState.ASSIGNED)
    with ledger.read_only() as tx:
        assert [one.id for one in releases.mergeable(tx, "street")] == [last], "reopened"
    set_state(ledger, batch, BatchState.ARCHIVED)
    assert acquire(ledger).exports == [newer, last]


def test_while_one_run_builds_a_release_no_other_can(ledger: Ledger, batch: Batch) -> None:
    release = acquire(ledger)
    assert (release.number, release.previous, release.prefix) == (1, None, "releases/street/1/")
    with pytest.raises(LeaseTaken, match="one builds release 1 until"):
        acquire(ledger, "two")


def test_another_run_continues_the_release_of_one_that_died_with_the_same_inputs(
    ledger: Ledger, batch: Batch, clock: Clock
) -> None:
    first = acquire(ledger)
    export(ledger, batch, 2)
    clock.advance(seconds=11)
    again = acquire(ledger, "two")
    assert (again.id, again.exports) == (first.id, first.exports)
    with ledger.transaction() as tx, pytest.raises(LeaseLost):
        releases.extend(tx, first.id, "one", LEASE)


def test_a_run_that_failed_gives_its_lease_up(ledger: Ledger, batch: Batch) -> None:
    first = acquire(ledger)
    with ledger.transaction() as tx:
        releases.give_up(tx, first.id, "two")
    with pytest.raises(LeaseTaken):
        acquire(ledger, "two")
    with ledger.transaction() as tx:
        releases.give_up(tx, first.id, "one")
    assert acquire(ledger, "two").id == first.id


def test_a_published_release_is_the_latest_and_its_images_keep_id_and_split(ledger: Ledger, batch: Batch) -> None:
    first = publish(ledger, acquire(ledger))
    assert (first.images, first.annotations, first.leased_by) == (2, 12, None)
    second = acquire(ledger)
    assert (second.number, second.previous) == (2, 1)
    moved = PublishedImage(IMAGES[0].identity, 99, "test", "elsewhere/")
    publish(ledger, second, [moved])
    with ledger.read_only() as tx:
        newest = releases.latest(tx, "street")
        kept, absent = (releases.image(tx, "street", one.identity) for one in IMAGES)
        assert newest
        assert newest.number == 2
        assert kept
        assert (kept.image_id, kept.split, kept.first_release, kept.last_release) == (2**53 - 1, "train", 1, 2)
        assert absent
        assert absent.last_release == 1


def test_a_published_release_cannot_be_extended_or_discarded(ledger: Ledger, batch: Batch) -> None:
    release = publish(ledger, acquire(ledger))
    with ledger.transaction() as tx:
        with pytest.raises(LeaseLost):
            releases.extend(tx, release.id, "one", LEASE)
        releases.discard(tx, release.id, "one")
        assert releases.get(tx, "street", 1).id == release.id


def test_a_discarded_release_leaves_its_number_free(ledger: Ledger, batch: Batch) -> None:
    release = acquire(ledger)
    with ledger.transaction() as tx:
        releases.discard(tx, release.id, "one")
    assert acquire(ledger).number == 1


def test_the_error_of_an_unknown_release_names_the_newest(ledger: Ledger, batch: Batch) -> None:
    with ledger.read_only() as tx, pytest.raises(NotFound, match="street has no release yet"):
        releases.get(tx, "street", 3)
    publish(ledger, acquire(ledger))
    with ledger.read_only() as tx, pytest.raises(NotFound, match="no release 3: the newest one is 1"):
        releases.get(tx, "street", 3)
