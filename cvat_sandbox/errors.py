"""The errors of the sandbox.

Exception
├── SandboxError           the set-up is wrong: a port in use, a fault rule, a faults file; ends the command
├── NotFound               there is no such user, task, job, …
├── Forbidden              the user may not do this
├── Rejected               the object cannot be changed in this way; the text is CVAT's
├── InvalidAnnotation      an annotation does not fit its task; the text is CVAT's
│   └── DuplicateAnnotation    an annotation with this id exists already
├── JobForgotten           the job of a worker is never continued: its queue was lost, or its worker was killed
├── Crash                  the real server has a bug here: it answers 500, perhaps after part of the work
├── WorkerValidationError  a value that CVAT 2.x checks only in its worker
├── MissingObject          a bucket, or an object of one, does not exist
├── ForbiddenObject        a bucket, or an object of one, may not be read
├── InvalidImage           an object of a bucket is no image
└── WorkerError            a worker's job failed where CVAT raises a plain `Exception`
    ├── DownloadError      a remote file could not be downloaded
    └── InvalidDataset     a file to import cannot be read, or does not fit its task

The rules raise them and know nothing of HTTP. An API family (`cvat_sandbox.v1`) turns them into responses.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


class SandboxError(Exception):
    """The set-up is wrong: what, where, and the next command."""

    def __init__(self, problem: str, *, where: str = "", next_step: str = "") -> None:
        self.problem, self.where, self.next_step = problem, where, next_step
        super().__init__(problem)

    def __str__(self) -> str:
        located = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{located}\n  next: {self.next_step}" if self.next_step else located


class NotFound(Exception):
    """There is no such object; a text says which, for the families that show one."""


class Forbidden(Exception):
    """The user may not do this."""


class Rejected(Exception):
    """The object cannot be changed in this way; the text is CVAT's."""


class InvalidAnnotation(Exception):
    """An annotation does not fit its task; the text is CVAT's."""


class DuplicateAnnotation(InvalidAnnotation):
    """An annotation with this id exists already; the text is PostgreSQL's."""

    TABLES: Mapping[str, str] = MappingProxyType({
        "tag": "engine_labeledimage", "shape": "engine_labeledshape", "track": "engine_labeledtrack",
        "interval": "engine_labeledinterval",
    })  # fmt: skip

    def __init__(self, table: str, key: int) -> None:
        super().__init__(f'duplicate key value violates unique constraint "{self.TABLES[table]}_pkey"\n'
                         f"DETAIL:  Key (id)=({key}) already exists.\n")  # fmt: skip


class JobForgotten(Exception):
    """The job of a worker is never continued; `what` is "queue" or "worker"."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


class Crash(Exception):
    """The real server has a bug here: it answers 500, perhaps after part of the work."""


class WorkerValidationError(Exception):
    """A value that CVAT 2.x checks only in its worker; the message of the request shows the REST framework's name."""

    def __str__(self) -> str:
        return f"[ErrorDetail(string={self.args[0]!r}, code='invalid')]"


class MissingObject(Exception):
    """A bucket, or an object of one, does not exist."""


class ForbiddenObject(Exception):
    """A bucket, or an object of one, may not be read."""


class InvalidImage(Exception):
    """An object of a bucket is no image."""


class WorkerError(Exception):
    """A worker's job failed where CVAT raises a plain `Exception`."""


class DownloadError(WorkerError):
    """A remote file could not be downloaded."""

    @classmethod
    def of_status(cls, url: str, status: int, reason: str) -> DownloadError:
        """Return the error of a URL that its server refuses."""
        return cls(f"Failed to download {url}. {status} - {reason}")


class InvalidDataset(WorkerError):
    """A file to import cannot be read, or does not fit its task. CVAT 2.x calls it `CvatImportError`."""


_SHOWN: Mapping[type[BaseException], str] = MappingProxyType({
    InvalidDataset: "cvat.apps.dataset_manager.bindings.CvatImportError",
    WorkerValidationError: "rest_framework.exceptions.ValidationError",
    MissingObject: "rest_framework.exceptions.NotFound",
    ForbiddenObject: "rest_framework.exceptions.PermissionDenied",
    InvalidImage: "utils.dataset_manifest.errors.InvalidImageError",
})  # fmt: skip
"""The names of exceptions on the real server."""


def failure_text(error: BaseException) -> str:
    """Return the text that CVAT's queue keeps of a failed job: the type of the exception and its message."""
    kind = type(error)
    if kind in _SHOWN:
        name = _SHOWN[kind]
    elif isinstance(error, WorkerError):
        name = "Exception"
    elif kind.__module__ in {"builtins", __name__}:
        name = kind.__name__
    else:
        name = f"{kind.__module__}.{kind.__name__}"
    return f"{name}: {error}" if str(error) else name
