"""docs/commands.schema.json, with which tests compare what commands print with `--json`."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from tests.support.paths import ROOT


@cache
def commands_schema() -> Any:
    return json.loads((ROOT / "docs" / "commands.schema.json").read_text())


def follow_schema(command: str, found: Any) -> None:
    """Check that the document of a command follows its schema."""
    definitions = commands_schema()["$defs"]
    assert command in definitions
    of_command = {"$ref": f"#/$defs/{command.replace(' ', '%20')}", "$defs": definitions}
    assert list(Draft202012Validator(of_command).iter_errors(found)) == []
