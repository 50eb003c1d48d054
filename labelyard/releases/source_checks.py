"""The checks of the sources of a merge: they look at each annotation in the pass that writes it.

Nothing is lost by that: the folder of a release appears when all of it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from labelyard.errors import InputError
from labelyard.formats.checks.fault import Severity
from labelyard.formats.coco.parts import Parts
from labelyard.formats.file_checks.annotation_screen import Annotation
from labelyard.formats.file_checks.checking import check_file, check_items, is_utf8
from labelyard.formats.file_checks.items import Items
from labelyard.formats.file_checks.report import Report
from labelyard.formats.file_checks.screen import Screen, are_images_readable, screen


def require_usable(path: Path) -> None:
    """Raise InputError with the first error that `labelyard check` finds in a file."""
    _require_fit(check_file(path).report, path)


def require_usable_head(path: Path, parts: Parts) -> None:
    """Raise InputError if images or categories have an error that keeps them from being placed and united.

    `parts` were read without annotations. The other errors are found when the annotations are read.
    """
    categories = replace(parts, images=())
    items = Items.of_parts(categories, str(path))
    is_fit = not parts.missing and is_utf8(path) and are_images_readable(parts.images)
    if not is_fit or not check_items(items, screen(items)).report.fit:
        require_usable(path)


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Raise what a block finds wrong with a source as an InputError that names the file."""
    try:
        yield
    except (InputError, ValueError, KeyError, TypeError) as error:
        require_usable(path)  # the rules say best what is wrong
        if isinstance(error, InputError):
            raise
        # What the checks let pass, such as ids above 2^64.
        raise InputError(f"the file cannot be merged: {error!r}", where=str(path)) from error


def _require_fit(report: Report, path: Path) -> None:
    errors = (tally.examples[0] for tally in report.tallies.values() if tally.severity is Severity.ERROR)
    if fault := next(errors, None):
        raise InputError(f"the file cannot be used: {fault}", where=str(path), next_step=f"labelyard check {path}")


class SourceCheck:
    """Checks a source while its annotations are written: its report is that of `labelyard check`."""

    def __init__(self, path: Path, parts: Parts) -> None:
        self._path, self._items = path, Items.of_parts(parts, str(path))
        self._screen = Screen(self._items)

    def add(self, annotations: Sequence[Annotation | None]) -> None:
        """Look at the next annotations, in the order of the file."""
        self._screen.annotations.add(annotations)

    def report(self) -> Report:
        """Return the report of the whole file, when all annotations were looked at."""
        return check_items(self._items, self._screen.result()).report

    def require_usable(self) -> None:
        """Raise InputError if the file has an error."""
        _require_fit(self.report(), self._path)
