"""`labelyard doctor` knows whether a `labelyard up` in its folder is still starting."""

from __future__ import annotations

from pathlib import Path

from labelyard.supervisor.stack import is_starting, lock_folder


def test_up_is_starting_until_it_says_that_it_has_started(tmp_path: Path) -> None:
    assert not is_starting(tmp_path)
    with lock_folder(tmp_path):
        assert is_starting(tmp_path)
        (tmp_path / "up.lock").write_text("started")
        assert not is_starting(tmp_path)
    assert not is_starting(tmp_path)
