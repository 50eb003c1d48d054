"""What a release says of its dataset and of itself, besides what it merges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """A release of a dataset. `url` is its folder; `data_date` is when its annotations last changed, ISO 8601."""

    dataset: str
    number: int
    description: str
    licence: str
    contact: str
    url: str
    data_date: str

    def info(self) -> dict[str, Any]:
        """Return the fields of `info` in its COCO files."""
        found = {
            "description": self.description or f"{self.dataset}, release {self.number}",
            "version": str(self.number),
            "contributor": self.contact,
            "url": self.url,
            "date_created": self.data_date,
        }
        return {name: value for name, value in found.items() if value}
