"""The types of parameters that a person writes in Prefect's UI, which checks them as they are written.

Prefect takes their descriptions from the docstring of the flow.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

DatasetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
"""The name of a dataset."""
