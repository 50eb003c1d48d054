"""The rules of the house that no linter knows: who imports and reads what, names, sizes, words that must be true."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import click
import pytest

from labelyard.cli import labelyard
from tests.support.paths import ROOT

OURS = ("labelyard", "flows", "tasks", "deployments")
LONGEST_MODULE = 350
EMPTY_WORDS = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


@cache
def tracked() -> list[Path]:
    """The files of the repository, those that are about to be added too."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def sources() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in OURS]


def test_imports_run_one_way() -> None:
    """The contracts stand in pyproject.toml, [tool.importlinter]."""
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def imported(tree: ast.Module) -> Iterator[str]:
    """The modules that a module needs while it is imported itself; `from package import name` needs the package."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_no_module_waits_for_itself_to_be_imported() -> None:
    """The contracts see no cycle between a package and what stands in it; this does."""
    graph = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): set(
            imported(ast.parse(path.read_text()))
        )
        for path in sources()
    }
    # A package names itself where it imports a module of its own: `from package import module`.
    TopologicalSorter({module: needs & set(graph) - {module} for module, needs in graph.items()}).prepare()


def reads_environment(tree: ast.AST) -> Iterator[int]:
    """Lines that look a variable up; setting one, or handing all of them on to a process, is no reading."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Attribute(ast.Name("os"), "getenv")
                | ast.Attribute(ast.Attribute(ast.Name("os"), "environ"))
                | ast.Subscript(ast.Attribute(ast.Name("os"), "environ"), ctx=ast.Load())
                | ast.Compare(comparators=[ast.Attribute(ast.Name("os"), "environ")])
            ):
                yield node.lineno
            case ast.ImportFrom("os", names) if {name.name for name in names} & {"environ", "getenv"}:
                yield node.lineno
            case _:
                pass


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("import os\nos.environ['A']", [2]),
        ("import os\nos.environ.get('A')", [2]),
        ("import os\n'A' in os.environ", [2]),
        ("import os\nos.getenv('A')", [2]),
        ("from os import environ, path", [1]),
        ("import os\nos.environ['A'] = '1'\ndel os.environ['B']\nrun(env={**os.environ})", []),
    ],
)
def test_reading_the_environment_is_seen(text: str, lines: list[int]) -> None:
    assert sorted(set(reads_environment(ast.parse(text)))) == lines


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := list(reads_environment(ast.parse(path.read_text()))))
    }
    readers.pop("labelyard/settings.py", None)
    assert readers == {}


def test_nothing_is_called_by_an_empty_word() -> None:
    named = {part for path in tracked() for part in path.relative_to(ROOT).with_suffix("").parts}
    assert named & EMPTY_WORDS == set()


def test_modules_are_short_enough_to_be_read() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := path.read_text().count("\n")) > LONGEST_MODULE
    }
    assert long == {}


def test_no_file_names_this_machine_or_a_registry() -> None:
    # Written apart, or this file would name them itself.
    places = ["/wo|rk/main", "/wo|rk/shared", "/ro|ot/", "--index|-url", "python|hosted", "pypi|.org/simple"]
    words = re.compile("|".join(re.escape(context.replace("|", "")) for context in places))
    recorded = ROOT / "tests" / "recordings"
    found = {
        str(path.relative_to(ROOT)): match[0]
        for path in tracked()
        if path.suffix not in (".jpg", ".png") and recorded not in path.parents
        if (match := words.search(path.read_text(errors="replace")))
    }
    assert found == {}


# --- the command line -------------------------------------------------------------------------------------------------


def commands(group: click.Group, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield (*words, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *words, name)


@cache
def every_command() -> dict[tuple[str, ...], click.Command]:
    return dict(commands(labelyard))


def test_every_command_and_every_option_says_what_it_does() -> None:
    silent = [" ".join(words) for words, command in every_command().items() if not command.help]
    silent += [
        f"{' '.join(words)} {option.opts[0]}"
        for words, command in every_command().items()
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent == []


def called(text: str) -> Iterator[tuple[str, ...]]:
    """The commands that a text tells people to call."""
    for found in re.finditer(r"(?<![\w./-])labelyard((?: [a-z][a-z-]*)+)", text):
        yield tuple(found[1].split())


def unknown(words: tuple[str, ...]) -> bool:
    group: click.Command = labelyard
    for word in words:
        if not isinstance(group, click.Group):
            return False  # an argument
        found = group.get_command(click.Context(group), word)
        if found is None:
            return True
        group = found
    return False


def next_steps(tree: ast.AST) -> Iterator[str]:
    """What errors name as the next step, whatever is filled in left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "next_step":
            for part in ast.walk(node.value):
                if isinstance(part, ast.JoinedStr):
                    yield "".join(str(v.value) if isinstance(v, ast.Constant) else "X" for v in part.values)
                elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_every_command_that_an_error_names_exists() -> None:
    steps = [(path, step) for path in sources() for step in next_steps(ast.parse(path.read_text()))]
    assert len(steps) > 20
    missing = {f"{path.relative_to(ROOT)}: {step}" for path, step in steps for words in called(step) if unknown(words)}
    assert missing == set()


def quoted(path: Path) -> Iterator[str]:
    """What a text shows as to be typed: between backticks, and in a document's blocks."""
    text = path.read_text()
    yield from (found[1] for found in re.finditer(r"`(?:\.venv/bin/)?(labelyard [^`\n]*)`", text))
    if path.suffix == ".md":
        for block in re.findall(r"^```.*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            yield from (
                found[1] for found in re.finditer(r"^(?:\$ )?(?:\.venv/bin/)?(labelyard .*)$", block, re.MULTILINE)
            )


def test_every_command_that_the_documents_name_exists() -> None:
    texts = [path for path in tracked() if path.suffix in (".md", ".py") and path.relative_to(ROOT).parts[0] != "tests"]
    missing = {
        f"{path.relative_to(ROOT)}: {typed}"
        for path in texts
        for typed in quoted(path)
        for words in called(typed.partition("#")[0])
        if unknown(words)
    }
    assert missing == set()
