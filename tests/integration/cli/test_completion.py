"""The completion of commands, as a shell asks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LABELYARD = Path(sys.executable).with_name("labelyard")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_the_commands_after_the_documented_line() -> None:
    script = f"""
        export PATH={LABELYARD.parent}:$PATH
        eval "$(labelyard completion bash)" || exit 3
        COMP_WORDS=(labelyard stat) COMP_CWORD=1
        _labelyard_completion labelyard && echo "${{COMPREPLY[@]}}"
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("_LABELYARD")}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["status"], "")


@pytest.mark.parametrize(("shell", "words"), [("zsh", "compdef _labelyard_completion labelyard"), ("fish", "complete")])
def test_the_other_shells_get_a_script_of_their_own(shell: str, words: str) -> None:
    done = subprocess.run([LABELYARD, "completion", shell], capture_output=True, text=True, check=True)
    assert words in done.stdout
