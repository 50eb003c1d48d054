"""Writing a dataset in a format: what the format cannot hold is counted and named, and the account must balance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from labelyard.annotations.account import Account, Counts, account_of, count_kinds, count_objects
from labelyard.annotations.content import Content, FrameObject, LeftOut
from labelyard.annotations.selection import Selection
from labelyard.domain.formats import Groups
from labelyard.domain.labels import Label
from labelyard.errors import ExportFailed
from labelyard.formats.checks.fault import DatasetFacts
from labelyard.formats.interface import MAX_WARNINGS, MERGED_KINDS, DatasetFile, Format, FormatOptions, Provenance


@dataclass(frozen=True, slots=True)
class WrittenDataset:
    """The files of a dataset, the main one first, and what became of everything that was drawn."""

    files: tuple[Path, ...]
    images: int
    annotations: int
    account: Account
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """What all formats of an export share. `location` says where an object is; `known` is None without a ledger."""

    provenance: Provenance
    options: FormatOptions
    location: Callable[[FrameObject], str]
    known: DatasetFacts | None = None


def write_dataset(form: Format, selection: Selection, target: Target, folder: Path, stem: str) -> WrittenDataset:
    """Write a dataset in a format. Raises ExportFailed if the account does not balance, or no reader could use it."""
    content = selection.content
    refusals = _refusals(form, content)
    held = [one for one, reason in zip(content.objects, refusals, strict=True) if reason is None]
    not_held = [LeftOut(one, why) for one, why in zip(content.objects, refusals, strict=True) if why is not None]
    left_out = [(one, target.location(one.object)) for one in (*selection.left_out, *not_held)]
    account = account_of(held, left_out)
    warnings = [
        *map(str, account.left_out),
        *losses(form, account.in_file, sum(map(has_attributes, held))),
        *_merged_groups(form, held, target.options.groups),
    ]
    provenance = replace(target.provenance, warnings=(*target.provenance.warnings, *warnings)[:MAX_WARNINGS])
    file = DatasetFile(
        replace(content, objects=tuple(held)), account, _category_ids(content.labels, target.known), provenance,
        target.options, target.known,
    )  # fmt: skip
    written = form.write(file, folder, stem)
    if not account.balances(count_objects(selection.drawn), written.objects):
        raise ExportFailed(
            f"the account does not balance: {sum(written.objects.values())} of {len(held)} objects are in the file",
            where=f"CVAT task {provenance.task_id}, {stem}",
        )
    return WrittenDataset(
        written.files, len(content.images), len(held), account, (*provenance.warnings, *written.warnings)
    )


def _refusals(form: Format, content: Content) -> list[str | None]:
    """Return for each object why the format cannot hold it, None if it can."""
    labels = {label.name: label for label in content.labels}
    images = {image.frame: image for image in content.images}
    return [
        form.refusal(one, labels[one.label], images[one.frame])
        if form.holds[one.kind].held
        else form.holds[one.kind].lost
        for one in content.objects
    ]


def losses(form: Format, held: Counts, with_attributes: int) -> Iterator[str]:
    """Yield what is lost of the objects that are in the file, of which some have attributes."""
    for kind, count in count_kinds(held).items():
        if count and form.holds[kind].lost:
            yield f"{form.holds[kind].lost}: {count} of kind {kind}"
    if with_attributes and not form.holds_attributes:
        yield f"the format has no attributes: {with_attributes} objects lost theirs"


def has_attributes(one: FrameObject) -> bool:
    """Return whether an object has attributes, `occluded` among them."""
    return bool(one.attributes) or one.occluded or any(point.attributes for point in one.keypoints)


def _merged_groups(form: Format, held: Sequence[FrameObject], groups: Groups) -> Iterator[str]:
    """Yield what merging groups changes: several labels stay apart, and only the largest member's attributes stay."""
    if groups is Groups.KEEP or not form.merges_groups:
        return
    members: dict[tuple[int, int], list[FrameObject]] = defaultdict(list)
    for one in held:
        if one.group and one.kind in MERGED_KINDS:
            members[one.frame, one.group].append(one)
    divided = sum(len({one.label for one in found}) > 1 for found in members.values())
    if divided:
        yield f"groups of several labels are not merged across labels: {divided}"
    differing = sum(
        any(one.attributes != other.attributes or one.occluded != other.occluded for other in found)
        for found in members.values()
        for one in found[:1]
    )
    if differing:
        yield f"merged groups keep the attributes of their largest shape alone: {differing} have shapes with others"


def _category_ids(labels: Sequence[Label], known: DatasetFacts | None) -> Mapping[str, int]:
    """Return the id of each label, in the order of the ids; labels that the dataset never had come last."""
    ids = known.category_ids if known else {}
    old = sorted((label.name for label in labels if label.name in ids), key=lambda name: ids[name])
    new = [label.name for label in labels if label.name not in ids]
    first_free = 1 + max(ids.values(), default=0)
    return {name: ids[name] for name in old} | {name: number for number, name in enumerate(new, first_free)}
