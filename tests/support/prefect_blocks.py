"""Blocks as a person creates them in Prefect's UI: over its API."""

from __future__ import annotations

from collections.abc import Mapping

import httpx


def create_block(api_url: str, block_type: str, name: str, data: Mapping[str, str]) -> None:
    """Create a block of a registered type."""
    with httpx.Client(base_url=api_url, timeout=90) as http:
        type_id = http.get(f"/block_types/slug/{block_type}").raise_for_status().json()["id"]
        asked = {"block_schemas": {"block_type_id": {"any_": [type_id]}}}
        (schema,) = http.post("/block_schemas/filter", json=asked).raise_for_status().json()
        document = {"name": name, "data": data, "block_type_id": type_id, "block_schema_id": schema["id"]}
        http.post("/block_documents/", json=document).raise_for_status()
