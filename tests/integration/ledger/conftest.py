"""A ledger on SQLite and on PostgreSQL, with a clock that tests advance."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labelyard.config import DatasetSpec
from labelyard.ledger import Ledger
from tests.support.ledger_samples import Clock, apply, dataset_spec


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(ledger_url: str, clock: Clock) -> Iterator[Ledger]:
    ledger = Ledger(ledger_url, clock=clock)
    yield ledger
    ledger.close()


@pytest.fixture
def spec(ledger: Ledger) -> DatasetSpec:
    spec = dataset_spec()
    apply(ledger, spec)
    return spec
