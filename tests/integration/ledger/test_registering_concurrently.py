"""Two who work on the ledger at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from labelyard.config import DatasetSpec
from labelyard.ledger import Ledger, datasets, upgrade
from tests.support.ledger_samples import an_object, dataset_spec, land


@pytest.fixture
def spec(ledger_url: str) -> DatasetSpec:
    upgrade(ledger_url)
    ledger, spec = Ledger(ledger_url), dataset_spec(max_objects=100)
    with ledger.transaction() as tx:
        datasets.apply(tx, spec)
    ledger.close()
    return spec


def test_landings_of_the_same_objects_in_different_order_do_not_wait_for_each_other(
    ledger_url: str, spec: DatasetSpec
) -> None:
    ledger = Ledger(ledger_url)
    found = [an_object(n) for n in range(200)]
    orders = [found, found[::-1], found[100:] + found[:100], found[50:] + found[:50]]
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda order: land(ledger, spec, *order), orders)) == 200
    ledger.close()
