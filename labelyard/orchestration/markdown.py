"""Text from outside, made harmless for Markdown: everything of it is shown as code, which nothing is read into."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PLAIN = re.compile(r"[A-Za-z0-9 .:-]+")
_LONGEST = 300


def code(text: str) -> str:
    """`text` as a code span that may stand in a table; a dash for nothing. What is no character is shown as one."""
    seen = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text[:_LONGEST]).strip()
    if not seen:
        return "-"
    fence = _longer_than_any(seen, "`")
    pad = " " if "`" in seen else ""
    return f"{fence}{pad}{seen}{pad}{fence}".replace("|", "\\|")


def block(text: str) -> str:
    """`text` as a code block; its lines stay lines."""
    lines = [_CONTROL.sub("\N{REPLACEMENT CHARACTER}", line) for line in text.splitlines()]
    fence = _longer_than_any(text, "`", least=3)
    return "\n".join((f"{fence}text", *lines, fence))


def link(text: str, url: str) -> str:
    """A link, where `url` is one; else the text alone."""
    if not re.fullmatch(r"https?://[^\s<>\"'`|\\]+", url):
        return code(text)
    shown = text if _PLAIN.fullmatch(text) else code(text)  # Prefect's UI shows the fence of code in a link
    return f"[{shown}](<{url}>)"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells of `rows` are Markdown already."""
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def slug(text: str) -> str:
    """`text` as the key of an artifact: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


def _longer_than_any(text: str, sign: str, least: int = 1) -> str:
    longest = max((len(run) for run in re.findall(f"{sign}+", text)), default=0)
    return sign * max(longest + 1, least)
