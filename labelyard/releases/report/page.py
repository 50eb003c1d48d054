"""The page of a report: its head, the doubtful annotations, the sections; one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from labelyard.escaping import printable
from labelyard.releases.manifest import Manifest
from labelyard.releases.quality import read_quality
from labelyard.releases.report.agreement import find_agreement
from labelyard.releases.report.blocks import Section
from labelyard.releases.report.boxes import about_boxes
from labelyard.releases.report.doubts import Doubt, DoubtKind
from labelyard.releases.report.origins import (
    about_agreement,
    about_changes,
    about_groups,
    about_people,
    about_sources,
    duplicated_groups,
    read_changes,
)
from labelyard.releases.report.people import People
from labelyard.releases.report.quality_section import about_quality
from labelyard.releases.report.reading import Contents, ImageDetails, details
from labelyard.releases.report.sections import about_attributes, about_images, about_labels, about_pairs, empty_images
from labelyard.releases.report.summary import all_warnings, release_name, summarise
from labelyard.releases.report.thumbnails import Thumbnail, thumbnail

_EMPTY = 5
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class _Release:
    """Everything that was read of a release. `files` has the files of images by their ids, or why there is none."""

    folder: Path
    manifest: Manifest
    contents: Contents
    doubts: Sequence[DoubtKind]
    people: People | None
    files: Mapping[int, Path | str] | None
    most_pixels: int


@dataclass(frozen=True, slots=True)
class _Example:
    """A doubtful annotation, or image, as the page shows it. `missing` says why there is no picture."""

    picture: Thumbnail | None
    missing: str
    label: str
    reason: str
    file_name: str
    image: int
    annotations: str
    job: int | None


def render(
    folder: Path,
    manifest: Manifest,
    contents: Contents,
    doubts: list[DoubtKind],
    people: People | None,
    files: Mapping[int, Path | str] | None,
    most_pixels: int,
) -> bytes:
    """Return the page of a release, with pictures unless `files` is None.

    `files` has the files of images by their ids, or why there is none.
    """
    release = _Release(folder, manifest, contents, doubts, people, files, most_pixels)
    names = details(folder, _wanted(release))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("labelyard.releases.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
        keep_trailing_newline=True,
    )
    environment.filters["plot"] = Markup  # ours: plots.py has escaped what is in it
    name, number = release_name(contents)
    main = summarise(manifest, contents, doubts)
    text = environment.get_template("page.html").render(
        name=name,
        number=number,
        facts=list(_facts(release)),
        main=main,
        description=_description(contents),
        warnings=all_warnings(manifest, contents),
        splits=_splits(main, contents),
        kinds=[(kind, [_example(release, one, names) for one in kind.examples]) for kind in doubts],
        has_pictures=release.files is not None,
        changes=_changes(release),
        sections=list(_sections(release, names)),
        style=Markup((Path(__file__).parent / "style.css").read_text(encoding="ascii")),  # noqa: S704 - our own file
        labelyard=manifest.labelyard,
    )
    return text.encode("utf-8")


def _shown(value: Any) -> Any:
    """Return a value as text in which every character can be seen; what is HTML already stays."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return printable(value if len(value) <= _LONGEST else value[:_LONGEST] + "…", keep="\n")


def _wanted(release: _Release) -> set[int]:
    """Return the ids of the images that the page names."""
    ids = release.contents.images.id
    found = {int(ids[example.image]) for kind in release.doubts for example in kind.examples}
    found.update(empty_images(release.contents)[:_EMPTY].tolist())
    return found | duplicated_groups(release.contents)


def _facts(release: _Release) -> Iterator[tuple[str, str]]:
    info = release.contents.info
    if release.contents.days:
        first, last = release.contents.days
        yield "images of", first if first == last else f"{first} to {last}"
    for key, what in (("date_created", "annotations of"), ("date", "annotations of"), ("year", "year")):
        if isinstance(info.get(key), str | int) and info[key]:
            yield what, str(info[key])
            break
    if release.manifest.previous:
        yield "follows the release", release.manifest.previous[:12]
    yield "sources", f"{len(release.manifest.sources):,}"


def _description(contents: Contents) -> str:
    text = contents.info.get("description")
    return text if isinstance(text, str) and text != release_name(contents)[0] else ""


def _splits(main: dict[str, Any], contents: Contents) -> list[tuple[str, int, float]]:
    """Return the name, images and share of each split."""
    counts = [(split, main[f"images in {split}"]) for split in contents.splits]
    return [(split, count, count / max(1, len(contents.images))) for split, count in counts]


def _example(release: _Release, one: Doubt, names: dict[int, ImageDetails]) -> _Example:
    contents = release.contents
    image = int(contents.images.id[one.image])
    named = names.get(image) or ImageDetails("?", "", None)
    picture: Thumbnail | str = ""
    if release.files is not None:
        file = release.files.get(image, "the file is missing")
        size = float(contents.images.width[one.image]), float(contents.images.height[one.image])
        boxes = [contents.boxes.box[row].tolist() for row in one.rows if contents.boxes.is_box[row]]
        picture = thumbnail(file, size, boxes, release.most_pixels) if isinstance(file, Path) else file
    labels = dict.fromkeys(contents.labels[contents.boxes.label[row]] for row in one.rows)
    job = int(contents.boxes.job[one.rows[0]]) if one.rows else -1
    return _Example(
        picture if isinstance(picture, Thumbnail) else None,
        picture if isinstance(picture, str) else "",
        " / ".join(labels),
        one.reason,
        named.file_name,
        image,
        ", ".join(str(contents.boxes.id[row]) for row in one.rows),
        job if job >= 0 else None,
    )


def _changes(release: _Release) -> Section | None:
    changes = read_changes(release.folder)
    return about_changes(changes, is_first=release.manifest.previous is None) if changes else None


def _sections(release: _Release, names: dict[int, ImageDetails]) -> Iterator[Section]:
    contents = release.contents
    found = (
        about_labels(contents),
        about_images(contents, names),
        about_boxes(contents),
        about_pairs(contents),
        about_attributes(contents),
        about_groups(contents, names),
        about_people(release.people),
        about_quality(read_quality(release.folder)),
        about_agreement(find_agreement(contents, release.people)),
        about_sources(release.manifest),
    )
    yield from (one for one in found if one is not None)
