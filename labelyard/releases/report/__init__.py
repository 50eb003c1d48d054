"""The report of a release: one HTML file that needs nothing else, and its main figures as plain values."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from labelyard.domain.progress import OnProgress, unseen
from labelyard.errors import InputError
from labelyard.releases.manifest import IMAGES_FOLDER, ImageReference, Manifest, read_manifest, references
from labelyard.releases.quality import main_quality
from labelyard.releases.report.doubts import DoubtKind, find_doubts
from labelyard.releases.report.people import read_people
from labelyard.releases.report.reading import Contents, read
from labelyard.releases.report.summary import MainFigures, markdown, summarise
from labelyard.releases.report.thumbnails import MOST_PIXELS, ImageFiles

__all__ = ["FetchFiles", "MainFigures", "can_write_report", "main_figures", "markdown", "write_report"]

FetchFiles = Callable[[Path, Sequence[ImageReference]], Mapping[int, Path | str]]
"""Returns the files of some images of a release in a folder, by their ids, or why there is none."""

_PACKAGES = ("matplotlib", "jinja2")
"""What the extra `report` installs."""

_EXAMPLES = 6
_STEPS = 3


def can_write_report() -> bool:
    """Return whether the extra `report` is installed."""
    return all(importlib.util.find_spec(package) for package in _PACKAGES)


def main_figures(folder: Path, manifest: Manifest | None = None) -> MainFigures:
    """Return the main figures of a release; they need no plots, and so no further package.

    `manifest` is that of a release which is being written. Raises InputError for a folder that is no release.
    """
    manifest, contents, doubts = _read(folder, manifest)
    return summarise(manifest, contents, doubts) | main_quality(folder)


def write_report(
    folder: Path,
    to: Path,
    *,
    images: Path | None = None,
    fetch: FetchFiles | None = None,
    most_pixels: int = MOST_PIXELS,
    manifest: Manifest | None = None,
    on_progress: OnProgress = unseen,
) -> MainFigures:
    """Write the report of a release to a file, and return its main figures.

    The same release gives the same bytes. `images` is the folder of the image files; without it that is `images` of the
    release, if it has one. `fetch` brings the files of those images that the page shows, the worst first; none of them
    is decoded to more than `most_pixels`. `manifest` is that of a release which is being written. `on_progress` counts
    three steps. Raises InputError for
    a folder that is no release, if a package for plots is missing, or if the disk refuses.
    """
    if images is not None and not images.is_dir():
        raise InputError("there is no such folder", where=str(images), next_step="name the folder of the images")
    if not can_write_report():
        what = f"a report needs the packages {' and '.join(_PACKAGES)}"
        raise InputError(what, where=str(to), next_step="pip install 'labelyard[report]'")
    from labelyard.releases.report.page import render  # noqa: PLC0415 - imports matplotlib

    on_progress("reading annotations", 0, _STEPS)
    manifest, contents, doubts = _read(folder, manifest)
    if images is None and (folder / IMAGES_FOLDER).is_dir():
        images = folder / IMAGES_FOLDER
    if fetch is None and images is not None:
        fetch = ImageFiles(images).find_all
    on_progress("finding images", 1, _STEPS)
    files = fetch(folder, _shown(folder, contents, doubts)) if fetch else None
    on_progress("drawing plots and pictures", 2, _STEPS)
    _write(to, render(folder, manifest, contents, doubts, read_people(folder), files, most_pixels))
    return summarise(manifest, contents, doubts) | main_quality(folder)


def _shown(folder: Path, contents: Contents, doubts: list[DoubtKind]) -> list[ImageReference]:
    """Return the images of the doubtful annotations that the page shows, each once, in its order."""
    order = {int(contents.images.id[one.image]): None for kind in doubts for one in kind.examples}
    found = {one.id: one for one in references(folder) if one.id in order}
    return [found[image] for image in order if image in found]


def _read(folder: Path, manifest: Manifest | None) -> tuple[Manifest, Contents, list[DoubtKind]]:
    manifest = manifest or read_manifest(folder)
    contents = read(folder, manifest)
    return manifest, contents, find_doubts(contents, _EXAMPLES)


def _write(to: Path, page: bytes) -> None:
    """Write a file, which appears under its name when all of it is there."""
    unfinished = to.with_name(f".{to.name}.{os.getpid()}.unfinished")
    try:
        try:
            unfinished.write_bytes(page)
            unfinished.replace(to)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror or error}", where=str(to), next_step="name another file with --to"
        ) from error
