"""The documents agree with the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from labelyard.cli import COMMANDS, labelyard
from labelyard.config.loading import parse_spec
from tests.support.paths import ROOT

DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def test_the_generated_documents_are_up_to_date() -> None:
    # A process of its own: click keeps the help option of a command that another test has called by itself.
    check = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (check.returncode, check.stderr) == (0, "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_dataset_file_in_a_document_is_valid(document: Path) -> None:
    for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)):
        if "sources:" in block:
            parse_spec(block.encode(), f"{document.name}, block {number}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_into_the_repository_has_a_target(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_is_in_the_documents(command: str) -> None:
    result = CliRunner().invoke(labelyard, [command, "--help"])
    assert result.exit_code == 0, result.output
    assert f"\n## {command}\n" in (ROOT / "docs" / "commands.md").read_text()
