"""The other ways of handing images over: CVAT downloads presigned URLs, or reads its own share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from labelyard.context import open_context
from labelyard.errors import CreationFailed
from labelyard.ledger import batches, upgrade
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.pipeline.wait_for_status import TaskGivenUp
from labelyard.sandbox import serve
from tests.support.bench import USERS, Bench, draw_and_complete, export, ingest, picture, settings
from tests.support.emulator import StoreServer


@pytest.fixture
def share(tmp_path: Path) -> Path:
    (tmp_path / "share").mkdir()
    return tmp_path / "share"


@pytest.fixture
def bench(tmp_path: Path, share: Path, store_server: StoreServer) -> Iterator[Bench]:
    """A sandbox that may download from the store, and has a share."""
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    upgrade(ledger)
    with (
        serve(USERS, share=share, allow_remote=(urlsplit(store_server.url).netloc,)) as sandbox,
        open_context(settings(tmp_path, ledger, store_server.settings, sandbox.url)) as context,
    ):
        bench = Bench(context, store_server.new_bucket(), store_server.boto("s3"), sandbox)
        bench.apply()
        yield bench


def landed(bench: Bench) -> None:
    sweep_sources(bench.context)
    close_now(bench.context, "street")


def exported_images(bench: Bench) -> int:
    draw_and_complete(bench)
    collect(bench.context)
    return export(bench).images


@pytest.mark.parametrize("inspect", [True, False])
def test_remote_lets_cvat_download_and_no_byte_passes_through_us(bench: Bench, inspect: bool) -> None:
    bench.apply(task={"upload": "remote", "inspect": inspect})
    bench.put("a/left one+1.jpg", picture(1))
    bench.put("b/right.jpg", picture(2))
    landed(bench)
    ingest(bench)
    frames = {frame.name for frame in bench.context.cvat("default").frames(bench.line().task_id or 0)}
    assert frames == {"left one+1.jpg", "right.jpg"}
    assert exported_images(bench) == 2
    assert not list(bench.context.settings.spool.rglob("0*"))


def test_remote_looks_at_a_batch_that_is_larger_than_the_spool(bench: Bench) -> None:
    bench.apply(task={"upload": "remote"})
    for i in range(12):
        bench.put(f"{i}.jpg", picture(i))
    bench.context.settings.spool_bytes = 4 * len(picture())
    landed(bench)
    ingest(bench)
    assert bench.line().jobs[0].frames == (0, 11)


def test_remote_sets_a_second_file_of_one_base_name_aside_and_says_what_could_rename_it(bench: Bench) -> None:
    bench.apply(task={"upload": "remote"})
    bench.put("cam1/1.jpg", picture(1))
    bench.put("cam2/1.jpg", picture(2))
    landed(bench)
    ingest(bench)
    [reason] = bench.line().quarantined.values()
    assert "only `upload: stream`" in reason
    assert bench.line().jobs[0].frames == (0, 0)


def test_remote_looks_at_the_images_unless_told_to_trust(bench: Bench) -> None:
    bench.apply(task={"upload": "remote"})
    bench.put("good.jpg", picture(1))
    bench.put("bad.jpg", b"nothing")
    landed(bench)
    ingest(bench)
    assert list(bench.line().quarantined) == [f"s3://{bench.bucket}/in/bad.jpg"]
    assert bench.line().state == "assigned"


def test_files_that_cvat_skips_each_time_fail_the_batch_and_are_named(bench: Bench) -> None:
    bench.apply(
        sources=[{"bucket": bench.bucket, "prefix": "in/", "include": ["*"]}],
        task={"upload": "remote", "inspect": False},
    )
    bench.put("good.jpg", picture(1))
    bench.put("unnamed", picture(2))
    landed(bench)
    for _ in range(4):
        with pytest.raises(TaskGivenUp, match="1 frames instead of 2: unnamed not among them"):
            ingest(bench)
        with bench.context.ledger.transaction() as tx:
            batches.get(tx, "street-00001").not_before = None
    with pytest.raises(CreationFailed, match="in task after task, this was number 5: unnamed not among them"):
        ingest(bench)
    assert (bench.line().state, bench.tasks_on_server()) == ("failed", 0)


def test_share_lets_cvat_read_its_own_copy_of_the_bucket(bench: Bench, share: Path) -> None:
    bench.apply(task={"upload": "share", "share_prefix": "mirror/", "inspect": False})
    for camera in ("cam1", "cam2"):
        bench.put(f"{camera}/1.jpg", picture(int(camera[-1])))
        (share / "mirror" / "in" / camera).mkdir(parents=True)
        (share / "mirror" / "in" / camera / "1.jpg").write_bytes(picture(int(camera[-1])))
    landed(bench)
    ingest(bench)
    frames = {frame.name for frame in bench.context.cvat("default").frames(bench.line().task_id or 0)}
    assert frames == {"mirror/in/cam1/1.jpg", "mirror/in/cam2/1.jpg"}
    assert exported_images(bench) == 2
