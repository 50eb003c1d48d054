"""The memory of all decoders together stays below its limit."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from labelyard.images import DecoderMemory, decoder_memory
from tests.support.examples import examples


@settings(max_examples=examples(25), deadline=None)
@given(limit=st.integers(1, 100), sizes=st.lists(st.integers(0, 150), max_size=30))
def test_decoders_never_hold_more_than_the_limit_together(limit: int, sizes: list[int]) -> None:
    memory, lock = DecoderMemory(limit), threading.Lock()
    held: list[int] = []
    most: list[tuple[int, int]] = [(0, 0)]

    def decode(size: int) -> None:
        with memory.reserve(size):
            with lock:
                held.append(size)
                most.append((sum(held), len(held)))
            time.sleep(0.0001)
            with lock:
                held.remove(size)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decode, sizes))
    assert all(total <= limit or count == 1 or total - max(sizes) <= 0 for total, count in most)


def test_an_image_above_the_limit_is_decoded_alone() -> None:
    memory, order = DecoderMemory(10), []

    def second() -> None:
        with memory.reserve(1):
            order.append("second")

    with memory.reserve(1000):
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.05)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


def test_every_batch_of_the_process_shares_the_memory_of_one_setting() -> None:
    assert decoder_memory(123) is decoder_memory(123)
