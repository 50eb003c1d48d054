"""The lock file pins what pyproject.toml requires, with hashes, and names no registry."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIRED = [*PROJECT["dependencies"], *(name for extra in PROJECT["optional-dependencies"].values() for name in extra)]


def pins() -> dict[str, list[str]]:
    """Name -> pinned versions; several where they differ by Python version."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", LOCK, re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


@pytest.mark.parametrize("required", REQUIRED)
def test_every_required_package_is_pinned_to_a_matching_version(required: str) -> None:
    requirement = Requirement(required)
    versions = pins().get(canonicalize_name(requirement.name))
    assert versions, "run `make lock`"
    assert all(requirement.specifier.contains(version) for version in versions), "run `make lock`"


def test_every_pin_has_its_hashes() -> None:
    blocks = re.split(r"^(?=\S)", "\n".join(line for line in LOCK.splitlines() if "#" not in line), flags=re.MULTILINE)
    without_hash = [block.split()[0] for block in blocks if block.strip() and "--hash=sha256:" not in block]
    assert without_hash == []
    assert sum(len(versions) for versions in pins().values()) == len([block for block in blocks if block.strip()])


def test_the_lock_names_no_registry() -> None:
    assert re.findall(r"https?://|file://|--(?:extra-)?index-url|--find-links|--trusted-host", LOCK) == []
