"""A rule for COCO documents, and the decorators that make one of a function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labelyard.formats.checks.fault import DatasetFacts, Fault, Severity
from labelyard.formats.checks.values import Document, abbreviated

Violations = Iterator[tuple[str, str]]
"""Pairs of an item's name, such as "annotation 4", and a message."""

Find = Callable[[Document, DatasetFacts | None], Violations]

Key = Callable[[dict[str, Any]], Any]
"""Returns what no two items may have in common; None for an item that cannot be compared."""

_NAME_FIELDS = {
    "images": ("image", "file_name"),
    "categories": ("category", "name"),
    "annotations": ("annotation", "id"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `sentence` says what must hold, `consequence` what a training suffers from where it does not.

    A rule accepts any document whose three parts are lists of objects, and raises nothing. `dataset` is None for a
    file of an unknown dataset. A rule with a `part` judges each item of the part by itself; an annotation with its
    image and category. With a `key` too it compares the items of the part, and reads only their `fields`. A rule
    without a part needs the whole document. `of_drawing` says that its annotator can repair what breaks it in an
    export, in CVAT: in a review an error of such a rule sends the job back. It judges each image by itself, too.
    """

    name: str
    severity: Severity
    sentence: str
    consequence: str
    find: Find
    part: str = ""
    key: Key | None = None
    fields: tuple[str, ...] = ()
    of_drawing: bool = False

    def __call__(self, document: Document, dataset: DatasetFacts | None) -> Iterator[Fault]:
        """Yield the faults of a document."""
        for where, message in self.find(document, dataset):
            yield Fault(self.name, self.severity, where, message)


def rule(severity: Severity, part: str = "", *, of_drawing: bool = False) -> Callable[[Find], Rule]:
    """Make a rule of a function that looks at a whole document, or at each item of a part and what it refers to.

    The rule has the function's name, with hyphens. The first line of its docstring is the sentence, the second
    paragraph the consequence.
    """
    return lambda find: replace(_rule(find, severity, find, part), of_drawing=of_drawing)


def rule_for_each(
    part: str, severity: Severity, *, of_drawing: bool = False
) -> Callable[[Callable[[dict[str, Any]], Iterator[str]]], Rule]:
    """Make a rule of a function that yields messages about one image, category or annotation."""

    def decorate(messages: Callable[[dict[str, Any]], Iterator[str]]) -> Rule:
        def find(document: Document, _dataset: DatasetFacts | None) -> Violations:
            return ((item_name(part, item), message) for item in document[part] for message in messages(item))

        return replace(_rule(messages, severity, find, part), of_drawing=of_drawing)

    return decorate


Group = list[dict[str, Any]]


def rule_for_equal(
    part: str, severity: Severity, key: Key, *fields: str
) -> Callable[[Callable[[Group], Violations]], Rule]:
    """Make a rule of a function that yields the violations of a group of items that have a key in common.

    `fields` are all that key and function read. Keys are compared by their hashes, too: equal ones must have the same.
    """

    def decorate(violations: Callable[[Group], Violations]) -> Rule:
        def find(document: Document, _dataset: DatasetFacts | None) -> Violations:
            groups: defaultdict[Any, Group] = defaultdict(list)
            for item in document[part]:
                if (value := key(item)) is not None:
                    groups[value].append(item)
            for group in groups.values():
                if len(group) > 1:
                    yield from violations(group)

        return _rule(violations, severity, find, part, key, fields)

    return decorate


def _rule(
    function: Callable[..., object],
    severity: Severity,
    find: Find,
    part: str,
    key: Key | None = None,
    fields: tuple[str, ...] = (),
) -> Rule:
    sentence, _, rest = (function.__doc__ or "").partition("\n")
    name = function.__name__.replace("_", "-")
    return Rule(name, severity, sentence, " ".join(rest.split()), find, part, key, fields)


def item_name(part: str, item: dict[str, Any]) -> str:
    """Return the words that name an image, category or annotation."""
    kind, field = _NAME_FIELDS[part]
    return f"{kind} {abbreviated(item[field])}" if field in item else f"{kind} with id {abbreviated(item.get('id'))}"


def field_key(field: str) -> Key:
    """Return a key that is the value of a field, if that is a whole number or a text."""

    def key(item: dict[str, Any]) -> Any:
        value = item.get(field)
        return value if type(value) in (int, str) else None

    return key


def names_in(items: Sequence[Any]) -> str:
    """Return up to three values for a message."""
    more = f" and {len(items) - 3} more" if len(items) > 3 else ""
    return ", ".join(map(abbreviated, items[:3])) + more
