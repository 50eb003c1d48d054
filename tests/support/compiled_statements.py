"""Statements that SQLAlchemy compiles once per test process, not once for each of a thousand ledgers.

An engine has a cache of its own, and its keys hold the engine's dialect. Here all ledgers on one kind of database share
a cache, and their dialects are equal: they are on one machine, of one version. A fifth of a test's time was compiling.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine.default import DefaultDialect

from labelyard.ledger import engine as ledger_engine

_caches: dict[type, Any] = {}


def share_compiled_statements() -> None:
    """Let all ledgers that are opened from now on share what they compile."""
    ledger_engine.create_engine = _create_engine  # type: ignore[attr-defined]
    DefaultDialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
    DefaultDialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]


def _create_engine(*arguments: Any, **options: Any) -> Engine:
    engine = create_engine(*arguments, **options)
    engine._compiled_cache = _caches.setdefault(type(engine.dialect), engine._compiled_cache)
    return engine
