from __future__ import annotations

import pytest
from sqlalchemy import make_url

from labelyard.errors import LedgerBehind
from labelyard.ledger import Ledger, upgrade


def test_a_fresh_ledger_works_on_each_database(ledger_url: str) -> None:
    assert upgrade(ledger_url) == upgrade(ledger_url)
    ledger = Ledger(ledger_url)
    with ledger.read_only() as tx:
        assert tx.now.tzinfo is not None
    assert make_url(ledger_url).get_backend_name() in ledger.name
    ledger.close()


def test_each_test_gets_an_empty_ledger(ledger_url: str) -> None:
    with pytest.raises(LedgerBehind, match=r"no ledger yet|is empty"):
        Ledger(ledger_url)
