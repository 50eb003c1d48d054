"""The types of parameters that a person writes in Prefect's UI, which checks them as they are written.

Prefect takes their descriptions from the docstring of the flow.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

_DATASET = r"[a-z0-9][a-z0-9._-]{0,62}"

DatasetName = Annotated[str, Field(pattern=rf"^{_DATASET}$")]
"""The name of a dataset."""
BatchId = Annotated[str, Field(pattern=rf"^{_DATASET}-[0-9]{{5,}}$")]
"""The id of a batch, such as street-00012."""
ObjectAddress = Annotated[str, Field(pattern=r"^s3://[^/\s]+/.+$", max_length=2000)]
"""The address of an object, s3://bucket/key."""
UserName = Annotated[str, Field(pattern=r"^\S(.*\S)?$", max_length=150)]
"""A user name of CVAT."""
Reason = Annotated[str, Field(pattern=r"\S", max_length=500)]
"""Why a person decides so; not empty."""


class ObjectDecision(StrEnum):
    """What happens to an object."""

    QUARANTINE = "quarantine"
    RESTORE = "restore"


class DatasetDecision(StrEnum):
    """What happens to a dataset."""

    PAUSE = "pause"
    RESUME = "resume"
