"""What makes the labels of a dataset file different from those of a project in CVAT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from labelyard.domain.labels import AttributeSpec, Label


@dataclass(frozen=True, slots=True)
class LabelChanges:
    """The differences between wanted labels and present ones, each in words that begin with the label's name.

    `to_apply` can be changed in CVAT without a loss. `removals` cannot: with a label, an attribute or a point of a
    skeleton CVAT deletes what people drew, so only a person does that.
    """

    to_apply: tuple[str, ...] = ()
    removals: tuple[str, ...] = ()
    labels: tuple[Label, ...] = field(default=(), repr=False)
    """The wanted labels that are new or differ in something of `to_apply`."""

    def __bool__(self) -> bool:
        return bool(self.to_apply or self.removals)

    @property
    def lines(self) -> tuple[str, ...]:
        """All differences."""
        return (*self.to_apply, *self.removals)


def compare_labels(wanted: Sequence[Label], present: Sequence[Label]) -> LabelChanges:
    """Return what must change so that `present` becomes `wanted`. The order of labels does not count.

    A wanted label without a color takes any. Lines of a skeleton's drawing do not count.
    """
    known = {label.name: label for label in present}
    names = {label.name for label in wanted}
    to_apply: list[str] = []
    removals = [f"{label.name}: the dataset file has no such label" for label in present if label.name not in names]
    changed = []
    for label in wanted:
        old = known.get(label.name)
        changes = ["new label"] if old is None else list(_changes(label, old))
        to_apply += [f"{label.name}: {change}" for change in changes]
        changed += [label] if changes else []
        removals += [f"{label.name}: {change}" for change in (_removals(label, old) if old else ())]
    return LabelChanges(tuple(to_apply), tuple(removals), tuple(changed))


def _changes(label: Label, old: Label) -> Iterator[str]:
    if label.color and label.color.lower() != (old.color or "").lower():
        yield f"color {label.color}, not {old.color or 'none'}"
    if label.type != old.type and not (label.sublabels or old.sublabels):
        yield f"type {label.type}, not {old.type}"
    known = {spec.name: spec for spec in old.attributes}
    for spec in label.attributes:
        if spec.name not in known:
            yield f"new attribute {spec.name}"
        elif spec != known[spec.name]:
            yield f"attribute {spec.name}: {', '.join(_attribute_changes(spec, known[spec.name]))}"


def _attribute_changes(spec: AttributeSpec, old: AttributeSpec) -> Iterator[str]:
    if spec.input_type is not old.input_type:
        yield f"input_type {spec.input_type}, not {old.input_type}"
    if spec.values != old.values:
        yield f"values {', '.join(spec.values)}, not {', '.join(old.values)}"
    if spec.default != old.default:
        yield f"default {spec.default!r}, not {old.default!r}"
    if spec.mutable != old.mutable:
        yield f"mutable {str(spec.mutable).lower()}"


def _removals(label: Label, old: Label) -> Iterator[str]:
    attributes = {spec.name for spec in label.attributes}
    yield from (f"the file has no attribute {one.name}" for one in old.attributes if one.name not in attributes)
    points, present = ([point.name for point in one.sublabels] for one in (label, old))
    if points != present:
        yield f"points {', '.join(points) or 'none'}, not {', '.join(present) or 'none'}"
