"""The settings of the servers: the CVATs, object storage, and models.

Those of a CVAT and of object storage come from variables or from a block of Prefect.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, Self

from pydantic import ConfigDict, Field, SecretStr, model_validator

from labelyard.described_model import DescribedModel

ADDRESS = r"^https?://[^\s/?#@]+/?$"
"""The pattern of a server's address, which has no path and no password."""
BLOCK_NAME = r"^[a-z0-9-]+$"
"""The pattern of a block's name, as Prefect accepts it."""


class CloudSettings(DescribedModel):
    """How a CVAT 2.x reads the buckets of datasets with `upload: cloud`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    credentials: Literal["registered", "keys", "store", "anonymous"] = "registered"
    """registered: a person has registered the bucket in CVAT. Else labelyard does it once per bucket, with the keys of
    the two settings below, with those of LABELYARD_STORE, or without any."""
    access_key_id: str | None = None
    """keys: the access key id that CVAT gets. It needs to read and list the bucket only."""
    secret_access_key: SecretStr | None = None
    """keys: its secret."""
    endpoint_url: str | None = Field(default=None, pattern=ADDRESS)
    """The address of the store as CVAT reaches it, if it is not LABELYARD_STORE__ENDPOINT_URL."""

    @model_validator(mode="after")
    def _complete_keys(self) -> Self:
        if self.credentials == "keys" and not (self.access_key_id and self.secret_access_key):
            raise ValueError("credentials are keys: set ACCESS_KEY_ID and SECRET_ACCESS_KEY too")
        return self


class WebhookSettings(DescribedModel):
    """How a CVAT 2.x reports changed jobs to the watcher; without it labelyard asks CVAT regularly, and only so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = Field(default=None, pattern=r"^https?://[^\s?#@]+$")
    """The address of the watcher as CVAT reaches it: https://labelyard.example.com. CVAT posts to …/cvat/NAME there."""
    secret: SecretStr | None = Field(default=None, min_length=16, max_length=64)
    """The secret with which CVAT signs what it posts: 16 to 64 characters, such as those of `openssl rand -hex 32`."""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.url is None) != (self.secret is None):
            raise ValueError("set both URL and SECRET, or none of them")
        return self


class CvatSettings(DescribedModel):
    """A CVAT server, under the name that dataset files use."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    block: str | None = Field(default=None, pattern=BLOCK_NAME)
    """The name of a block of Prefect that has the address, the account and the next settings, instead of these
    variables: street-cvat (below)."""
    url: str = Field(default="", pattern=ADDRESS)
    """Its address without a path, such as https://cvat.example.com. Required, unless there is a BLOCK."""
    username: str = ""
    """The account that creates tasks. It needs the right to see and assign them."""
    password: SecretStr | None = None
    """Its password, unless a token is set."""
    token: SecretStr | None = None
    """A token, instead of a password: of CVAT 2.x a personal access token (docs/cvat.md)."""
    dialect: Literal["auto", "v1", "v2"] = "auto"
    """The API version of the server; auto asks the server."""
    organization: str = Field(default="", pattern=r"^[-a-zA-Z0-9_]{0,16}$")
    """CVAT 2.x: the short name of the organization that tasks belong to, for datasets that name none."""
    timeout_seconds: float = Field(default=60, gt=0)
    """Timeout for the next byte of a response, in seconds."""
    cloud: CloudSettings = CloudSettings()
    """The buckets of datasets with `upload: cloud`."""
    webhook: WebhookSettings = WebhookSettings()
    """What CVAT reports by itself."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        _reject_beside_block(self, CVAT_FIELDS)
        if not self.block and not self.url:
            raise ValueError("write its URL, or the BLOCK of Prefect that has it")
        return self


class StoreSettings(DescribedModel):
    """Object storage. Values that are not set come from boto3's own sources (profile, instance role, …)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    block: str | None = Field(default=None, pattern=BLOCK_NAME)
    """The name of a block of Prefect that has the address, the keys and the next settings, instead of these variables:
    street-bucket (below)."""
    endpoint_url: str | None = None
    """The address of the store, unless it is AWS."""
    region: str | None = None
    """The region, such as eu-central-1."""
    access_key_id: str | None = None
    """The access key id."""
    secret_access_key: SecretStr | None = None
    """The secret access key."""
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    """How bucket names appear in URLs; path for most stores other than AWS."""
    timeout_seconds: float = Field(default=30, gt=0)
    """Timeout for the next byte of a response, in seconds."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        _reject_beside_block(self, STORE_FIELDS)
        return self


class ModelSettings(DescribedModel):
    """A model that predicts over HTTP, for datasets whose `preannotate.from` begins with its address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=ADDRESS)
    """Its address without a path, such as https://model.example.com."""
    token: SecretStr | None = None
    """Its token, sent as `Authorization: Bearer …` to this address alone."""


CVAT_FIELDS = ("url", "username", "password", "token", "dialect", "organization")
"""The settings of a CVAT that a block has, if one is named; in the order of its form."""
STORE_FIELDS = ("endpoint_url", "region", "access_key_id", "secret_access_key", "addressing_style")
"""The same of object storage."""


def webhook_secrets(cvats: Mapping[str, CvatSettings]) -> dict[str, SecretStr]:
    """Return the secrets of the webhooks that are wanted, by the names of their CVATs."""
    return {name: at.webhook.secret for name, at in cvats.items() if at.webhook.secret is not None}


def model_token(models: Mapping[str, ModelSettings], address: str) -> SecretStr | None:
    """Return the token for a model's address, None if there is none: scheme, host and port must be the same."""
    tokens = (one.token for one in models.values() if f"{address}/".startswith(f"{one.url.rstrip('/')}/"))
    return next(tokens, None)


def _reject_beside_block(settings: DescribedModel, fields: Collection[str]) -> None:
    """Two places that say the same would leave it open which one counts."""
    beside = [name.upper() for name in fields if name in settings.model_fields_set]
    if getattr(settings, "block", None) and beside:
        raise ValueError(f"its BLOCK has {', '.join(beside)}: delete these variables, or BLOCK")
