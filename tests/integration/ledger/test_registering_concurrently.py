from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from labelyard.config import DatasetSpec
from labelyard.ledger import Ledger, datasets
from tests.support.ledger_samples import an_object, dataset_spec, register


@pytest.fixture
def spec(ledger_url: str) -> DatasetSpec:
    ledger, spec = Ledger(ledger_url), dataset_spec(max_objects=100)
    with ledger.transaction() as tx:
        datasets.apply(tx, spec)
    ledger.close()
    return spec


def test_transactions_that_register_the_same_objects_in_different_orders_do_not_deadlock(
    ledger_url: str, spec: DatasetSpec
) -> None:
    ledger = Ledger(ledger_url)
    found = [an_object(n) for n in range(200)]
    orders = [found, found[::-1], found[100:] + found[:100], found[50:] + found[:50]]
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda order: register(ledger, spec, *order), orders)) == 200
    ledger.close()
