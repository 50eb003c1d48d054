"""All rules of `labelyard check` as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from labelyard.formats.checks import DATASET_CHECKS
from labelyard.formats.checks.rule import Rule
from labelyard.formats.file_checks.checking import RULES
from labelyard.formats.file_checks.image_files import IMAGE_CHECKS
from labelyard.formats.file_checks.repairs import description

ALL_RULES: Mapping[str, Rule] = {**RULES, **IMAGE_CHECKS}
"""Every rule by name."""


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule in words. `repair` is empty if there is none; `needs` names what must be given besides the file.

    `sends_back` says whether an error sends a job in review back to its annotator.
    """

    name: str
    severity: str
    sentence: str
    consequence: str
    repair: str
    needs: str
    sends_back: bool


def rule_rows() -> Iterator[RuleRow]:
    """Yield a row for each rule."""
    for name, rule in ALL_RULES.items():
        needs = "the dataset" if name in DATASET_CHECKS else "the images" if name in IMAGE_CHECKS else ""
        yield RuleRow(
            name, rule.severity.value, rule.sentence, rule.consequence, description(name), needs, rule.of_drawing
        )
