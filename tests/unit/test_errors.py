"""Every exception of labelyard is in errors.py and drawn there."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import labelyard
from labelyard import errors
from tests.support.paths import syntax_tree

LIBRARY = Path(labelyard.__file__).parent
ROOTS = (errors.LabelyardError, errors.Interruption)


@dataclass(frozen=True)
class Drawn:
    """One line of the tree: the name, the name it hangs on ("" at the top), and the mark `retry`."""

    name: str
    parent: str
    retry: bool


def drawn_tree() -> list[Drawn]:
    path: list[str] = []
    lines = []
    for branch, name, retry in re.findall(
        r"^((?:│   |    )*(?:[├└]── )?)([A-Z]\w+)\b(?: +(retry) )?.*$", drawing(), re.MULTILINE
    ):
        depth = len(branch) // 4
        path[depth:] = [name]
        lines.append(Drawn(name, path[depth - 1] if depth else "", retry == "retry"))
    return lines


def drawing() -> str:
    """The docstring from the first root to its end."""
    return (errors.__doc__ or "").partition("\n\n")[2]


def defined() -> list[type[BaseException]]:
    return [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, BaseException)]


def test_the_documented_error_tree_equals_the_code() -> None:
    code = [(one.__name__, "" if one in ROOTS else one.__bases__[0].__name__) for one in defined()]
    assert [(one.name, one.parent) for one in drawn_tree()] == code


def test_a_class_is_marked_with_retry_where_its_code_says_so() -> None:
    code = {one.__name__: getattr(one, "retry", False) for one in defined()}
    assert {one.name: one.retry for one in drawn_tree()} == code


def test_every_class_of_the_tree_says_what_it_means() -> None:
    assert [one.__name__ for one in defined() if not one.__doc__ or one.__doc__ == one.__bases__[0].__doc__] == []


def test_every_class_of_the_tree_is_used() -> None:
    bases = {base for one in defined() for base in one.__bases__}
    text = "\n".join(path.read_text() for path in LIBRARY.rglob("*.py") if path.name != "errors.py")
    unused = [one.__name__ for one in defined() if one not in bases and not re.search(rf"\b{one.__name__}\b", text)]
    assert unused == []


def test_no_other_module_defines_an_exception() -> None:
    classes = list(library_classes())
    exceptions = {name for name in vars(errors) if isinstance(vars(errors)[name], type)} | {
        name for name, found in vars(builtins).items() if isinstance(found, type) and issubclass(found, BaseException)
    }
    elsewhere: set[str] = set()
    while found := {f"{path}: {name}" for path, name, bases in classes if bases & exceptions} - elsewhere:
        elsewhere |= found
        exceptions |= {one.partition(": ")[2] for one in found}
    assert elsewhere == set()


def library_classes() -> Iterator[tuple[str, str, set[str]]]:
    """The file, the name and the names of the bases of every class outside errors.py."""
    for path in LIBRARY.rglob("*.py"):
        if path.name == "errors.py" or "sandbox" in path.parts:
            continue
        for node in ast.walk(syntax_tree(path)):
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
                yield str(path.relative_to(LIBRARY)), node.name, bases
