from __future__ import annotations

import pytest
from sqlalchemy import make_url

from labelyard.errors import LedgerBehind
from labelyard.ledger import Ledger, upgrade


def test_a_fresh_ledger_works_on_each_database(empty_database: str) -> None:
    assert upgrade(empty_database) == upgrade(empty_database)
    ledger = Ledger(empty_database)
    with ledger.read_only() as tx:
        assert tx.now.tzinfo is not None
    assert make_url(empty_database).get_backend_name() in ledger.name
    ledger.close()


def test_each_test_gets_an_empty_ledger(empty_database: str) -> None:
    with pytest.raises(LedgerBehind, match=r"no ledger yet|is empty"):
        Ledger(empty_database)
