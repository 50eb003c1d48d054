"""What a format will drop of what can be drawn with a dataset's labels, known before anybody draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from labelyard.annotations.content import FrameObject, Image, Keypoint, Kind
from labelyard.domain.labels import Label
from labelyard.formats.interface import Format

_IMAGE = Image("sample.jpg", 100, 100, 0)
_BOX = (20.0, 20.0, 60.0, 50.0)
_CORNERS = (20.0, 20.0, 60.0, 20.0, 60.0, 50.0, 20.0, 50.0)
_POINTS: Mapping[Kind, tuple[float, ...]] = {
    Kind.RECTANGLE: _BOX, Kind.POLYGON: _CORNERS, Kind.POLYLINE: _CORNERS, Kind.POINTS: _CORNERS,
    Kind.ELLIPSE: (50.0, 50.0, 70.0, 40.0), Kind.CUBOID: (*_CORNERS, *_CORNERS), Kind.SKELETON: (), Kind.TAG: (),
    Kind.MASK: (0.0, 16.0, 20.0, 20.0, 23.0, 23.0),
}  # fmt: skip
_MAX_NAMES = 6
_TURNED = "turned rectangle"


@dataclass(frozen=True, slots=True)
class Losses:
    """What a format drops.

    Of `labels` it keeps nothing. `kinds` and `attributes` have, by each other label, the kinds of shapes and the
    attributes that it drops. `fields` are dropped of every shape. `changes` say what becomes of kinds that are kept.
    """

    labels: tuple[str, ...]
    kinds: Mapping[str, tuple[str, ...]]
    attributes: Mapping[str, tuple[str, ...]]
    fields: tuple[str, ...]
    changes: tuple[str, ...]

    def lines(self, name: str) -> Iterator[str]:
        """Yield short lines for people; `name` is that of the format."""
        if self.labels:
            yield f"{name} drops everything of {_listed(self.labels)}"
        for kinds in filter(None, dict.fromkeys(self.kinds.values())):
            labels = [label for label, dropped in self.kinds.items() if dropped == kinds]
            whose = f" of {_listed(labels)}" if self.labels or len(labels) < len(self.kinds) else ""
            yield f"{name} drops {', '.join(kinds)}{whose}"
        if self.fields:
            of_labels = [f"{label} ({', '.join(names)})" for label, names in self.attributes.items()]
            attributes = f"the attributes of {_listed(of_labels)}, and " if of_labels else ""
            yield f"{name} drops {attributes}{', '.join(self.fields)}"
        yield from (f"{name}: {words}" for words in self.changes)


def losses(form: Format, labels: Sequence[Label]) -> Losses:
    """Return what a format drops of the shapes that CVAT offers for labels, and of their attributes."""
    dropped, held = {}, set()
    for label in labels:
        samples = dict(_samples(label))
        dropped[label.name] = tuple(name for name, one in samples.items() if _is_dropped(form, one, label))
        held |= {one.kind for name, one in samples.items() if name not in dropped[label.name]}
    kept = [label for label in labels if len(dropped[label.name]) < len(list(_samples(label)))]
    has_switch = held - {Kind.SKELETON, Kind.TAG}
    fields = (*(["occluded"] if has_switch else []), "track", "group", "z-order")
    return Losses(
        labels=tuple(label.name for label in labels if label not in kept),
        kinds={label.name: dropped[label.name] for label in kept},
        attributes={
            label.name: tuple(spec.name for spec in label.attributes)
            for label in kept
            if label.attributes and not form.holds_attributes
        },
        fields=fields if kept and not form.holds_attributes else (),
        changes=tuple(form.holds[kind].lost for kind in Kind if kind in held and form.holds[kind].lost),
    )


def _is_dropped(form: Format, one: FrameObject, label: Label) -> bool:
    return not form.holds[one.kind].held or form.refusal(one, label, _IMAGE) is not None


def _samples(label: Label) -> Iterator[tuple[str, FrameObject]]:
    """Yield a sample of everything that can be drawn with a label, each with its name for people."""
    for kind in Kind:
        if not _is_offered(kind, label):
            continue
        keypoints = tuple(Keypoint(one.name, 20.0 + n % 60, 20.0 + n % 60) for n, one in enumerate(label.sublabels))
        yield kind, FrameObject(kind, 0, label.name, _POINTS[kind], keypoints=keypoints)
        if kind is Kind.RECTANGLE:
            yield _TURNED, FrameObject(kind, 0, label.name, _BOX, rotation=30.0)


def _is_offered(kind: Kind, label: Label) -> bool:
    """Return whether CVAT offers a kind of shape for a label."""
    if label.sublabels or kind is Kind.SKELETON:
        return bool(label.sublabels) and kind is Kind.SKELETON
    return label.type in ("any", kind)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"{', '.join(names[:_MAX_NAMES])}{more}"
