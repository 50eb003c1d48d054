"""The types of Prefect's blocks that can stand for settings: a CVAT, and object storage.

`labelyard deploy` registers them. People fill them in in Prefect's UI. `block_values` reads them
over REST, without these classes.
"""

from __future__ import annotations

from typing import Literal

from prefect.blocks.core import Block
from pydantic import BaseModel, Field, SecretStr

from labelyard.blocks import CVAT_TYPE, STORE_TYPE
from labelyard.server_settings import CvatSettings, StoreSettings


def _about(settings: type[BaseModel], field: str) -> str:
    """Return what docs/settings.md says about the same field."""
    return " ".join((settings.model_fields[field].description or "").split())


class CvatBlock(Block):
    """A CVAT server and the account that creates tasks there: `LABELYARD_CVAT__<NAME>__BLOCK` names the block."""

    _block_type_name = "labelyard CVAT"
    _block_type_slug = CVAT_TYPE

    url: str = Field(
        title="Address", description="Its address without a path, such as https://cvat.example.com.",
        examples=["https://cvat.example.com"],
    )  # fmt: skip
    token: SecretStr | None = Field(default=None, title="Token", description=_about(CvatSettings, "token"))
    username: str | None = Field(default=None, title="User", description=_about(CvatSettings, "username"))
    password: SecretStr | None = Field(default=None, title="Password", description=_about(CvatSettings, "password"))
    organization: str | None = Field(
        default=None, title="Organization", description=_about(CvatSettings, "organization")
    )
    dialect: Literal["auto", "v1", "v2"] = Field(
        default="auto", title="API version", description=_about(CvatSettings, "dialect")
    )


class StoreBlock(Block):
    """Object storage: its address and the keys. `LABELYARD_STORE__BLOCK` names the block."""

    _block_type_name = "labelyard object storage"
    _block_type_slug = STORE_TYPE

    endpoint_url: str | None = Field(default=None, title="Address", description=_about(StoreSettings, "endpoint_url"))
    region: str | None = Field(default=None, title="Region", description=_about(StoreSettings, "region"))
    access_key_id: str | None = Field(
        default=None, title="Access key id", description=_about(StoreSettings, "access_key_id")
    )
    secret_access_key: SecretStr | None = Field(
        default=None, title="Secret access key", description=_about(StoreSettings, "secret_access_key")
    )
    addressing_style: Literal["auto", "path", "virtual"] = Field(
        default="auto", title="Addressing style", description=_about(StoreSettings, "addressing_style")
    )


def register_block_types() -> None:
    """Create the types, or update them where they differ. Safe to repeat."""
    for block_type in (CvatBlock, StoreBlock):
        block_type.register_type_and_schema()
