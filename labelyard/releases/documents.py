"""The documents of a release that say what it is: passport, dataset card, Croissant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labelyard.releases.card import write_card
from labelyard.releases.croissant import write_croissant
from labelyard.releases.difference import Difference
from labelyard.releases.facts import ReleaseFacts
from labelyard.releases.lines import fields
from labelyard.releases.manifest import Manifest, instances_path
from labelyard.releases.passport import Passport


@dataclass(frozen=True, slots=True)
class ReleaseDocuments:
    """What is known of a release besides its content."""

    facts: ReleaseFacts
    passport: Passport

    def write(self, folder: Path, manifest: Manifest, _changes: Difference) -> None:
        """Write the documents into the folder of the release."""
        self.passport.write(folder, manifest)
        categories = fields(folder / instances_path(next(iter(manifest.counts))))["categories"]
        write_card(folder, manifest, self.facts, categories)
        write_croissant(folder, manifest, self.facts)
