"""A rule for COCO documents, and the decorators that make one of a function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from labelyard.formats.checks.fault import DatasetFacts, Fault, Severity
from labelyard.formats.checks.values import Document, abbreviated

Violations = Iterator[tuple[str, str]]
"""Pairs of an item's name, such as "annotation 4", and a message."""

Find = Callable[[Document, DatasetFacts | None], Violations]

_NAME_FIELDS = {
    "images": ("image", "file_name"),
    "categories": ("category", "name"),
    "annotations": ("annotation", "id"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `sentence` says what must hold; calling the rule yields its faults in a document.

    A rule accepts any document whose three parts are lists of objects, and raises nothing. `dataset` is None for a
    file of an unknown dataset.
    """

    name: str
    severity: Severity
    sentence: str
    find: Find

    def __call__(self, document: Document, dataset: DatasetFacts | None) -> Iterator[Fault]:
        """Yield the faults of a document."""
        for where, message in self.find(document, dataset):
            yield Fault(self.name, self.severity, where, message)


def rule(severity: Severity) -> Callable[[Find], Rule]:
    """Make a rule of a function. The rule has the function's name, with hyphens, and its docstring's first line."""
    return lambda find: _rule(find, severity, find)


def rule_for_each(part: str, severity: Severity) -> Callable[[Callable[[dict[str, Any]], Iterator[str]]], Rule]:
    """Make a rule of a function that yields messages about one image, category or annotation."""

    def decorate(messages: Callable[[dict[str, Any]], Iterator[str]]) -> Rule:
        def find(document: Document, _dataset: DatasetFacts | None) -> Violations:
            return ((item_name(part, item), message) for item in document[part] for message in messages(item))

        return _rule(messages, severity, find)

    return decorate


def _rule(function: Callable[..., object], severity: Severity, find: Find) -> Rule:
    sentence = (function.__doc__ or "").partition("\n")[0]
    return Rule(function.__name__.replace("_", "-"), severity, sentence, find)


def item_name(part: str, item: dict[str, Any]) -> str:
    """Return the words that name an image, category or annotation."""
    kind, field = _NAME_FIELDS[part]
    return f"{kind} {abbreviated(item[field])}" if field in item else f"{kind} with id {abbreviated(item.get('id'))}"


def duplicates(items: Sequence[dict[str, Any]], field: str, meaning: str) -> Iterator[str]:
    """Yield a message for each value of a field that several items share."""
    values = Counter(item[field] for item in items if isinstance(item.get(field), int | str))
    for value, count in values.items():
        if count > 1:
            yield f"{count} have {meaning}: {abbreviated(value)}"
