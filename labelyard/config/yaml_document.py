"""YAML documents as plain values with line numbers.

Scalars that YAML 1.1 and 1.2 read differently are errors: `no`, `007`, `1:30`, dates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from labelyard.errors import YamlError

Path = tuple[str | int, ...]
"""The path of a value in a document: field names and list indices."""

_TAG = "tag:yaml.org,2002:"
_NUMBERS = (f"{_TAG}int", f"{_TAG}float")
_MAX_DEPTH = 32
_MAX_NODES = 50_000
"""Counted with aliases expanded: a few nested aliases can expand to billions of values."""


@dataclass
class Document:
    """The values of a YAML document, with the line and the original text of each."""

    value: object = None
    lines: dict[Path, int] = field(default_factory=dict)
    spelled: dict[Path, str] = field(default_factory=dict)
    errors: list[YamlError] = field(default_factory=list)
    nodes: int = 0

    def line(self, path: Path) -> int:
        """Return the line (from 1) of a path, or of its nearest parent that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_document(text: str) -> Document:
    """Read one YAML document; errors of single values are in `errors`. Raises YamlError on bad syntax."""
    document = Document()
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is not None:
            document.value = _value(loader, root, (), document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlError(mark.line + 1 if mark else 1, f"not valid YAML: {words}{_hint(error, text)}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(line, f"not valid YAML: remove the control character U+{error.character:04X}") from None
    return document


def _hint(error: yaml.MarkedYAMLError, text: str) -> str:
    problem = error.problem or ""
    if "'\\t'" in problem:
        return ": indent with blanks, not tabs"
    if "mapping values are not allowed" in problem:
        return ": a text with ': ' in it needs quotes, and each field needs its own line"
    if "single document" in (error.context or ""):
        return ": write one dataset per file"
    return (
        "" if text.isascii() or "cannot start any token" not in problem else ": check for typographic quotes and dashes"
    )


class _Loader(yaml.SafeLoader):
    """A composer that limits nesting, which would otherwise end in a RecursionError."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise YamlError(self.line + 1, f"not valid YAML: nested deeper than {_MAX_DEPTH}")
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _value(loader: _Loader, node: yaml.Node, path: Path, document: Document) -> object:
    """Return the value of a node and record its line; aliases are expanded."""
    line: int = node.start_mark.line + 1
    document.lines.setdefault(path, line)
    document.nodes += 1
    if document.nodes > _MAX_NODES or len(path) > _MAX_DEPTH:
        raise YamlError(line, f"too large: more than {_MAX_NODES} values, or an alias that holds itself")
    if isinstance(node, yaml.ScalarNode):
        return _scalar(loader, node, path, document)
    if node.tag not in (f"{_TAG}map", f"{_TAG}seq"):
        document.errors.append(YamlError(line, f"the tag {_tag(node)} is not supported: remove it"))
    if isinstance(node, yaml.MappingNode):
        return {key: _value(loader, item, (*path, key), document) for key, item in _items(node, path, document)}
    return [_value(loader, item, (*path, i), document) for i, item in enumerate(node.value)]


def _items(node: yaml.MappingNode, path: Path, document: Document) -> Iterator[tuple[str, yaml.Node]]:
    seen: dict[str, int] = {}
    for key, item in node.value:
        line: int = key.start_mark.line + 1
        wrong = _wrong_key(key, seen)
        if wrong:
            document.errors.append(YamlError(line, wrong))
            continue
        seen[key.value] = line
        document.lines[*path, key.value] = line
        yield key.value, item


def _wrong_key(key: yaml.Node, seen: dict[str, int]) -> str | None:
    if key.tag == f"{_TAG}merge":
        return "merge keys (<<) are not supported: write the fields out, or use an alias for a whole value"
    if not isinstance(key, yaml.ScalarNode) or key.tag != f"{_TAG}str":
        return f"{_short(key)} is not a field name: write a word"
    if key.value in seen:
        return f"{key.value}: occurs twice, first in line {seen[key.value]}: write it once"
    return _unprintable(key.value)


def _scalar(loader: _Loader, node: yaml.ScalarNode, path: Path, document: Document) -> object:
    document.spelled[path] = node.value
    if wrong := _unprintable(node.value) or _ambiguous(loader, node):
        document.errors.append(YamlError(node.start_mark.line + 1, f"{format_path(path)}: {wrong}", path))
        return node.value
    if node.tag == f"{_TAG}bool":
        return node.value.lower() == "true"
    if node.tag == f"{_TAG}null":
        return None
    if node.tag in _NUMBERS:
        return int(node.value) if node.tag == f"{_TAG}int" else float(node.value)
    return node.value


def _ambiguous(loader: _Loader, node: yaml.ScalarNode) -> str | None:
    """Return why a scalar is ambiguous: YAML 1.1 and 1.2 differ, or its value would be written differently."""
    # (plain, quoted): the resolver derives the type of a plain scalar from its text; a quoted one is a string
    meant = loader.resolve(yaml.ScalarNode, node.value, (node.style is None, node.style is not None))  # type: ignore[no-untyped-call]
    quoted = f'write "{node.value}" in quotes for the text'
    if node.tag not in (meant, f"{_TAG}str"):
        return f"the tag {_tag(node)} is not supported: remove it"
    if node.tag == f"{_TAG}bool" and node.value.lower() not in ("true", "false"):
        other = "true" if node.value.lower() in ("yes", "on") else "false"
        return f"{node.value} is a boolean in YAML 1.1 and a string in 1.2: {quoted}, or {other}"
    if node.tag in _NUMBERS and not _plain_number(node):
        return f"{node.value} is read as a number and loses its notation: {quoted}, or the number in plain digits"
    if node.tag not in (f"{_TAG}str", f"{_TAG}bool", f"{_TAG}null", *_NUMBERS):
        return f"{_short(node)} is read as a {node.tag.removeprefix(_TAG)}: {quoted}"
    return None


def _plain_number(node: yaml.ScalarNode) -> bool:
    kind = int if node.tag == f"{_TAG}int" else float
    try:
        return len(node.value) < 32 and str(kind(node.value)) == node.value
    except ValueError:
        return False


def _unprintable(value: str) -> str | None:
    for char in value:
        if (ord(char) < 32 and char not in "\n\t") or ord(char) == 127 or 0xD800 <= ord(char) < 0xE000:
            return f"holds the control character U+{ord(char):04X}: remove it"
    return None


def format_path(path: Path) -> str:
    """Format a path as yq and jq do: `task.labels[0].name`."""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return words.removeprefix(".")


def _tag(node: yaml.Node) -> str:
    return str(node.tag).replace(_TAG, "!!")


def _short(node: yaml.Node) -> str:
    text = node.value if isinstance(node, yaml.ScalarNode) else "a mapping or list"
    return text if len(text) <= 40 else f"{text[:40]}…"
