"""What ends quarantines, once below a list of files: most of them have the same advice, which is long."""

from __future__ import annotations

from collections.abc import Iterable

from labelyard.domain.quarantine import what_ends_it
from labelyard.markdown import advice, code


def quarantine_advice(files: Iterable[tuple[str, str]]) -> str:
    """Return a line for each way to end the quarantine of files, given as reason and s3:// address; "" without files.

    Where there are several ways, each line names the first reason for which it is.
    """
    ways: dict[str, tuple[str, str]] = {}
    for reason, url in files:
        ways.setdefault(what_ends_it(reason, ""), (reason, url))
    named = len(ways) > 1
    return "\n\n".join(
        f"next for quarantined files{f', such as {code(reason)}' if named else ''}: {advice(what_ends_it(reason, url))}"
        for reason, url in ways.values()
    )
