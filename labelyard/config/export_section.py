"""The section `export` of a dataset file: where and how the datasets of its batches are written."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator

from labelyard.config.fields import Bucket, Folder, Section, Switch, reject, unknown_choice
from labelyard.config.labels import duplicates
from labelyard.domain.formats import CVAT_PREFIX, DATASET_FORMATS, Groups, is_of_server, server_name


def _known_format(value: str) -> str:
    if is_of_server(value):
        if not server_name(value):
            raise ValueError("write the server's name of a format after cvat:, such as cvat:COCO 1.0")
        return f"{CVAT_PREFIX}{server_name(value)}"
    if value not in DATASET_FORMATS:
        raise ValueError(f"{unknown_choice(value, DATASET_FORMATS)}, or cvat: and a name that the server lists")
    return value


FormatName = Annotated[
    str,
    AfterValidator(_known_format),
    WithJsonSchema({"anyOf": [{"enum": list(DATASET_FORMATS)}, {"type": "string", "pattern": f"^{CVAT_PREFIX}.+"}]}),
]
"""The name of a dataset format, or `cvat:` and the server's name of one."""


class FaultyShapes(StrEnum):
    """What to do with shapes that no format can hold."""

    LEAVE_OUT = "leave_out"
    FAIL = "fail"


class ExportSection(Section):
    """Where and how exports are written."""

    bucket: Bucket | None = None
    """The destination bucket; by default the first source's."""
    prefix: Folder
    """The folder of the exports in the bucket. No source may contain it or be inside it."""
    formats: tuple[FormatName, ...] = Field(default=("coco",), min_length=1)
    """The formats, the main one first. coco holds everything that people draw; of the others `labelyard validate` says
    what they cannot hold. `cvat:COCO 1.0` passes the server's own file on, in any format that the server lists."""
    keep_original: Switch = True
    """Whether CVAT's own lossless export is kept beside the dataset, in `original/`."""
    rectangles_as_polygons: Switch = False
    """coco: whether a rectangle has its four corners as segmentation, for readers that need masks."""
    groups: Groups = Groups.MERGE
    """coco: merge makes one annotation of the grouped shapes of a label, as CVAT's own COCO does; keep does not."""
    faulty_shapes: FaultyShapes = FaultyShapes.LEAVE_OUT
    """Shapes that no format can hold, such as a polygon with two points: leave_out names them and exports the rest,
    fail stops the export until they are corrected."""

    @field_validator("formats")
    @classmethod
    def _no_duplicates(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        reject(duplicates(value))
        return value
