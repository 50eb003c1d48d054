"""The CVAT of a dataset file: a server of the settings, and an organization there."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from labelyard.config.fields import CVAT_NAME, ORGANIZATION, CvatName, Organization, Section
from labelyard.cvat_names import cvat_name, organization_of, server_of


class CvatSection(Section):
    """A CVAT. Without an organization, it may be written as just its name."""

    name: CvatName = "default"
    """Its name in the settings."""
    organization: Organization | None = None
    """CVAT 2.x: the short name of the organization that tasks, projects and cloud storages belong to."""


def _mapping(value: object) -> object:
    if isinstance(value, str):
        organization = organization_of(value)
        return {"name": server_of(value), **({"organization": organization} if organization else {})}
    if not isinstance(value, dict):
        raise PydanticKnownError("string_type")
    return value


def _name(section: CvatSection) -> str:
    return cvat_name(section.name, section.organization or "")


class _AsName:
    """Reads a name or a mapping, and makes it the name that the ledger uses: `default`, `default/acme`."""

    section = CvatSection

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        read = core_schema.no_info_before_validator_function(_mapping, handler.generate_schema(CvatSection))
        return core_schema.no_info_after_validator_function(
            _name, read, serialization=core_schema.to_string_ser_schema(when_used="unless-none")
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "pattern": f"^{CVAT_NAME}(/{ORGANIZATION})?$"}, handler(schema)]}


CvatPlace = Annotated[str, _AsName()]
"""The name of a CVAT, or `server/organization`."""
