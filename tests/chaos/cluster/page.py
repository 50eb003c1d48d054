"""The settings and commands of docs/many-machines.md, which this cluster is set up by."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from tests.support.paths import ROOT

_PAGE = ROOT / "docs" / "many-machines.md"
_BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Page:
    """The page, with the addresses of hosts in the place of its names."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        text = _PAGE.read_text(encoding="utf-8")
        for name, address in addresses.items():
            text = text.replace(name, address)
        self._blocks: list[str] = _BLOCK.findall(text)

    def block(self, words: str) -> str:
        """Return the one block that contains these words."""
        (found,) = [block for block in self._blocks if words in block]
        return found

    def write(self, words: str, file: Path) -> Path:
        """Write the block that contains these words into a file."""
        file.write_text(self.block(words), encoding="utf-8")
        return file

    def settings(self, words: str, folder: Path) -> dict[str, str]:
        """Return the settings of the block that contains these words."""
        values = dotenv_values(self.write(words, folder / f"{words}.env"), interpolate=False)
        return {name: value for name, value in values.items() if value is not None}

    def command(self, words: str) -> list[str]:
        """Return the one command that begins with these words, with the programs of this environment."""
        lines = {line.partition("#")[0].strip() for block in self._blocks for line in block.splitlines()}
        (found,) = [line for line in lines if line.startswith(words)]
        program, *rest = shlex.split(found)
        return [sys.executable if program == "python" else str(Path(sys.executable).with_name(program)), *rest]
