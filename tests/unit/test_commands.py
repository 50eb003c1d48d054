"""Commands: each is documented in its help, and each command that an error or a document names exists."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from labelyard.cli import COMMANDS, labelyard
from tests.support.command_schemas import commands_schema
from tests.support.fresh_ledger import create_ledger
from tests.support.paths import LIBRARY, ROOT, python_files, repository_files, syntax_tree


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


WITHOUT_JSON = {
    "init", "completion", "schema",  # they print files, for a person or a program
    "up", "watch", "bots", "open",  # they run until Ctrl-C, or print an address alone
    "cvat register",  # an account, and nothing else
}  # fmt: skip


def test_every_command_prints_json_if_asked() -> None:
    without = {
        " ".join(names)
        for names, command in every_command().items()
        if not isinstance(command, click.Group) and not any("--json" in option.opts for option in command.params)
    }
    assert without <= WITHOUT_JSON


def test_every_document_has_a_schema() -> None:
    """That of `status` is in a file of its own, and `demo` writes a file."""
    with_json = {
        " ".join(words)
        for words, command in every_command().items()
        if any("--json" in option.opts for option in command.params)
    }
    assert with_json - commands_schema()["$defs"].keys() == {"status", "demo"}


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


SLOW_TO_IMPORT = {"alembic", "numpy", "PIL", "prefect", "psycopg", "pycocotools", "starlette", "uvicorn"}
"""Packages that no command imports which reads the ledger and asks servers."""


@pytest.mark.parametrize(
    ("command", "unwanted"),
    [
        ("status", SLOW_TO_IMPORT | {"boto3", "botocore", "httpx", "rich", "stamina", "yaml", "labelyard.config"}),
        ("doctor", SLOW_TO_IMPORT | {"labelyard.pipeline", "labelyard.formats"}),
    ],
)
def test_a_command_that_people_wait_for_does_not_import_what_it_does_not_use(
    command: str, unwanted: set[str], tmp_path: Path
) -> None:
    (tmp_path / ".labelyard").mkdir()
    create_ledger(tmp_path / ".labelyard" / "ledger.db")
    script = (
        "import sys; from labelyard.cli import labelyard\n"
        f"try:\n labelyard(['{command}'])\nfinally:\n print(*sys.modules, file=sys.stderr)"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LABELYARD_", "PREFECT_"))}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=clean, capture_output=True, text=True, check=False
    )
    imported = set(done.stderr.split())
    assert {"labelyard.ledger", f"labelyard.cli.{command}"} <= imported, done.stderr
    assert imported & unwanted == set()


def test_commands_that_need_the_ledger_alone_import_no_client_of_a_server() -> None:
    modules = "alerts, batches, db, dead_letters, manual, why"
    script = f"import sys; from labelyard.cli import {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"boto3", "httpx", "prefect", "PIL"} & set(done.stdout.split())


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
    steps = [(path, step) for path in python_files(LIBRARY) for step in next_steps(syntax_tree(path))]
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
