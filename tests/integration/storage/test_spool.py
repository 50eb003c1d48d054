"""The spool: objects on disk, a few fetched ahead, never more bytes than allowed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
from hypothesis import given, settings
from hypothesis import strategies as st

from labelyard.domain.objects import StoredObject
from labelyard.errors import ObjectArchived, ObjectChanged, ObjectDeleted, StoreError, StoreUnreachable
from labelyard.storage import Store
from labelyard.storage.spool import AHEAD, open_spool
from tests.support.emulator import StoreServer
from tests.support.examples import examples


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


class MemoryStore:
    """A store in memory that can be made to fail."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = contents
        self.failing: dict[str, list[Exception]] = {}
        self.reads: list[str] = []
        self.lock = threading.Lock()

    def objects(self) -> list[StoredObject]:
        return [StoredObject("bucket", key, "e", len(content)) for key, content in self.contents.items()]

    def head(self, bucket: str, key: str) -> StoredObject:
        if key not in self.contents:
            raise ObjectDeleted("the object was deleted", where=key)
        return StoredObject(bucket, key, "e", len(self.contents[key]))

    def read(self, obj: StoredObject) -> Iterator[bytes]:
        with self.lock:
            self.reads.append(obj.key)
            failures = self.failing.get(obj.key, [])
            failure = failures.pop(0) if failures else None
        content = self.contents[obj.key]
        yield content[: len(content) // 2]
        if failure:
            raise failure
        yield content[len(content) // 2 :]


def test_objects_come_in_their_order_with_their_content(store: Store, bucket: str, tmp_path: Path) -> None:
    for n in range(20):
        store.write(bucket, f"../{n}/x", bytes([n]) * n)
    objects = [store.head(bucket, f"../{n}/x") for n in range(20)]
    with store.spool(objects, tmp_path / "spool", 10_000) as spool:
        yielded = [(item.object, item.path.read_bytes(), item.size, item.failure) for item in spool]
    assert yielded == [(obj, bytes([n]) * n, n, None) for n, obj in enumerate(objects)]
    assert [entry for entry in tmp_path.rglob("*") if entry.name not in ("spool", ".lock")] == []


def test_a_file_is_never_named_by_its_key(tmp_path: Path) -> None:
    memory_store = MemoryStore(dict.fromkeys(("../../etc/passwd", "/root", "..", "a\nb", "k" * 1024), b"x"))
    with open_spool(memory_store, memory_store.objects(), tmp_path, 100) as spool:
        paths = [item.path for item in spool]
        assert all(path.is_file() and path.resolve().parent.parent == tmp_path.resolve() for path in paths)
        assert len({path.name for path in paths}) == 5
        assert all(path.name.isdigit() for path in paths)


def test_a_deleted_or_changed_object_does_not_stop_the_others(
    store_server: StoreServer, store: Store, bucket: str, tmp_path: Path
) -> None:
    for key in "abc":
        store.write(bucket, key, key.encode())
    objects = [store.head(bucket, key) for key in "abc"]
    store_server.delete(bucket, "a")
    store.write(bucket, "b", b"new")
    with store.spool(objects, tmp_path, 100) as spool:
        items = list(spool)
        assert [type(item.failure) for item in items] == [ObjectDeleted, ObjectChanged, type(None)]
        assert [item.path.exists() for item in items] == [False, False, True]


def test_an_archived_object_does_not_stop_the_others(tmp_path: Path) -> None:
    memory_store = MemoryStore({"cold": b"12345", "warm": b"12345"})
    memory_store.failing["cold"] = [ObjectArchived("archived: not valid for its storage class", where="cold")]
    with open_spool(memory_store, memory_store.objects(), tmp_path, 10) as spool:
        assert [type(item.failure) for item in spool] == [ObjectArchived, type(None)]


def test_an_object_of_unknown_size_is_headed(tmp_path: Path) -> None:
    memory_store = MemoryStore({"a": b"12345"})
    with open_spool(
        memory_store, [StoredObject("bucket", "a", "e"), StoredObject("bucket", "gone", "e")], tmp_path, 5
    ) as spool:
        first = next(iter(spool))
        assert (first.size, first.path.read_bytes()) == (5, b"12345")


def test_an_object_whose_size_differs_from_the_registered_one_has_changed(tmp_path: Path) -> None:
    memory_store = MemoryStore({"a": b"12345", "b": b"12345"})
    registered = [StoredObject("bucket", "a", "e", 4), StoredObject("bucket", "b", "e", 6)]
    with open_spool(memory_store, registered, tmp_path, 100) as spool:
        assert [type(item.failure) for item in spool] == [ObjectChanged, ObjectChanged]


def test_an_interrupted_read_is_repeated(tmp_path: Path) -> None:
    memory_store = MemoryStore({"a": b"12345"})
    memory_store.failing["a"] = [StoreUnreachable("once"), StoreUnreachable("twice")]
    with open_spool(memory_store, memory_store.objects(), tmp_path, 100) as spool:
        assert [item.path.read_bytes() for item in spool] == [b"12345"]
    assert memory_store.reads == ["a"] * 3


def test_a_store_that_stays_unreachable_ends_the_iteration(tmp_path: Path) -> None:
    memory_store = MemoryStore({"a": b"12345"})
    memory_store.failing["a"] = [StoreUnreachable("down")] * 5
    with open_spool(memory_store, memory_store.objects(), tmp_path, 100) as spool, pytest.raises(StoreUnreachable):
        list(spool)


def test_no_more_is_fetched_than_fits_until_files_are_discarded(tmp_path: Path) -> None:
    memory_store = MemoryStore({str(n): b"x" * 10 for n in range(30)})
    with open_spool(memory_store, memory_store.objects(), tmp_path, 35) as spool:
        for n, item in enumerate(spool):
            assert item.path.read_bytes() == b"x" * 10
            assert sum(file.stat().st_size for file in item.path.parent.glob("0*")) <= 35
            assert len(memory_store.reads) <= n + 3
            item.discard()
            item.discard()


def test_no_more_than_a_few_are_fetched_ahead(tmp_path: Path) -> None:
    memory_store = MemoryStore({str(n): b"" for n in range(100)})
    with open_spool(memory_store, memory_store.objects(), tmp_path, 10) as spool:
        next(iter(spool))
    assert len(memory_store.reads) <= AHEAD


def test_a_spool_too_small_says_which_setting_to_raise(tmp_path: Path) -> None:
    memory_store = MemoryStore({"small": b"x" * 30, "large": b"x" * 80})
    with (
        open_spool(memory_store, memory_store.objects(), tmp_path, 100) as spool,
        pytest.raises(StoreError, match="110 bytes at once are more than the spool's 100") as caught,
    ):
        list(spool)
    assert "LABELYARD_SPOOL_BYTES" in caught.value.next_step
    assert caught.value.where == "s3://bucket/large"


def test_the_error_for_a_full_disk_names_the_folder(tmp_path: Path) -> None:
    memory_store = MemoryStore({"a": b"x" * 5_000_000})
    limited = """
        import resource, signal, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from test_spool import MemoryStore
        from labelyard.storage.spool import open_spool
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit then fails as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000000, 1000000))
        memory_store = MemoryStore({"a": b"x" * 5000000})
        with open_spool(memory_store, memory_store.objects(), Path(sys.argv[1]), 10**9) as spool:
            list(spool)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(limited), str(tmp_path), str(Path(__file__).parent)],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode != 0
    assert "StoreError" in done.stderr
    assert f"{tmp_path}" in done.stderr
    assert "LABELYARD_SPOOL" in done.stderr
    assert len(memory_store.objects()) == 1


def test_the_error_for_a_folder_that_cannot_be_written_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="no spool") as caught, open_spool(MemoryStore({}), [], tmp_path / "file", 1):
        pass
    assert "LABELYARD_SPOOL" in caught.value.next_step


def test_the_folder_of_a_killed_process_is_deleted_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    holder = """
        import sys, time
        from pathlib import Path
        from labelyard.storage.spool import open_spool
        with open_spool(None, [], Path(sys.argv[1]), 1):
            print("open", flush=True)
            time.sleep(60)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(holder), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with open_spool(MemoryStore({}), [], tmp_path, 1):
            assert len(list(tmp_path.glob("spool-*"))) == 2
            process.send_signal(signal.SIGKILL)
            process.wait()
            with open_spool(MemoryStore({}), [], tmp_path, 1):
                assert len(list(tmp_path.glob("spool-*"))) == 2
    assert list(tmp_path.glob("spool-*")) == []


@settings(max_examples=examples(30), deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), max_size=25),
    keep=st.lists(st.booleans(), min_size=25, max_size=25),
    room=st.integers(40, 120),
)
def test_the_spool_yields_all_objects_or_raises_that_it_is_full(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], keep: list[bool], room: int
) -> None:
    memory_store = MemoryStore({str(n): bytes(size) for n, size in enumerate(sizes)})
    kept, yielded = 0, []
    with open_spool(memory_store, memory_store.objects(), tmp_path_factory.mktemp("spool"), room) as spool:
        try:
            for item in spool:
                yielded.append(item.size)
                if keep[len(yielded) - 1]:
                    kept += item.size
                else:
                    item.discard()
        except StoreError:
            assert kept + sizes[len(yielded)] > room
        else:
            assert yielded == sizes
    assert yielded == sizes[: len(yielded)]
    assert kept <= room
