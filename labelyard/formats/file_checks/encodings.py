"""Rules for a file as a whole, before it is a document."""

from __future__ import annotations

import json
from collections.abc import Iterator

from labelyard.formats.checks.fault import Fault, Severity
from labelyard.formats.checks.rule import Violations, rule


@rule(Severity.ERROR)
def encoding(_document: object, _dataset: object) -> Violations:
    """A file is UTF-8 without a byte order mark.

    pycocotools and most readers fail on anything else with an error in the first line.
    """
    yield from ()


def encoding_fault(content: bytes) -> Iterator[Fault]:
    """Yield the fault of a file that is text in another encoding."""
    found = json.detect_encoding(content)
    if found != "utf-8":
        what = "begins with a byte order mark" if found == "utf-8-sig" else f"is {found.upper()}"
        yield Fault(encoding.name, encoding.severity, "", f"the file {what}")
