"""`write_setting` changes one line of `.env`."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from labelyard.settings import write_setting


def test_a_setting_is_written_into_env_and_other_lines_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    env = tmp_path / ".env"
    env.write_text("# secrets\nLABELYARD_STORE__REGION=x # mine\n")
    for number in (1, 2):
        write_setting("LABELYARD_WATCH__QUEUE_URL", f"https://sqs/{number}/labelyard")
    lines = env.read_text().splitlines()
    assert lines[:2] == ["# secrets", "LABELYARD_STORE__REGION=x # mine"]
    assert lines[2:] == ["LABELYARD_WATCH__QUEUE_URL='https://sqs/2/labelyard'"]
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
