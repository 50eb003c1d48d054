"""The labels of a CVAT task and their attributes, the same for every version of CVAT."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

MAX_NAME_LENGTH = 64
"""Characters of the name of a label or attribute that CVAT's database keeps."""
MAX_DEFAULT_LENGTH = 128
"""Characters of an attribute's default."""
MAX_VALUES_LENGTH = 4096
"""Characters of an attribute's values, joined by line breaks."""


class InputType(StrEnum):
    """How an annotator enters an attribute (CVAT's five kinds)."""

    SELECT = "select"
    CHECKBOX = "checkbox"
    TEXT = "text"
    NUMBER = "number"
    RADIO = "radio"


class LabelType(StrEnum):
    """The only kind of annotation that CVAT 2.x offers for a label, or any."""

    ANY = "any"
    RECTANGLE = "rectangle"
    POLYGON = "polygon"
    POLYLINE = "polyline"
    POINTS = "points"
    ELLIPSE = "ellipse"
    CUBOID = "cuboid"
    MASK = "mask"
    TAG = "tag"
    SKELETON = "skeleton"


@dataclass(frozen=True, slots=True)
class AttributeSpec:
    """An attribute of a label; `values` of a number are (minimum, maximum, step), of a checkbox the default."""

    name: str
    input_type: InputType
    default: str
    values: tuple[str, ...]
    mutable: bool = False
    id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Label:
    """A label with its attributes; `color` (#rrggbb) is None where the server keeps none.

    `type` is the only kind of shape that CVAT 2.x offers for it, or "any". A skeleton has a sublabel for each of its
    points; `edges` are the pairs of them that a line connects, by index.
    """

    name: str
    attributes: tuple[AttributeSpec, ...] = ()
    color: str | None = field(default=None, compare=False)
    type: str = field(default="any", compare=False)
    sublabels: tuple[Label, ...] = ()
    edges: tuple[tuple[int, int], ...] = field(default=(), compare=False)
    id: int = field(default=0, compare=False)
