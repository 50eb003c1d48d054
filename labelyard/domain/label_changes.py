"""What makes wanted labels different from present ones: those of a dataset file, of its versions, of a project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from labelyard.domain.labels import AttributeSpec, Label


@dataclass(frozen=True, slots=True)
class LabelChange:
    """How a wanted label differs from the present one of its name; one of the two is None if it is not there.

    CVAT can change what `changes` says without a loss. It cannot so with `removals`: with an attribute or a point of a
    skeleton it deletes what people drew.
    """

    name: str
    wanted: Label | None
    present: Label | None
    changes: tuple[str, ...] = ()
    removals: tuple[str, ...] = ()

    @property
    def can_be_applied(self) -> bool:
        """Whether CVAT can add or change something without a loss."""
        return self.wanted is not None and (self.present is None or bool(self.changes))

    def __str__(self) -> str:
        if self.present is None:
            return f"{self.name}: new label"
        return f"{self.name}: {'; '.join((*self.changes, *self.removals))}"


def compare_labels(wanted: Sequence[Label], present: Sequence[Label]) -> Iterator[LabelChange]:
    """Yield what must change so that `present` becomes `wanted`, removed labels first. Their order does not count."""
    known, names = {label.name: label for label in present}, {label.name for label in wanted}
    for label in present:
        if label.name not in names:
            yield LabelChange(label.name, None, label, removals=("the dataset file has no such label",))
    for label in wanted:
        old = known.get(label.name)
        changes, removals = (tuple(_changes(label, old)), tuple(_removals(label, old))) if old else ((), ())
        if old is None or changes or removals:
            yield LabelChange(label.name, label, old, changes, removals)


def compare_with_project(wanted: Sequence[Label], present: Sequence[Label]) -> list[LabelChange]:
    """Return the same for the labels of a project in CVAT.

    A wanted label without a color takes any. The lines of a skeleton's drawing do not count.
    """
    by_name = {label.name: label for label in wanted}
    return list(compare_labels(wanted, [_as_in_a_file(label, by_name.get(label.name)) for label in present]))


def _as_in_a_file(present: Label, wanted: Label | None) -> Label:
    """Return a label of CVAT with the wanted one's values where a difference does not count."""
    if wanted is None:
        return present
    any_color = wanted.color is None or wanted.color.lower() == (present.color or "").lower()
    is_skeleton = bool(wanted.sublabels or present.sublabels)
    same_points = _names(wanted.sublabels) == _names(present.sublabels)
    return replace(
        present,
        color=wanted.color if any_color else present.color,
        type=wanted.type if is_skeleton else present.type,
        sublabels=wanted.sublabels if same_points else present.sublabels,
        edges=wanted.edges,
    )


def _changes(label: Label, old: Label) -> Iterator[str]:
    if label.color != old.color:
        yield f"color {label.color or 'none'}, not {old.color or 'none'}"
    if label.type != old.type:
        yield f"type {label.type}, not {old.type}"
    if label.edges != old.edges and _names(label.sublabels) == _names(old.sublabels):
        yield "other lines between its points"
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
    if _names(label.sublabels) != _names(old.sublabels):
        yield f"points {_names(label.sublabels)}, not {_names(old.sublabels)}"


def _names(labels: Sequence[Label]) -> str:
    return ", ".join(label.name for label in labels) or "none"
