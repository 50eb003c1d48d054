"""The lock holds what pyproject.toml asks for, hash by hash, and says nothing of where it came from."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ASKED = [*PROJECT["dependencies"], *(name for extra in PROJECT["optional-dependencies"].values() for name in extra)]


def pins() -> dict[str, list[str]]:
    """Name -> the versions that are pinned (for different Pythons there may be several)."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", LOCK, re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked_for_is_pinned_as_asked(asked: str) -> None:
    requirement = Requirement(asked)
    versions = pins().get(canonicalize_name(requirement.name))
    assert versions, "run `make lock`"
    assert all(requirement.specifier.contains(version) for version in versions), "run `make lock`"


def test_every_pin_has_its_hashes() -> None:
    blocks = re.split(r"^(?=\S)", "\n".join(line for line in LOCK.splitlines() if "#" not in line), flags=re.MULTILINE)
    bare = [block.split()[0] for block in blocks if block.strip() and "--hash=sha256:" not in block]
    assert bare == []
    assert sum(len(versions) for versions in pins().values()) == len([block for block in blocks if block.strip()])


def test_the_lock_names_no_registry() -> None:
    assert re.findall(r"https?://|file://|--(?:extra-)?index-url|--find-links|--trusted-host", LOCK) == []
