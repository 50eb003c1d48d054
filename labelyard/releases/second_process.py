"""A second process of a merge: it writes the annotations of some sources while the first one writes the others'.

It is a new interpreter with a module of labelyard alone, not a copy of its parent or of its `__main__`: a merge may run
in a thread of a worker, or in a script that does more than merge. It ends when its parent does, however that ends.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

from labelyard.errors import ProcessFailed
from labelyard.releases.categories import Categories
from labelyard.releases.ids import Ids
from labelyard.releases.lines import Spool
from labelyard.releases.placing import Placed
from labelyard.releases.source_checks import named_errors
from labelyard.releases.sources import Source, SourceFile
from labelyard.releases.writing import Added, ItemWriter

_log = logging.getLogger(__name__)

AT_LEAST = 64_000_000
"""Bytes of sources for which a second process takes less time than it saves."""

_FIRST_SHARE = 0.46
"""The share of the annotations that the first process writes: it also writes all images."""

_POLL_SECONDS = 0.5

_COMMAND = "from labelyard.releases.second_process import main; main()"


@dataclass(frozen=True, slots=True)
class Job:
    """Sources whose annotations are checked, and written into spools of the folder.

    No other source has one of their images.
    """

    sources: Sequence[Source]
    placed: Sequence[Placed]
    categories: Categories
    folder: Path
    splits: Sequence[str]
    ids: Ids


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: closed spools by split and list, and how many annotations each source has.

    The keys are in the file `keys`, and no longer in `added`.
    """

    added: Added
    keys: Path
    spools: dict[tuple[int, str], Spool]
    annotations: Sequence[int]


def write(job: Job) -> Written:
    """Write the annotations of a job. Raises InputError for the first source that cannot be used."""
    writer = ItemWriter(job.folder, job.splits, job.ids, with_extra=False, suffix=".second")
    keys = job.folder / "keys.spool"
    with keys.open("wb") as file:
        for source, placed in zip(job.sources, job.placed, strict=True):
            with named_errors(source.path):
                writer.add_annotations(source, source.parts(), placed, job.categories, check=True)
            writer.added.keys.tofile(file)
            del writer.added.keys[:]
    writer.close()
    return Written(writer.added, keys, writer.spools, [source.annotations for source in job.sources])


def first_share(sources: Sequence[Source]) -> int:
    """Return how many of the sources, the first ones, are for the first process."""
    left = _FIRST_SHARE * sum(source.digest.size for source in sources)
    for number, source in enumerate(sources):
        left -= source.digest.size
        if left < 0:
            return number
    return len(sources)


class SecondProcess:
    """The parent's side of the process."""

    def __init__(self, process: subprocess.Popen[bytes], connection: Connection) -> None:
        self._process, self._connection = process, connection
        self.pid = process.pid

    def begin(self, job: Job) -> None:
        """Let it begin with a job."""
        # The functions that place images are of this process; what they said is in the source.
        sources = [replace(source, file=SourceFile(source.path)) for source in job.sources]
        try:
            self._connection.send(replace(job, sources=sources))
        except OSError as error:
            raise self._failed() from error

    def result(self) -> Written:
        """Wait until it has done its job. Raises what the job has raised, or ProcessFailed if it was killed."""
        try:
            while not self._connection.poll(_POLL_SECONDS):
                pass  # a thread is cancelled or stopped between two calls, not within one
            found: Written | Exception = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._failed() from error
        if isinstance(found, Exception):
            raise found
        return found

    def _failed(self) -> ProcessFailed:
        what = f"the second process of the merge ended with status {self._process.wait()}"
        return ProcessFailed(what, next_step="see that there is memory for it, then try again")


@contextmanager
def second_process(paths: Sequence[Path]) -> Iterator[SecondProcess | None]:
    """Start a process, which ends with the block; None where it would not pay.

    It starts while the sources are looked at, so that nobody waits for it.
    """
    size = sum(path.stat().st_size for path in paths if path.is_file())
    if size < AT_LEAST or len(paths) < 2 or (os.cpu_count() or 1) < 2:
        yield None
        return
    ours, theirs = Pipe()
    with closing(ours):
        with closing(theirs):
            process = _start(theirs)
        if process is None:
            yield None
            return
        try:
            yield SecondProcess(process, ours)
        finally:
            process.kill()
            process.wait()


def _start(connection: Connection) -> subprocess.Popen[bytes] | None:
    """Start the process with its side of the pipe; None where the system allows no further one."""
    try:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-c", _COMMAND, str(connection.fileno())],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,  # stdout is for the result of the command
            pass_fds=[connection.fileno()], start_new_session=True,  # Ctrl-C is for the parent
        )  # fmt: skip
    except OSError as error:
        _log.info("one process merges the files: %s", error)
        return None


def main() -> None:
    """Do one job, in the process itself."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # systemd sends it to every process; this one ends with its parent
    connection = Connection(int(sys.argv[1]))
    try:
        job: Job = connection.recv()
    except EOFError:  # there is no job for it
        return
    threading.Thread(target=_end_with_parent, args=(connection,), daemon=True).start()
    try:
        result: Written | Exception = write(job)
    except Exception as error:  # noqa: BLE001 - the parent raises it
        error.add_note(traceback.format_exc())
        result = error
    connection.send(result)


def _end_with_parent(connection: Connection) -> None:
    connection.poll(None)  # nothing is sent to it any more: its parent is gone
    os._exit(1)
