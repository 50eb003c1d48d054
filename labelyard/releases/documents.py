"""The documents of a release that say what it is: passport, quality, dataset card, Croissant, report."""

from __future__ import annotations

from collections.abc import Sequence
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
from labelyard.releases.report import can_write_report, write_report


@dataclass(frozen=True, slots=True)
class ReleaseDocuments:
    """What is known of a release besides its content. `report` says whether it gets one."""

    facts: ReleaseFacts
    passport: Passport
    quality: Sequence[BatchQuality] = ()
    report: bool = True

    def write(self, folder: Path, manifest: Manifest, _changes: Difference) -> None:
        """Write the documents into the folder of the release; the report only if the extra `report` is installed."""
        self.passport.write(folder, manifest)
        write_quality(folder, self.quality)
        categories = fields(folder / instances_path(next(iter(manifest.counts))))["categories"]
        write_card(folder, manifest, self.facts, categories)
        write_croissant(folder, manifest, self.facts)
        if self.report and can_write_report():
            write_report(folder, folder / REPORT, manifest=manifest)
