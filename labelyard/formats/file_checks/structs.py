"""Items as typed structs: the decoder checks the types and limits of their fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

AT_ONCE = 100
"""Items that are decoded together: more do not fit the processor's cache."""

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_UNREADABLE = (ValueError, RecursionError)  # all of msgspec's errors, and UnicodeEncodeError for half a surrogate pair


class Structs(Generic[_Struct]):
    """Makes structs of one type."""

    def __init__(self, kind: type[_Struct]) -> None:
        self._decode = msgspec.json.Decoder(kind).decode
        self._decode_list = msgspec.json.Decoder(list[kind]).decode  # type: ignore[valid-type]
        self._convert = partial(msgspec.convert, type=kind)

    def structs(self, items: Sequence[Any], *, decoded: bool = False) -> Iterator[_Struct | None]:
        """Yield each item, undecoded or decoded, as a struct; None if no struct holds it."""
        for start in range(0, len(items), AT_ONCE):
            chunk = items[start : start + AT_ONCE]
            yield from _each(self._convert, chunk) if decoded else self.of_chunk(chunk)

    def of_chunk(self, items: Sequence[Any]) -> Sequence[_Struct | None]:
        """Return a few undecoded items as structs, which is quicker together; None for one that no struct holds."""
        try:
            return self._decode_list(b"[%b]" % b",".join(items))
        except _UNREADABLE:
            return _each(self._decode, items)


def _each(decode: Callable[[Any], _Struct], items: Sequence[Any]) -> list[_Struct | None]:
    found: list[_Struct | None] = []
    for item in items:
        try:
            found.append(decode(item))
        except _UNREADABLE:
            found.append(None)
    return found
