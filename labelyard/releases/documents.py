"""The documents of a release that say what it is: passport, quality, dataset card, Croissant, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from labelyard.releases.card import write_card
from labelyard.releases.croissant import write_croissant
from labelyard.releases.difference import Difference
from labelyard.releases.facts import ReleaseFacts
from labelyard.releases.lines import fields
from labelyard.releases.manifest import REPORT, Manifest, instances_path
from labelyard.releases.passport import Passport
from labelyard.releases.quality import BatchQuality, write_quality
from labelyard.releases.report import FetchFiles, can_write_report, write_report

_MOST_PIXELS = 12_000_000
"""Of an image while it is decoded for its picture, so that a release needs little memory: 36 MB in RGB."""


@dataclass(frozen=True, slots=True)
class ReleaseDocuments:
    """What is known of a release besides its content.

    `wants_report` says of the folder and the manifest whether it gets a report; `fetch` brings the images that this
    shows, None: it has no pictures.
    """

    facts: ReleaseFacts
    passport: Passport
    quality: Sequence[BatchQuality]
    wants_report: Callable[[Path, Manifest], bool]
    fetch: FetchFiles | None = None

    def write(self, folder: Path, manifest: Manifest, _changes: Difference) -> None:
        """Write the documents into the folder of the release; the report only if the extra `report` is installed."""
        self.passport.write(folder, manifest)
        write_quality(folder, self.quality)
        categories = fields(folder / instances_path(next(iter(manifest.counts))))["categories"]
        write_card(folder, manifest, self.facts, categories)
        write_croissant(folder, manifest, self.facts)
        if can_write_report() and self.wants_report(folder, manifest):
            write_report(folder, folder / REPORT, fetch=self.fetch, most_pixels=_MOST_PIXELS, manifest=manifest)
