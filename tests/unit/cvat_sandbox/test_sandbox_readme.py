"""README.md of the sandbox names all options, roles, rules and modules."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import click
import pytest
import yaml

import cvat_sandbox
from cvat_sandbox.cli import command
from cvat_sandbox.faults import Rule, parse_rules
from cvat_sandbox.state.users import ROLES
from cvat_sandbox.v2.routes import SERVED
from cvat_sandbox.v2.unserved import unserved

FOLDER = Path(cvat_sandbox.__file__).parent
README = (FOLDER / "README.md").read_text()
OPTIONS = [option for option in command.params if isinstance(option, click.Option)]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.opts[0])
def test_every_option_has_a_help_text_and_is_in_the_readme(option: click.Option) -> None:
    assert option.help
    assert option.opts[0] in README


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_in_the_readme(role: str) -> None:
    assert f"| `{role}` |" in README


def test_the_rules_of_the_readme_are_valid_and_show_every_key() -> None:
    [example] = re.findall(r"^```yaml\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    rules = [{"on" if key is True else key: value for key, value in rule.items()} for rule in yaml.safe_load(example)]
    assert parse_rules(rules)
    assert {key for rule in rules for key in rule} == set(Rule.model_fields)


def test_what_two_point_x_does_not_serve_is_listed_and_nothing_else() -> None:
    [block] = re.findall(r"^Not served.*?^```\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    patterns, paths = block.split(), sorted({line.split()[1] for line in unserved(SERVED)})
    assert [path for path in paths if not any(fnmatchcase(path, pattern) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not any(fnmatchcase(path, pattern) for path in paths)] == []


def test_every_module_of_the_first_level_is_in_the_readme() -> None:
    files = {path.name for path in FOLDER.glob("*.py") if not path.name.startswith("__")}
    folders = {f"{path.parent.name}/" for path in FOLDER.glob("*/__init__.py")}
    assert [name for name in sorted(files | folders) if f"`{name}`" not in README] == []
