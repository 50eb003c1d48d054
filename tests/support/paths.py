"""Folders and files of the checkout."""

from __future__ import annotations

import ast
import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RECORDINGS = ROOT / "tests" / "recordings"
LIBRARY = ("labelyard", "cvat_sandbox", "flows", "tasks", "deployments")
"""The folders that are installed, or run by Prefect."""
OURS = (*LIBRARY, "tests", "benchmarks", "docs", ".ci")
"""Every folder with code."""


def recording(number: int, family: str = "cvat-1.0.0") -> dict[str, Any]:
    """Return a recorded request to a CVAT with its response."""
    digits = 4 if family == "cvat-2.73" else 3
    (path,) = (RECORDINGS / family).glob(f"{number:0{digits}}-*.json")
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def recorded_payload(name: str) -> bytes:
    """Return the body of a recorded notification."""
    return json.dumps(json.loads((RECORDINGS / "s3-events" / f"{name}.json").read_text())["payload"]).encode()


@cache
def repository_files() -> list[Path]:
    """Return the files of the repository, including new ones that Git does not ignore."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def python_files(folders: tuple[str, ...]) -> list[Path]:
    """Return the Python files of some folders of the repository."""
    return [file for file in repository_files() if file.suffix == ".py" and file.relative_to(ROOT).parts[0] in folders]


@cache
def syntax_tree(file: Path) -> ast.Module:
    """Return the syntax tree of a Python file, which several tests walk."""
    return ast.parse(file.read_text())
