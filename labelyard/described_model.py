"""Models whose fields are described by the docstring below each.

pydantic's `use_attribute_docstrings` reads the source of each class when it is imported, which is a tenth of what a
command takes. Here it is read by those who show descriptions: JSON Schema, documents, errors and Prefect's forms.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class DescribedModel(BaseModel):
    """A model whose fields may have a docstring below them, which is their description in the JSON Schema."""

    @classmethod
    def describe(cls, field: str) -> str:
        """Return the description of a field on one line, or nothing if it has none."""
        return " ".join(cls._descriptions().get(field, "").split())

    @classmethod
    def _descriptions(cls) -> Mapping[str, str]:
        classes = [base for base in reversed(cls.__mro__) if issubclass(base, DescribedModel)]
        return {field: text for base in classes for field, text in _attribute_docstrings(base).items()}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core_schema)
        fields: dict[str, Any] = handler.resolve_ref_schema(schema).get("properties", {})
        for field, text in cls._descriptions().items():
            fields[cls.model_fields[field].alias or field].setdefault("description", text)
        return schema


@cache
def _attribute_docstrings(model: type) -> Mapping[str, str]:
    """Return the docstrings below the annotated names in the body of a class."""
    (definition,) = ast.parse(dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }
