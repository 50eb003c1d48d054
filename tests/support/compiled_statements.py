"""Statements that SQLAlchemy compiles once per test process, not once for each of a thousand ledgers.

An engine has a cache of its own, and its keys hold the engine's dialect. Here all engines of a kind of database share a
cache, and their dialects are equal: they are on one machine, of one version. A fifth of a test's time was compiling.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.engine.default import DefaultDialect


def share_compiled_statements() -> None:
    """Let all engines that are made from now on share what they compile."""
    make, caches = Engine.__init__, {}

    def make_with_shared_cache(self: Engine, *arguments: Any, **options: Any) -> None:
        make(self, *arguments, **options)
        self._compiled_cache = caches.setdefault(type(self.dialect), self._compiled_cache)

    Engine.__init__ = make_with_shared_cache  # type: ignore[method-assign]
    DefaultDialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
    DefaultDialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]
