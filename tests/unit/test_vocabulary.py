"""The vocabulary: names in code use the terms of docs/design.md, and none of the words that they have replaced."""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import OURS, ROOT, python_files

RETIRED_WORDS: Mapping[str, str] = {
    "workplace": "context",
    "claim": "acquire, lease", "claims": "leases", "claimed": "acquired", "claiming": "acquire",
    "land": "register", "lands": "registers", "landed": "registered", "landing": "register_objects",
    "tell": "notify, print, return", "tells": "notifies", "told": "notified", "untold": "missing",
    "still_there": "exists", "lacking": "missing",
    "announce": "publish", "announced": "published", "announcing": "publish_events", "unannounced": "unpublished",
    "announcement": "OutboxEvent", "announcements": "events",
    "set_aside": "quarantine", "sets_aside": "quarantines", "kept_out": "quarantined",
    "twin": "duplicate", "twins": "duplicates", "anew": "again, recreate",
    "mend": "fix", "mends": "fixes", "mended": "fixed", "mending": "repair",
    "left_behind": "orphaned_runs", "dead_runs": "orphaned_runs", "uneventful": "noop",
    "batch_page": "batch_artifact", "endings": "states", "plain_ending": "report_failures",
    "checkup": "doctor",
    "worked": "supervisor",
    "crashing": "failpoints", "crash_at": "failpoint", "crash_point": "failpoint",
    "story": "run, history", "fates": "outcomes", "surroundings": "environment", "surround": "create_environment",
    "photographer": "uploader",
    "storm": "chaos run", "storms": "chaos", "siege": "process_faults", "crew": "annotators, step_faults",
    "errand": "command", "blow": "fault", "blows": "faults", "nursery": "forker", "misbehaviour": "faults",
    "gravity": "Severity", "patience": "timeout, RestartPolicy",
    "taking_over": "adopt", "by_hand": "manual", "resending": "replay_dead_letters",
    "robot": "bot", "robots": "bots",
    "taken_over": "adopted",
}  # fmt: skip
"""Words that no name may contain (an underscore separates words) -> what to write instead."""

RETIRED_NAMES: Mapping[str, str] = {
    "Work": "BatchLease", "Part": "Process", "Answer": "Response", "Place": "Context", "Scene": "Scenario",
    "place": "context", "places": "checks", "look": "head_objects, read", "looking": "head_objects",
    "gone": "deleted", "refused": "quarantined", "lose": "quarantine", "silence": "heartbeat_timeout",
    "Verdict": "CheckResult", "Patient": "Installation",
    "feed": "events", "fate": "outcome", "scene": "snapshot, scenario", "proof": "verify", "judge": "verify_with_…",
    "lane": "environment", "lanes": "processes", "hand": "worker", "hands": "workers",
    "REFUSE": "ERROR", "WARN": "WARNING", "shut": "open_servers", "explaining": "explain",
}  # fmt: skip
"""Whole names that had a meaning of their own -> what to write instead. As parts of other names they are ordinary."""

RETIRED_MODULES: Mapping[str, str] = {
    "pages": "artifacts", "places": "checks", "rounds": "run_checks", "verdict": "results",
    "patient": "context", "part": "process", "everything": "stack",
    "guard": "reaper", "wire": "exchange", "saga": "run", "letters": "dead_letters",
}  # fmt: skip
"""Names of modules; elsewhere these words are ordinary."""

EXCEPTIONS: Mapping[str, str] = {
    "tell": "the method of files",
    "GONE": "the HTTP status",
    "feed": "the method of HTMLParser",
    "cvat_sandbox/web/pages.py": "HTML pages",
    "_Part": "a part of a COCO annotation in the sandbox",
}
"""Names, and files with names, that others have chosen."""

IDENTIFIER = re.compile(r"[^\W\d]\w*")
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def words(name: str) -> str:
    """The words of a name in lower case, each between underscores: `_no_twin_task_`."""
    return "_" + "".join(f"{word.lower()}_" for word in WORD.findall(name))


@cache
def replacement(name: str) -> str | None:
    """What to write instead of a name; None if the name is fine."""
    if name in EXCEPTIONS:
        return None
    if name.strip("_") in RETIRED_NAMES:
        return RETIRED_NAMES[name.strip("_")]
    split = words(name)
    return next((new for old, new in RETIRED_WORDS.items() if f"_{old}_" in split), None)


def names(text: str) -> Iterator[tuple[int, str]]:
    """Line and text of every name in Python code; not those in comments and strings."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            yield token.start[0], token.string


def retired_names(file: Path) -> Iterator[str]:
    """What is wrong with the names in a file and of the file, each with file:line."""
    path = file.relative_to(ROOT)
    new = RETIRED_MODULES.get(path.stem) or replacement(path.stem)
    if new and str(path) not in EXCEPTIONS:
        yield f"{path}:1: the module {path.stem}: write {new}"
    text = file.read_text()
    found = {name: new for name in set(IDENTIFIER.findall(text)) if (new := replacement(name))}
    for line, name in names(text) if found else ():  # to split code from comments and strings takes long
        if new := found.pop(name, None):
            yield f"{path}:{line}: {name}: write {new}"


@pytest.mark.parametrize(
    "name",
    ["Workplace", "land", "_landed", "LANDED", "test_no_twin_is_left", "plainEnding", "SetAside", "Work", "_place"],
)
def test_a_retired_name_is_found(name: str) -> None:
    assert replacement(name)


@pytest.mark.parametrize("name", ["worker", "island", "recommend", "replace", "set", "lookup", "WorkPool", "placement"])
def test_another_name_is_no_retired_one(name: str) -> None:
    assert replacement(name) is None


def test_names_in_comments_and_strings_do_not_count() -> None:
    assert list(names("a = 'landed'  # landed\nb = a")) == [(1, "a"), (2, "b"), (2, "a")]


def test_no_name_in_the_code_is_a_retired_one() -> None:
    found = [line for file in python_files(OURS) for line in retired_names(file)]
    assert not found, "\n".join([f"{len(found)} retired names", *found])
