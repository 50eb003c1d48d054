"""The zips of a real CVAT 2.73, compared with what the exporters write for the same tasks.

The comparison is that of the replay tool. The tests run where its folder exists beside the repository.
"""

from __future__ import annotations

import collections
import importlib.util
import io
import sys
from pathlib import Path
from typing import Any

import pytest

from cvat_sandbox.formats.v2.registry import EXPORTERS
from tests.support.paths import ROOT
from tests.support.recorded_tasks import RecordedTasks, downloads, history

SHARED = ROOT.parent / "shared"
RECORDINGS = SHARED / "recordings" / "cvat-2.73"
JUDGE = SHARED / "tools" / "replay_v2.py"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pycocotools


def comparer() -> Any:
    """The replay tool, for its comparison of zips."""
    spec = importlib.util.spec_from_file_location("replay_v2", JUDGE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["replay_v2"] = module
    spec.loader.exec_module(module)
    replay = object.__new__(module.Replay)
    replay.base, replay.s3, replay.hook = "http://127.0.0.1", "http://127.0.0.2", "http://127.0.0.3"
    replay.ids, replay.secrets = collections.defaultdict(dict), {}
    return replay


def compared(folder: Path) -> tuple[int, list[str], list[str]]:
    """Return the number of zips, those that differ, and those that differ in values alone."""
    replay, tasks = comparer(), RecordedTasks()
    count, hard, soft = 0, [], []
    for name, record in history(RECORDINGS):
        tasks.follow(record)
        for kind, key, format_name, images, zipped in downloads(record):
            if kind == "task" and not tasks.frames.get(key):
                continue
            out = io.BytesIO()
            EXPORTERS[format_name](tasks.snapshot(kind, key, folder), out, images=images)
            differences = replay.compare_zip(zipped, out.getvalue())
            count += 1
            hard += [f"{name}: {text}" for text in differences[0]]
            soft += [f"{name}: {text}" for text in differences[1]]
    return count, hard, soft


if JUDGE.exists():

    def test_the_exporters_write_what_the_real_server_writes(tmp_path: Path) -> None:
        count, hard, soft = compared(tmp_path)
        assert count >= 150
        assert not hard, "\n".join(hard)
        assert len(soft) <= 0.05 * count, "\n".join(soft)
