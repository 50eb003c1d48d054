"""Every failure labelyard knows, as one tree.

LabelyardError
├── InputError                 something a person wrote or sent is wrong
│   ├── SpecError              a dataset file: file, line, field, what to write instead
│   ├── SettingsError          an environment variable or `.env`                (again: once it is set right)
│   ├── MessageError           a notification that cannot be read (goes to the dead letters)
│   ├── ImageError             a file that is no image, truncated, empty or too large (set aside)
│   ├── LabelError             labels that CVAT would take badly
│   └── NotKnown               a dataset, batch or object that the ledger does not hold
├── CvatError                  carries the request and the first line of the answer
│   ├── CvatUnreachable        no answer, and nothing was sent            (again: yes)
│   ├── UnclearAnswer          something was sent, the answer is unknown  (again: after a look at the server)
│   ├── CvatBusy               429, 502, 503, 504                         (again: yes, after `after` seconds)
│   ├── CvatCrashed            500: perhaps with an effect                (again: after a look at the server)
│   ├── CvatRefused            400 and other 4xx: the server's own words
│   │   ├── CvatUnauthorized   401, wrong password, missing permission (403)   (again: once it is set right)
│   │   └── CvatNotFound       404
│   ├── CvatDisagrees          an answer that fits no known server, or a task that is not what was sent
│   ├── CreationFailed         the server's worker could not make frames of the data
│   ├── ExportFailed           the server could not write the export
│   └── CvatTimeout            a deadline passed; says what was last seen (again: yes)
├── StoreError                 object storage; names bucket and key
│   ├── StoreUnreachable                                                  (again: yes)
│   ├── ObjectGone             the object was deleted
│   └── ObjectChanged          the object has another content than the one landed
├── LedgerError
│   ├── LedgerUnreachable                                                 (again: yes)
│   ├── LedgerBehind           code and schema differ: `labelyard db upgrade`
│   ├── ClaimTaken             another run has the batch, with its lease
│   └── ClaimLost              our lease ran out and somebody took over: stop at once
├── PrefectUnreachable                                                    (again: yes)
└── PartFailed                 a process of `labelyard up` or of the demo ended, or never got ready; names its log
"""

from __future__ import annotations

import re
import signal
from typing import ClassVar

_URL_SECRETS = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?:[^\s/@'\"]*@)?(?P<rest>[^\s?'\"<>]*)(?P<query>\?[^\s'\"<>]*)?", re.IGNORECASE
)


def redact(text: str) -> str:
    """`text` with the user part and the query of every URL cut: servers repeat presigned URLs in their answers."""
    return _URL_SECRETS.sub(lambda m: m["scheme"] + m["rest"] + ("?…" if m["query"] else ""), text)


class LabelyardError(Exception):
    """What went wrong, where, and the next command.

    `retry` says whether the same may succeed later without the work itself being changed: a server that is away, a
    setting that is wrong. What is tried again waits, and says why; what is not is failed until a person has a look.
    """

    retry: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str = "", next_step: str = "") -> None:
        self.what = redact(what)
        self.where = where
        self.next_step = next_step
        super().__init__(self.what)

    @property
    def happened(self) -> str:
        """Where and what, without the next command."""
        return f"{self.where}: {self.what}" if self.where else self.what

    def __str__(self) -> str:
        return f"{self.happened}\n  next: {self.next_step}" if self.next_step else self.happened


class InputError(LabelyardError):
    """Something a person wrote or sent is wrong."""


class SpecError(InputError):
    """A dataset file is wrong; `where` is file:line, `what` names the field and what to write instead."""


class SettingsError(InputError):
    """A setting is missing or wrong; `what` names the variable."""

    retry = True


class MessageError(InputError):
    """A notification that cannot be read."""


class ImageError(InputError):
    """A file that CVAT could not make a frame of; `where` is its s3:// address."""


class LabelError(InputError):
    """Labels that CVAT would take badly: it answers 500 and leaves an orphan task behind."""


class NotFound(InputError):
    """The ledger holds no such dataset, batch or object."""


class CvatError(LabelyardError):
    """A CVAT server did not do what was asked; `request` is method and path, `status` 0 where no answer came."""

    def __init__(self, what: str, *, request: str = "", status: int = 0, where: str = "", next_step: str = "") -> None:
        self.request, self.status = request, status
        super().__init__(what, where=where or request, next_step=next_step)


class CvatUnreachable(CvatError):
    """No connection; nothing was sent."""

    retry = True


class UnclearAnswer(CvatError):
    """Something was sent and the answer never came: look at the server before doing anything again."""

    retry = True


class CvatBusy(CvatError):
    """429, 502, 503 or 504; `after` is the server's Retry-After in seconds, 0 where it named none."""

    retry = True

    def __init__(self, what: str, *, after: float = 0.0, request: str = "", status: int = 0, where: str = "") -> None:
        self.after = after
        super().__init__(what, request=request, status=status, where=where)


class CvatCrashed(CvatError):
    """500: the effect may have happened all the same."""

    retry = True


class CvatRefused(CvatError):
    """A 4xx; `what` holds the server's own words in one line."""


class CvatUnauthorized(CvatRefused):
    """401 or 403, or a login with a wrong password."""

    retry = True


CVAT_IS_AWAY = (CvatUnreachable, UnclearAnswer, CvatBusy, CvatUnauthorized)
"""Failures that lie with the server: whoever else asks it would meet the same."""


class CvatNotFound(CvatRefused):
    """404."""


class CvatHidden(CvatRefused):
    """403 for one task: it is there, and not for this account. Nobody may take it for deleted."""


class CvatDisagrees(CvatError):
    """An answer of no known shape, or a task that does not hold what was sent."""


class CreationFailed(CvatError):
    """The server's worker could not make frames of the uploaded data."""


class ExportFailed(CvatError):
    """The server could not write the export."""


class CvatTimeout(CvatError):
    """A deadline passed; `what` says what was last seen."""

    retry = True


class StoreError(LabelyardError):
    """Object storage did not do what was asked; `where` is the s3:// address."""


class StoreUnreachable(StoreError):
    """No answer from object storage, or one that says: later."""

    retry = True


class ObjectGone(StoreError):
    """The object was deleted before it was read."""


class ObjectChanged(StoreError):
    """The object now has another content than the one that landed."""


class ObjectArchived(StoreError):
    """The object lies in a storage class that is not read at once (GLACIER)."""


class LedgerError(LabelyardError):
    """The ledger could not answer."""


class LedgerUnreachable(LedgerError):
    """The ledger's database does not answer, or is locked."""

    retry = True


class LedgerBehind(LedgerError):
    """Code and schema differ."""


class LeaseTaken(LedgerError):
    """Somebody else is at this work; `what` says who, and until when."""


class LeaseLost(LedgerError):
    """The lease ran out and somebody took over: nothing more may be written."""


class Interrupted(BaseException):
    """A signal (SIGINT, SIGTERM, SIGHUP) asked the process to stop; `status` is the exit status that shells expect."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number
        super().__init__(signal.Signals(number).name)


class PrefectUnreachable(LabelyardError):
    """Prefect's API does not answer."""

    retry = True


class ProcessFailed(LabelyardError):
    """A process that the supervisor started ended, or never got ready; `what` holds its last lines."""
