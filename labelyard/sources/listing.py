"""A bucket's listing, in the order in which its objects are registered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from labelyard.domain.objects import StoredObject, folder_of
from labelyard.storage import LISTING_PAGE


def markers_last(objects: Iterable[StoredObject], is_marker: Callable[[StoredObject], bool]) -> Iterator[StoredObject]:
    """Yield listed objects, each marker after the other objects of its folder: `_SUCCESS` sorts before most names."""
    markers: list[StoredObject] = []
    for obj in objects:
        while markers and not obj.key.startswith(folder_of(markers[-1].key)):
            yield markers.pop()
        if is_marker(obj):
            markers.append(obj)
        else:
            yield obj
    yield from reversed(markers)


def pages(objects: Iterable[StoredObject]) -> Iterator[list[StoredObject]]:
    """Yield objects in lists as long as a page of a listing."""
    rest = iter(objects)
    while page := list(islice(rest, LISTING_PAGE)):
        yield page
