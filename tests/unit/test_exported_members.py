"""The public surface: `__all__` names it, and everything in it has a docstring."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

import labelyard
import labelyard.cvat

packages = pytest.mark.parametrize("package", [labelyard, labelyard.cvat], ids=lambda package: package.__name__)


@packages
def test_all_public_members_are_exported(package: ModuleType) -> None:
    public = [name for name, member in vars(package).items() if name[0] != "_" and not inspect.ismodule(member)]
    assert sorted(set(package.__all__) - {"__version__"}) == sorted(public)


@packages
def test_exported_members_have_docstrings(package: ModuleType) -> None:
    members = [getattr(package, name) for name in package.__all__]
    members += [method for member in members if inspect.isclass(member) for method in public_methods(member)]
    assert [member for member in members if not inspect.getdoc(member)] == []


def public_methods(cls: type) -> list[object]:
    return [member for name, member in vars(cls).items() if not name.startswith("_")]
