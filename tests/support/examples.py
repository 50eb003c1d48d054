"""How many examples a property test runs whose number is not that of the profile."""

from __future__ import annotations

from hypothesis import settings


def examples(number: int) -> int:
    """Return `number`, or the number of the profile `quick` if that is loaded and less."""
    is_quick = settings.get_current_profile_name() == "quick"
    return min(number, settings().max_examples) if is_quick else number
