"""Labels with attributes of all types, and one for skeletons, as a server returns them."""

from __future__ import annotations

from dataclasses import replace

from labelyard.demo.photographs import labels
from labelyard.domain.labels import AttributeSpec, InputType, Label

ATTRIBUTES = (
    AttributeSpec("pose", InputType.SELECT, "front", ("front", "side")),
    AttributeSpec("moving", InputType.CHECKBOX, "false", ("false",), mutable=True),
    AttributeSpec("age", InputType.NUMBER, "0", ("0", "40", "5")),
    AttributeSpec("note", InputType.TEXT, "", ("",)),
)
NEW_LABELS = (Label("person", ATTRIBUTES), *(Label(name) for name in labels() if name != "person"))
"""The labels of the photographs before a server has given them ids."""

BODY = Label("body", type="skeleton", sublabels=(Label("head"), Label("hand"), Label("foot")), edges=((0, 1), (1, 2)))


def with_ids(given: tuple[Label, ...]) -> tuple[Label, ...]:
    """Return labels with ids, as a server stores them."""
    return tuple(
        replace(
            label, id=100 * n,
            attributes=tuple(replace(spec, id=100 * n + i) for i, spec in enumerate(label.attributes, 1)),
            sublabels=tuple(replace(point, id=100 * n + 50 + i) for i, point in enumerate(label.sublabels)),
        )
        for n, label in enumerate(given, 1)
    )  # fmt: skip
