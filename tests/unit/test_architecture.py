"""The architecture: who imports whom, who reads the environment, and sizes and names that no linter checks."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter

import pytest

from tests.support.paths import LIBRARY, OURS, RECORDINGS, ROOT, python_files, repository_files, syntax_tree

LONGEST_MODULE = 350
EMPTY_WORDS = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


def test_imports_follow_the_contracts() -> None:
    """The contracts are in pyproject.toml, [tool.importlinter]."""
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def top_level_imports(tree: ast.Module) -> Iterator[str]:
    """The modules that a module imports while it is imported itself; `from package import name` needs the package."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_no_module_imports_itself_through_its_package() -> None:
    """The contracts find no cycle between a package and its own modules; this test does."""
    graph = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): set(
            top_level_imports(syntax_tree(path))
        )
        for path in python_files(LIBRARY)
    }
    TopologicalSorter({module: needed & set(graph) - {module} for module, needed in graph.items()}).prepare()


def all_imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and module of every import, also of those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def importers(folders: tuple[str, ...], forbidden: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line}: {module}"
        for path in python_files(folders)
        for line, module in all_imports(syntax_tree(path))
        if module.partition(".")[0] in forbidden
    ]


def test_benchmarks_and_tests_do_not_import_each_other() -> None:
    scripts = {path.stem for path in python_files(("benchmarks",))}
    assert importers(("benchmarks",), {"tests"}) == []
    assert importers(("tests",), {"benchmarks", *scripts}) == []


def test_the_library_imports_neither_tests_nor_benchmarks() -> None:
    assert importers(LIBRARY, {"tests", "benchmarks"}) == []


def environment_reads(tree: ast.AST) -> Iterator[int]:
    """Lines that read a variable. To set one, or to pass all of them on to a process, is no read."""
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
def test_every_read_of_the_environment_is_found(text: str, lines: list[int]) -> None:
    assert sorted(set(environment_reads(ast.parse(text)))) == lines


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT)): lines
        for path in python_files(LIBRARY)
        if (lines := list(environment_reads(syntax_tree(path))))
    }
    readers.pop("labelyard/settings.py", None)
    assert readers == {}


def test_no_file_or_folder_has_an_empty_name() -> None:
    names = {part for path in repository_files() for part in path.relative_to(ROOT).with_suffix("").parts}
    assert names & EMPTY_WORDS == set()


def test_no_module_is_longer_than_a_reader_can_follow() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in python_files(OURS)
        if (lines := path.read_text().count("\n")) > LONGEST_MODULE
    }
    assert long == {}


def test_no_file_names_a_machine_or_a_registry() -> None:
    # Each with a bar inside, so that this file does not contain them itself.
    barred = ["/wo|rk/main", "/wo|rk/shared", "/ro|ot/", "--index|-url", "python|hosted", "pypi|.org/simple"]
    words = re.compile("|".join(re.escape(word.replace("|", "")) for word in barred))
    found = {
        str(path.relative_to(ROOT)): match[0]
        for path in repository_files()
        if path.suffix not in (".jpg", ".png") and RECORDINGS not in path.parents
        if (match := words.search(path.read_text(errors="replace")))
    }
    assert found == {}
