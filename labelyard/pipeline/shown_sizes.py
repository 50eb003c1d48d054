"""The sizes in which CVAT shows images, where it states others.

Measured on 2.73: of a TIFF with orientation 5 to 8, data/meta and CVAT's own exports state the size before it is
turned, and the editor shows it turned. People draw on what is shown, and inspection knows its size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from labelyard.domain.tasks import Frame
from labelyard.ledger.tables import Object

ShownSizes: TypeAlias = Mapping[str, tuple[int, int]]
"""Width and height by upload name."""


def shown_sizes(members: Iterable[Object]) -> ShownSizes:
    """Return the size in which CVAT shows each inspected object."""
    return {one.upload_name: (one.width, one.height) for one in members if one.upload_name and one.width and one.height}


def turned(frames: Sequence[Frame], shown: ShownSizes) -> list[str]:
    """Return the names of the frames whose sides are swapped. Of any other difference the server's size is right."""
    return [one.name for one in frames if one.width != one.height and shown.get(one.name) == (one.height, one.width)]


def frames_as_shown(frames: Sequence[Frame], shown: ShownSizes) -> list[Frame]:
    """Return the frames with the sizes that are shown."""
    names = set(turned(frames, shown))
    return [replace(one, width=one.height, height=one.width) if one.name in names else one for one in frames]
