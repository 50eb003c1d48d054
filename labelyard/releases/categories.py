"""The categories and licences of several COCO files as those of one: a category is known by its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelyard.domain.category_ids import assign_ids
from labelyard.errors import InputError
from labelyard.releases.ids import BITS
from labelyard.releases.keys import is_numbered
from labelyard.releases.lines import dumped
from labelyard.releases.sources import Source

_MEANING = ("supercategory", "keypoints", "skeleton")
"""Fields that change what an annotation of the category means: all sources must agree on them."""


@dataclass(frozen=True, slots=True)
class Categories:
    """The categories of a release.

    `ids` has the id of each name, also of those that only earlier releases had. `numbered` has the number of keypoints
    of each category whose keypoints are numbered, and not named: each source has as many as its longest annotation.
    """

    ids: Mapping[str, int]
    entries: Sequence[dict[str, Any]]
    numbered: Mapping[str, int]
    warnings: Sequence[str]


def unite_categories(sources: Sequence[Source], previous: Mapping[str, int]) -> Categories:
    """Return the categories of all sources. Ids of the previous release stay; others are those of most sources.

    Raises InputError if two sources mean different things by one name.
    """
    found: dict[str, dict[str, Any]] = {}
    first: dict[str, Source] = {}
    numbered: dict[str, int] = {}
    differing: dict[str, None] = {}
    for source in sources:
        for category in source.categories:
            name = category["name"]
            if is_numbered(category):
                numbered[name] = max(numbered.get(name, 0), len(category["keypoints"]))
            known = found.setdefault(name, category)
            _require_same(known, category, first.setdefault(name, source), source)
            if _described(known) != _described(category):
                differing[name] = None
            found[name] = category | known
    ids = _ids(sources, previous)
    entries = [_entry(found[name], ids[name], numbered.get(name)) for name in sorted(found, key=ids.__getitem__)]
    warnings = [
        f"category {name!r} is described differently by its files: it is described as {first[name].name} does"
        for name in sorted(differing)
    ]
    return Categories(ids, entries, numbered, warnings)


def _ids(sources: Sequence[Source], previous: Mapping[str, int]) -> dict[str, int]:
    """Return an id for each name: in the order of votes, that of a source if it is free; else the next free one."""
    votes = Counter((one["name"], one["id"]) for source in sources for one in source.categories)
    ids, taken = dict(previous), set(previous.values())
    for name, number in sorted(votes, key=lambda pair: (-votes[pair], pair[1], pair[0])):
        if name not in ids and number not in taken and 0 < number < 2**BITS:
            ids[name] = number
            taken.add(number)
    return assign_ids(sorted({name for name, _ in votes}), ids)


def _meaning(category: Mapping[str, Any]) -> dict[str, Any]:
    own = () if is_numbered(category) else _MEANING
    return {name: category[name] for name in own if category.get(name)}


def _described(category: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in category.items() if name not in ("id", *_MEANING)}


def _require_same(known: Mapping[str, Any], other: Mapping[str, Any], first: Source, source: Source) -> None:
    one, two = _meaning(known), _meaning(other)
    if one == two:
        return
    name = next(name for name in _MEANING if one.get(name) != two.get(name))
    raise InputError(
        f"the category {known['name']!r} has the {name} {_short(two.get(name))} here, {_short(one.get(name))} in "
        f"{first.path}",
        where=str(source.path),
        next_step="write the same in both files, or rename one of the categories",
    )


def _short(value: object) -> str:
    text = dumped(value).decode()
    return text if len(text) <= 80 else f"{text[:77]}…"


def _entry(category: Mapping[str, Any], number: int, keypoints: int | None) -> dict[str, Any]:
    entry = {"id": number, **{name: value for name, value in category.items() if name != "id"}}
    if keypoints is not None:
        entry["keypoints"] = [str(point) for point in range(1, keypoints + 1)]
    return entry


@dataclass(frozen=True, slots=True)
class Licenses:
    """The licences of a release, and for each source the new id of each of its own."""

    entries: Sequence[dict[str, Any]]
    ids: Sequence[Mapping[int, int]]


def unite_licenses(sources: Sequence[Source]) -> Licenses:
    """Return the licences of all sources, equal ones once."""
    contents = sorted(
        {dumped(_without_id(one)): _without_id(one) for source in sources for one in _licenses(source)}.items()
    )
    numbers = {content: number for number, (content, _) in enumerate(contents, 1)}
    entries = [{"id": number, **one} for number, (_, one) in enumerate(contents, 1)]
    ids = [{one["id"]: numbers[dumped(_without_id(one))] for one in _licenses(source)} for source in sources]
    return Licenses(entries, ids)


def _licenses(source: Source) -> Iterator[dict[str, Any]]:
    return (one for one in source.licenses if type(one.get("id")) is int)


def _without_id(one: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one[name] for name in sorted(one) if name != "id"}
