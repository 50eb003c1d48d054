"""The JSON schema of a dataset file, for completion and checks in editors."""

from __future__ import annotations

from typing import Any

from labelyard.config.dataset import DatasetSpec


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12). Only `validate` checks fields against each other."""
    described = DatasetSpec.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **described,
        "title": "labelyard dataset",
    }
