"""The types of Prefect's blocks that can stand for settings: a CVAT, and object storage.

`labelyard deploy` registers them. People fill them in in Prefect's UI. `block_values` reads them
over REST, without these classes.
"""

from __future__ import annotations

from typing import Literal

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from labelyard.blocks import CVAT_TYPE, STORE_TYPE
from labelyard.server_settings import CvatSettings, StoreSettings


class CvatBlock(Block):
    """A CVAT server and the account that creates tasks there: `LABELYARD_CVAT__<NAME>__BLOCK` names the block."""

    _block_type_name = "labelyard CVAT"
    _block_type_slug = CVAT_TYPE

    url: str = Field(
        title="Address", description="Its address without a path, such as https://cvat.example.com.",
        examples=["https://cvat.example.com"],
    )  # fmt: skip
    token: SecretStr | None = Field(default=None, title="Token", description=CvatSettings.describe("token"))
    username: str | None = Field(default=None, title="User", description=CvatSettings.describe("username"))
    password: SecretStr | None = Field(default=None, title="Password", description=CvatSettings.describe("password"))
    organization: str | None = Field(
        default=None, title="Organization", description=CvatSettings.describe("organization")
    )
    dialect: Literal["auto", "v1", "v2"] = Field(
        default="auto", title="API version", description=CvatSettings.describe("dialect")
    )


class StoreBlock(Block):
    """Object storage: its address and the keys. `LABELYARD_STORE__BLOCK` names the block."""

    _block_type_name = "labelyard object storage"
    _block_type_slug = STORE_TYPE

    endpoint_url: str | None = Field(default=None, title="Address", description=StoreSettings.describe("endpoint_url"))
    region: str | None = Field(default=None, title="Region", description=StoreSettings.describe("region"))
    access_key_id: str | None = Field(
        default=None, title="Access key id", description=StoreSettings.describe("access_key_id")
    )
    secret_access_key: SecretStr | None = Field(
        default=None, title="Secret access key", description=StoreSettings.describe("secret_access_key")
    )
    addressing_style: Literal["auto", "path", "virtual"] = Field(
        default="auto", title="Addressing style", description=StoreSettings.describe("addressing_style")
    )


def register_block_types() -> None:
    """Create the types, or update them where they differ. Safe to repeat."""
    for block_type in (CvatBlock, StoreBlock):
        block_type.register_type_and_schema()
