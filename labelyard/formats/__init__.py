"""Dataset formats: reading and writing them, and checking what a file holds.

A new format is a package beside `coco` that provides what `interface.Format` asks for, and a line in `FORMATS`.
"""

from __future__ import annotations

from labelyard.formats.coco import Coco
from labelyard.formats.interface import Format

FORMATS: dict[str, Format] = {"coco": Coco()}
"""Every format by the name that the ledger stores."""
