"""Lines of XML, indented as CVAT indents them."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape, quoteattr


def element(name: str, value: Any, depth: int) -> list[str]:
    """Return the lines of an element; `value` is its text, or a list of child names and their values."""
    indent = "  " * depth
    if not isinstance(value, list):
        return [f"{indent}<{name}>{escape(str(value))}</{name}>"]
    inner = [line for child, content in value for line in element(child, content, depth + 1)]
    return [f"{indent}<{name}>", *inner, f"{indent}</{name}>"]


def opening(tag: str, attributes: dict[str, Any], depth: int) -> str:
    """Return the opening tag of an element."""
    joined = "".join(f" {name}={quoteattr(str(value))}" for name, value in attributes.items())
    return f"{'  ' * depth}<{tag}{joined}>"


def attribute(name: str, value: str, depth: int) -> str:
    """Return the element with the value of an attribute of a label."""
    return f"{'  ' * depth}<attribute name={quoteattr(name)}>{escape(value)}</attribute>"


def date(text: str) -> str:
    """Return a date of the API as CVAT's XML has it."""
    return text.replace("T", " ").replace("Z", "+00:00")
