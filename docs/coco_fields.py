"""The tables of docs/formats.md with the fields of COCO files, from their JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FIELDS = "<!-- Generated from docs/coco.schema.json by `make docs`. -->\n"
_END_OF_FIELDS = "<!-- end of the generated fields -->\n"
_FIELD_SECTIONS = (
    "instances", "annotation", "values", "image", "category", "attribute", "info", "preannotation", "job", "account",
    "omission", "extra", "extra_shape", "tag", "extra_image",
)  # fmt: skip


def with_fields(text: str) -> str:
    """Return the text of docs/formats.md with the fields. tests/support/format_table.py makes its other table."""
    schema = json.loads((Path(__file__).parent / "coco.schema.json").read_text(encoding="utf-8"))
    before, _, rest = text.partition(_FIELDS)
    _, _, after = rest.partition(_END_OF_FIELDS)
    sections = "".join(_fields_of(schema["$defs"][name]) for name in _FIELD_SECTIONS)
    return f"{before}{_FIELDS}{sections}\n{_END_OF_FIELDS}{after}"


def _fields_of(section: dict[str, Any]) -> str:
    rows = [
        f"| `{name}` | {_json_type(field)} | {field['description']} | "
        f"{'always' if name in section.get('required', ()) else field['$comment']} |"
        for name, field in section["properties"].items()
    ]
    return "\n".join(
        ["", f"### {section['title']}", "", "| field | type | meaning | there |", "|---|---|---|---|", *rows, ""]
    )


def _json_type(field: dict[str, Any]) -> str:
    """Return the kind of value in one or two words."""
    if "enum" in field or "const" in field:
        return "text" if isinstance(field.get("const", (*field.get("enum", ()), "")[0]), str) else "whole number"
    if "anyOf" in field:
        return "list or object"
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false",
             "array": "list", "object": "object", "null": "null"}  # fmt: skip
    types = field.get("type", "object")
    return " or ".join(names[one] for one in (types if isinstance(types, list) else [types]))
