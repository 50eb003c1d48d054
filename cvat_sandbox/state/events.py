"""Events: every creation, update and deletion of an object is published here to the subscribers.

The rules publish, and webhooks subscribe. A subscriber is called in the thread of the change, perhaps within
its transaction, so it must not wait. It is called after a creation or an update, and before a deletion, so that it can
still read the object.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import sqlite3

Action = Literal["create", "update", "delete"]
Subscriber = Callable[["Event"], None]

_actor: ContextVar[int | None] = ContextVar("actor", default=None)


@dataclass(frozen=True)
class Event:
    """What happened to which object."""

    action: Action
    kind: str
    """The table: `task`, `job`, `project`, `issue`, `comment`, `organization`, `membership`, `invitation`, …"""
    id: int
    before: sqlite3.Row | None = None
    """The row before an update. A subscriber compares it with the present row."""
    actor: int | None = None
    """The user whose request or job this is."""


class Events:
    """The subscribers of a database."""

    def __init__(self) -> None:
        self._subscribers: list[Subscriber] = []
        self._lock = threading.Lock()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` at each later event."""
        with self._lock:
            self._subscribers.append(subscriber)

    @contextmanager
    def acting(self, user_id: int | None) -> Iterator[None]:
        """Name the user who causes the events of the block."""
        token = _actor.set(user_id)
        try:
            yield
        finally:
            _actor.reset(token)

    def publish(self, action: Action, kind: str, key: int, before: sqlite3.Row | None = None) -> None:
        """Tell all subscribers what happened."""
        for subscriber in tuple(self._subscribers):
            subscriber(Event(action, kind, key, before, _actor.get()))
