"""The section `preannotate` of a dataset file: a model's predictions, with which people begin."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, WithJsonSchema, model_serializer

from labelyard.config.fields import Duration, Section
from labelyard.domain.objects import parse_address
from labelyard.domain.preannotation import BESIDE_IMAGES, is_endpoint

_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(hours=1)
_CHOICES = "write coco, an s3:// address of COCO files, or the http:// or https:// address of a model"


def _predictions(value: str) -> str:
    if any(map(str.isspace, value)):
        raise ValueError(f"{value!r} has a blank: {_CHOICES}")
    if is_endpoint(value):
        _check_endpoint(value)
    elif value.startswith("s3://"):
        _check_store_address(value)
    elif value != BESIDE_IMAGES:
        raise ValueError(f"{value!r} is unknown: {_CHOICES}")
    return value


def _check_endpoint(value: str) -> None:
    host = value.partition("://")[2].partition("/")[0]
    if "@" in host:
        raise ValueError("write the address without user and password: the setting LABELYARD_MODEL__<NAME>__TOKEN")
    if "?" in value or "#" in value:
        raise ValueError("write the address without ? and #: a secret belongs in LABELYARD_MODEL__<NAME>__TOKEN")
    if not host:
        raise ValueError("write an address, such as https://model.example.com/predict")


def _check_store_address(value: str) -> None:
    found = parse_address(value)
    if found is None or not found[1]:
        raise ValueError("write bucket and key, such as s3://models/street.json, or a folder: s3://models/street/")
    if not found[1].endswith(("/", ".json")):
        raise ValueError(f"write the key of a .json file, or a folder: {value}/")


def _in_range(value: timedelta) -> timedelta:
    if not _SHORTEST <= value <= _LONGEST:
        raise ValueError("write a duration between 1s and 1h: the batch waits so long at most")
    return value


Predictions = Annotated[
    str, AfterValidator(_predictions), WithJsonSchema({"type": "string", "pattern": r"^(coco|s3://\S+|https?://\S+)$"})
]
"""Where predictions come from."""


class PreannotateSection(Section):
    """A model's predictions, imported once into each new task before its jobs are assigned (docs/preannotation.md)."""

    source: Predictions = Field(alias="from")
    """coco: the files `predictions.coco.json` in the folders of the images. s3://…: a COCO file, or a folder (with a
    slash at its end) of them. http(s)://…: a model that gets presigned URLs of the images."""
    timeout: Annotated[Duration, AfterValidator(_in_range)] = Field(
        default=timedelta(minutes=2), json_schema_extra={"default": "2m"}
    )
    """How long a batch waits for all of its predictions, from 1s to 1h. After that people label without predictions,
    and the batch's page says so."""

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        return {"from" if name == "source" else name: value for name, value in written.items()}
