"""Markdown for artifacts and dataset cards. Texts from outside are code, so that nothing in them is interpreted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PLAIN = re.compile(r"[A-Za-z0-9 .:-]+")
_URL = re.compile(r"https?://[^\s<>\"'`|\\]+")
_COMMAND = re.compile(r"(?:^|(?<=: ))labelyard .*?(?=, |; | if |$)")
_ESCAPED = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]()<>#|!~"})
_LONGEST = 300
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def code(text: str) -> str:
    """Return `text` as a code span that is safe in a table, "-" if empty. Control characters are replaced."""
    visible = _CONTROL.sub(_REPLACEMENT, text[:_LONGEST]).strip()
    if not visible:
        return "-"
    fence = _fence(visible)
    padding = " " if "`" in visible else ""
    return f"{fence}{padding}{visible}{padding}{fence}".replace("|", "\\|")


def advice(next_step: str) -> str:
    """Return a next step of an error: its commands as code that can be copied, the rest as words."""
    text, parts, end = _CONTROL.sub(_REPLACEMENT, next_step.strip()), list[str](), 0
    for found in _COMMAND.finditer(text):
        parts += [text[end : found.start()].translate(_ESCAPED), code(found.group())]
        end = found.end()
    return "".join([*parts, text[end:].translate(_ESCAPED)])


def block(text: str) -> str:
    """Return `text` as a code block with the same lines. Control characters are replaced."""
    lines = [_CONTROL.sub(_REPLACEMENT, line) for line in text.splitlines()]
    fence = _fence(text, shortest=3)
    return "\n".join((f"{fence}text", *lines, fence))


def link(text: str, url: str) -> str:
    """Return a link to `url`, or `text` as code if `url` is no http address."""
    if not _URL.fullmatch(url):
        return code(text)
    shown = text if _PLAIN.fullmatch(text) else code(text)  # Prefect's UI shows the backticks of code in a link
    return f"[{shown}](<{url}>)"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. The cells are Markdown already."""
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def slug(text: str) -> str:
    """Return `text` as the key of an artifact: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


def _fence(text: str, shortest: int = 1) -> str:
    """Return more backticks than `text` has in a row."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(longest + 1, shortest)
