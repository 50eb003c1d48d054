"""A limit on the memory that all decoders of this process use at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Condition


class DecoderMemory:
    """So many bytes for all decoders. A decoder waits until its share is free; one that needs more works alone."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._changed = Condition()

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Wait for `size` bytes, hold them for the block, and give them back."""
        share = min(size, self.limit)
        with self._changed:
            self._changed.wait_for(lambda: self._used + share <= self.limit)
            self._used += share
        try:
            yield
        finally:
            with self._changed:
                self._used -= share
                self._changed.notify_all()


@cache
def decoder_memory(limit: int) -> DecoderMemory:
    """Return the process's only DecoderMemory of this limit: batches that are uploaded by threads share it."""
    return DecoderMemory(limit)
