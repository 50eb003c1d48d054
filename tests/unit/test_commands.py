"""Commands: each is documented in its help, and each command that an error or a document names exists."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click

from labelyard.cli import COMMANDS, labelyard
from tests.support.paths import LIBRARY, ROOT, python_files, repository_files


def commands(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group, with the names that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield (*names, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)


@cache
def every_command() -> dict[tuple[str, ...], click.Command]:
    return dict(commands(labelyard))


def test_every_command_and_every_option_has_a_help_text() -> None:
    undocumented = [" ".join(names) for names, command in every_command().items() if not command.help]
    undocumented += [
        f"{' '.join(names)} {option.opts[0]}"
        for names, command in every_command().items()
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert undocumented == []


def test_the_help_page_shows_the_first_sentence_of_each_command() -> None:
    for name, command in COMMANDS.items():
        assert command.summary == every_command()[name,].get_short_help_str(limit=1000)


def test_the_help_page_is_written_without_importing_a_command() -> None:
    script = (
        "import sys; from labelyard.cli import labelyard\n"
        "labelyard(['--help'], standalone_mode=False); print(sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "labelyard.cli" in done.stderr
    assert "prefect" not in done.stderr
    assert "labelyard.cli.up" not in done.stderr


def calls(text: str) -> Iterator[tuple[str, ...]]:
    """The commands that a text calls."""
    for found in re.finditer(r"(?<![\w./-])labelyard((?: [a-z][a-z-]*)+)", text):
        yield tuple(found[1].split())


def is_unknown(names: tuple[str, ...]) -> bool:
    group: click.Command = labelyard
    for name in names:
        if not isinstance(group, click.Group):
            return False  # an argument
        found = group.get_command(click.Context(group), name)
        if found is None:
            return True
        group = found
    return False


def next_steps(tree: ast.AST) -> Iterator[str]:
    """The texts of `next_step` of errors, with X instead of values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "next_step":
            for part in ast.walk(node.value):
                if isinstance(part, ast.JoinedStr):
                    yield "".join(str(v.value) if isinstance(v, ast.Constant) else "X" for v in part.values)
                elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_every_command_in_an_error_exists() -> None:
    steps = [(path, step) for path in python_files(LIBRARY) for step in next_steps(ast.parse(path.read_text()))]
    assert len(steps) > 20
    unknown = {
        f"{path.relative_to(ROOT)}: {step}" for path, step in steps for names in calls(step) if is_unknown(names)
    }
    assert unknown == set()


def shown_commands(path: Path) -> Iterator[str]:
    """The command lines that a text shows: between backticks, and in the blocks of a document."""
    text = path.read_text()
    yield from (found[1] for found in re.finditer(r"`(?:\.venv/bin/)?(labelyard [^`\n]*)`", text))
    if path.suffix == ".md":
        for block in re.findall(r"^```.*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            yield from (
                found[1] for found in re.finditer(r"^(?:\$ )?(?:\.venv/bin/)?(labelyard .*)$", block, re.MULTILINE)
            )


def test_every_command_in_a_document_exists() -> None:
    texts = [path for path in repository_files() if path.suffix in (".md", ".py")]
    unknown = {
        f"{path.relative_to(ROOT)}: {shown}"
        for path in texts
        if path.relative_to(ROOT).parts[0] != "tests"
        for shown in shown_commands(path)
        for names in calls(shown.partition("#")[0])
        if is_unknown(names)
    }
    assert unknown == set()
