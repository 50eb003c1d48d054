"""The ledger: the database that records what has been done, and so what is left to do.

`with ledger.transaction() as tx` is the unit of work. There is one module for each kind of record (datasets, objects,
batches, leases, tasks, jobs, exports, history, outbox, dead_letters, breakers), and `overview` reads across them. Their
functions take the transaction first.
"""

from __future__ import annotations

from labelyard.ledger.database import Ledger, Transaction
from labelyard.ledger.migration import upgrade

__all__ = ["Ledger", "Transaction", "upgrade"]
