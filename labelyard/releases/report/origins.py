"""The sections of the page about where the release comes from: changes, groups, people, agreement, sources."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from labelyard.errors import InputError
from labelyard.releases.manifest import CHANGES, Manifest
from labelyard.releases.report.agreement import Agreement
from labelyard.releases.report.blocks import NONE, Bar, Block, Cell, Section, amount, share, table
from labelyard.releases.report.figures import repeated
from labelyard.releases.report.people import People
from labelyard.releases.report.plots import MOST_BARS, diverging_bars, plain_bars
from labelyard.releases.report.reading import Contents, ImageDetails

_KINDS = ("added", "removed", "changed")
_EXAMPLES = 5


def read_changes(folder: Path) -> dict[str, Any] | None:
    """Return what changes.json says; None if it is missing. Raises InputError if it is none of a release."""
    path = folder / CHANGES
    if not path.is_file():
        return None
    try:
        return _convert(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"not the changes of a release: {error}", where=str(path)) from error


class _Counts(Struct):
    added: int
    removed: int
    changed: int
    moved: int = 0


class _Changes(Struct):
    images: _Counts
    annotations: _Counts
    labels: dict[str, list[str]]
    by_label: dict[str, _Counts]
    examples: dict[str, list[str]]


def _convert(document: object) -> dict[str, Any]:
    """Return the changes with every count; raises ValueError for anything else."""
    found: dict[str, Any] = msgspec.to_builtins(msgspec.convert(document, _Changes))
    return found


def about_changes(changes: Mapping[str, Any], *, is_first: bool) -> Section:
    """What changed since the last release, by label."""
    title = "What changed since the last release"
    images, boxes = changes["images"], changes["annotations"]
    if is_first:
        text = f"This is the first release: all {images['added']:,} images and {boxes['added']:,} annotations are new."
        return Section("changes", title, text, [])
    text = "Images: " + _counts(images) + ". Annotations: " + _counts(boxes) + "."
    for kind in _KINDS:
        if changes["labels"].get(kind):
            text += f" Labels {kind}: {', '.join(changes['labels'][kind][:10])}."
    return Section("changes", title, text, list(_change_blocks(changes)))


def _change_blocks(changes: Mapping[str, Any]) -> Iterator[Block]:
    changed = {name: one for name, one in changes["by_label"].items() if any(one[kind] for kind in _KINDS)}
    ranked = sorted(changed, key=lambda name: (-sum(changed[name][kind] for kind in _KINDS), name))
    if ranked:
        shown = ranked[:MOST_BARS]
        columns = ([changed[name][kind] for name in shown] for kind in _KINDS)
        yield Block(
            "Annotations by label",
            "To the right what was added or changed, to the left what was removed. Long bars to the left, or a label "
            "that alone changed, need a reason.",
            diverging_bars("changes", "Annotations added, changed and removed by label", shown, *columns),
            table(("label", *_KINDS), [(name, *(changed[name][kind] for kind in _KINDS)) for name in ranked]),
        )
    examples = [(kind, name) for kind in sorted(changes["examples"]) for name in changes["examples"][kind][:_EXAMPLES]]
    if examples:
        text = "labelyard diff OLD NEW compares any two releases."
        yield Block("Such as these images", text, table=table(("", "image"), examples), is_open=True)


def _counts(counts: Mapping[str, int]) -> str:
    found = [
        f"{counts[kind]:,} {kind}" for kind in (*_KINDS, "moved") if type(counts.get(kind)) is int and counts[kind]
    ]
    return ", ".join(found) or "none changed"


def about_groups(contents: Contents, examples: Mapping[int, ImageDetails]) -> Section | None:
    """Images that belong together, and images of the same content."""
    blocks = []
    for name, hashes, title, what in (
        (
            "groups",
            contents.images.group,
            "Groups",
            "Images of one group, such as a folder or a video, stay in one split.",
        ),
        ("content", contents.images.content, "The same content", "Files of one SHA-256 under several names."),
    ):
        found = repeated(hashes, contents.images.split)
        if not found.sets:
            continue
        apart = (
            f" {found.apart:,} of them are in several splits: what a model is tested on, it has seen in training."
            if (found.apart)
            else " None of them is in several splits."
        )
        rows: list[Sequence[Cell]] = []
        for position, size in found.largest:
            one = examples.get(int(contents.images.id[position]))
            text = NONE if one is None else one.group if name == "groups" and one.group else one.file_name
            rows.append((text, Bar(f"{size:,}", size / found.largest[0][1]), share(size, len(contents.images))))
        text = f"{what} {found.images:,} images are in {found.sets:,} sets of two or more.{apart}"
        if name == "groups":
            text += " A group that is most of the data makes the release less varied than its count of images."
        column = "group" if name == "groups" else "first image"
        blocks.append(Block(title, text, table=table((column, "images", "share"), rows), is_open=True))
    return Section("groups", "Near duplicates", "", blocks) if blocks else None


def duplicated_groups(contents: Contents) -> set[int]:
    """Return the ids of the images whose names the section about groups shows."""
    columns = (contents.images.group, contents.images.content)
    found = [repeated(hashes, contents.images.split).largest for hashes in columns]
    return {int(contents.images.id[position]) for largest in found for position, _ in largest}


def about_people(people: People | None) -> Section | None:
    """Share and speed of the annotators."""
    if people is None:
        return None
    found = people.annotators
    total = sum(one.annotations for one in found)
    rows: list[Sequence[Cell]] = [
        (
            one.name,
            Bar(f"{one.annotations:,}", one.annotations / found[0].annotations),
            share(one.annotations, total),
            one.jobs,
            NONE if one.seconds is None else f"{one.seconds / 3600:.1f}",
            amount(one.per_hour and round(one.per_hour)),
        )
        for one in found
    ]
    plot = plain_bars(
        "people",
        "Annotations by annotator",
        [one.name for one in found[:MOST_BARS]],
        [one.annotations for one in found[:MOST_BARS]],
        "{:,.0f}",
    )
    text = "Where one person drew most of a label, that person's habits become the model's."
    columns = ("annotator", "annotations", "share", "jobs", "hours", "per hour")
    return Section("people", "Annotators", "", [Block("Share", text, plot, table(columns, rows)), *_speed(people)])


def _speed(people: People) -> Iterator[Block]:
    timed = [one for one in people.annotators[:MOST_BARS] if one.per_hour is not None]
    if timed:
        names, speeds = [one.name for one in timed], [one.per_hour or 0 for one in timed]
        yield Block(
            "Speed",
            "Annotations in an hour of work; a gap of over ten minutes is a pause. Compare people on like images only: "
            "very fast work deserves a second look, very slow work a question.",
            plain_bars("speed", "Annotations in an hour of work", names, speeds, "{:,.0f}"),
        )


def about_agreement(agreement: Agreement | None) -> Section | None:
    """How far two labellings of the same images agree."""
    if agreement is None:
        return None
    text = (
        f"{agreement.images:,} pairs of labellings of one image are compared. {share(agreement.matched, 1)} of their "
        f"boxes have one of the same label with IoU 0.5 in the other labelling. COCO's average precision of one "
        f"against the other is "
        f"{agreement.average_precision:.2f} (IoU 0.5 to 0.95), and {agreement.average_precision_50:.2f} at IoU 0.5."
    )
    if agreement.of > agreement.images:
        text += f" These are the first of {agreement.of:,}."
    ranked = sorted(agreement.labels, key=lambda one: (_share_matched(one[1]), one[0]))
    rows = [
        (
            name,
            one.first,
            one.second,
            one.matched,
            one.matched_75,
            Bar(share(_share_matched(one), 1), _share_matched(one)),
        )
        for name, one in ranked
    ]
    shown = ranked[:MOST_BARS]
    block = Block(
        "Agreement by label",
        "The labels on which people agree least come first: their definition needs an example, or a rule.",
        plain_bars(
            "agreement",
            "Share of boxes with a match by label",
            [name for name, _ in shown],
            [100 * _share_matched(one) for _, one in shown],
            "{:.0f} %",
            most=100,
        ),
        table(("label", "first", "second", "IoU ≥ 0.5", "IoU ≥ 0.75", "matched"), rows),
    )
    return Section("agreement", "Agreement", text, [block])


def _share_matched(one: Any) -> float:
    both = one.first + one.second
    return 2 * one.matched / both if both else 1.0


def about_sources(manifest: Manifest) -> Section:
    """The account of the annotations, and the sources."""
    read = manifest.annotations
    rows = [("read", read.read), ("written", read.written), ("duplicates, written once", read.duplicates)]
    rows += [(f"left out: {reason}", count) for reason, count in sorted(read.left_out.items())]
    rows += [(f"images left out: {reason}", count) for reason, count in sorted(manifest.images_left_out.items())]
    sources = [(one.name, one.images, one.annotations) for one in manifest.sources]
    rule = ", ".join(f"{name} {fraction:.0%}" for name, fraction in manifest.splits.fractions.items())
    blocks = [
        Block(
            "Account", "Read = written + duplicates + left out.", table=table(("annotations", ""), rows), is_open=True
        ),
        Block(
            "Sources",
            f"Splits: {rule}, by {manifest.splits.by}. Written by labelyard {manifest.labelyard}.",
            table=table(("source", "images", "annotations"), sources),
        ),
    ]
    return Section("sources", "How it was made", "", blocks)
