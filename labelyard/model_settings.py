"""The settings of models that predict over HTTP: their secrets, each for one server alone."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, SecretStr

ADDRESS = r"^https?://[^\s/?#@]+/?$"
"""The pattern of a server's address, which has no path and no password."""


class ModelSettings(BaseModel):
    """A model that predicts over HTTP, for datasets whose `preannotate.from` begins with its address."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    url: str = Field(pattern=ADDRESS)
    """Its address without a path, such as https://model.example.com."""
    token: SecretStr | None = None
    """Its token, sent as `Authorization: Bearer …` to this address alone."""


def model_token(models: Mapping[str, ModelSettings], address: str) -> SecretStr | None:
    """Return the token for a model's address, None if there is none: scheme, host and port must be the same."""
    tokens = (one.token for one in models.values() if f"{address}/".startswith(f"{one.url.rstrip('/')}/"))
    return next(tokens, None)
