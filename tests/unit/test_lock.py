"""The lock files pin every requirement of pyproject.toml with its hashes, and name no package registry."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from labelyard.orchestration.fast_worker import SUPPORTED_PREFECT
from tests.support.paths import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
GROUPS = PYPROJECT["dependency-groups"]
MAIN, OLDEST, NEWEST = "requirements.lock", "requirements-prefect-oldest.lock", "requirements-prefect-newest.lock"
JUDGES = "requirements-judges.lock"
REQUIRED = {
    MAIN: [*PROJECT["dependencies"], *(name for extra in EXTRAS.values() for name in extra)],
    OLDEST: [*PROJECT["dependencies"], *EXTRAS["demo"], *GROUPS["test-tools"], GROUPS["prefect-oldest"][0]],
    NEWEST: [*PROJECT["dependencies"], *EXTRAS["demo"], *GROUPS["test-tools"], GROUPS["prefect-newest"][0]],
    JUDGES: [*PROJECT["dependencies"], *EXTRAS["demo"], *GROUPS["test-tools"], *GROUPS["judges"][:-1]],
}
each_lock = pytest.mark.parametrize("lock", REQUIRED)


def text(lock: str) -> str:
    return (ROOT / lock).read_text()


def pins(lock: str) -> dict[str, list[str]]:
    """Name -> the pinned versions, several if they differ by Python version."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text(lock), re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


@pytest.mark.parametrize(("lock", "required"), [(lock, name) for lock, names in REQUIRED.items() for name in names])
def test_every_requirement_is_pinned_within_its_range(lock: str, required: str) -> None:
    requirement = Requirement(required)
    versions = pins(lock).get(canonicalize_name(requirement.name))
    assert versions, "run `make lock`"
    assert all(requirement.specifier.contains(version) for version in versions), "run `make lock`"


@each_lock
def test_every_pin_has_its_hashes(lock: str) -> None:
    lines = [line for line in text(lock).splitlines() if "#" not in line]
    blocks = re.split(r"^(?=\S)", "\n".join(lines), flags=re.MULTILINE)
    bare = [block.split()[0] for block in blocks if block.strip() and "--hash=sha256:" not in block]
    assert bare == []
    assert sum(len(versions) for versions in pins(lock).values()) == len([block for block in blocks if block.strip()])


@each_lock
def test_a_lock_names_no_registry(lock: str) -> None:
    assert re.findall(r"https?://|file://|--(?:extra-)?index-url|--find-links|--trusted-host", text(lock)) == []


def test_the_fast_worker_supports_the_version_of_prefect_that_its_extra_pins() -> None:
    (pin,) = EXTRAS["fast-worker"]
    assert pin == f"prefect=={SUPPORTED_PREFECT}"
    assert pins(MAIN)["prefect"] == [SUPPORTED_PREFECT]


def test_the_other_locks_have_the_ends_of_the_range_of_prefect() -> None:
    (prefect,) = (name for name in PROJECT["dependencies"] if name.startswith("prefect"))
    (oldest,) = (part.version for part in Requirement(prefect).specifier if part.operator == ">=")
    assert pins(OLDEST)["prefect"] == [oldest]
    (newest,) = pins(NEWEST)["prefect"]
    assert Version(newest) > Version(SUPPORTED_PREFECT)
