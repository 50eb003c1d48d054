"""The dataset file as a JSON schema, for editors that complete and check while one writes."""

from __future__ import annotations

from typing import Any

from labelyard.config.dataset import DatasetSpec


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a dataset file; what fields may not be together is checked by `validate`."""
    described = DatasetSpec.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **described,
        "title": "labelyard dataset",
    }
