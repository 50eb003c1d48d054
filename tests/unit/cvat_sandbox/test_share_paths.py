"""The paths that a request names in the share."""

from __future__ import annotations

from cvat_sandbox.workers.share import Share


def test_files_inside_a_listed_folder_are_left_out() -> None:
    assert Share(None).choose(["a/b/1.jpg", "a/b", "a/b0", "c"]) == ["c", "a/b0", "a/b/1.jpg"]
