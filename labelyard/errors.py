"""Every exception of labelyard, as one tree. `retry` marks those after which the same work may succeed unchanged.

LabelyardError
├── InputError                      something a person or another program wrote or sent is wrong
│   ├── OtherVersion                a deployment of another labelyard; its runs are for another worker
│   ├── SpecError                   a dataset file: file, line, field, what to write instead
│   ├── YamlError                   a YAML document, or one value in it, cannot be read
│   ├── SettingsError       retry   an environment variable or `.env`; works once the setting is correct
│   ├── MessageError                a notification that cannot be read (becomes a dead letter)
│   ├── ImageError                  a file that is no image, truncated, empty or too large (quarantined)
│   │   └── NoUsableImage           every object of a batch is quarantined
│   ├── LabelError                  labels that CVAT would reject with 500
│   ├── NothingExported             a dataset has no export that a release could hold
│   └── NotFound                    the ledger has no such dataset, batch, object or dead letter
├── CvatError                       carries the request and the first line of the response
│   ├── CvatUnreachable     retry   no connection; nothing was sent
│   ├── UnclearAnswer       retry   something was sent, no response came; ask the server what it did first
│   ├── CvatBusy            retry   429, 502, 503, 504; after `after` seconds
│   ├── CvatCrashed         retry   500; may have had an effect, ask the server first
│   ├── CvatRefused                 400 and other 4xx: the server's own words
│   │   ├── CvatUnauthorized retry  401, 403 or a wrong password; works once the account is correct
│   │   ├── CvatHidden              403 for one task: it exists, and this account may not see it
│   │   └── CvatNotFound            404
│   ├── CvatDisagrees               a response of unknown form, or a task that differs from what was sent
│   │   ├── TaskDiscarded   retry   an unusable task was deleted; the next run creates another one
│   │   └── ExportOutdated  retry   jobs, annotations or objects changed during the export
│   ├── CreationFailed              CVAT could not make frames of the data
│   ├── ExportFailed                CVAT could not write the export, or its annotations fit no format
│   └── CvatTimeout         retry   a deadline passed; says what was last seen
├── StoreError                      object storage; names bucket and key
│   ├── StoreUnreachable    retry   no answer, or one that asks to retry later
│   ├── StoreUnauthorized   retry   the store refuses the credentials; works once they are correct
│   ├── ObjectRefused               the store refuses this object: another KMS key, owner, SSE-C (quarantined)
│   ├── ObjectDeleted               the object was deleted before it was read
│   ├── ObjectChanged               the object's content differs from the registered one
│   └── ObjectArchived              the object's storage class (GLACIER) cannot be read at once
├── LedgerError                     a request that the ledger does not allow
│   ├── LedgerUnreachable   retry   the database does not answer, or is locked
│   ├── LedgerBehind                the schema is older than the code: `labelyard db upgrade`
│   ├── LedgerAhead         retry   the schema is newer than the code: upgrade this installation
│   ├── LeaseTaken                  the batch is leased, paused or not in a state for this work
│   │   └── LeasePostponed              it waits for a time or for a server; carries until when
│   └── LeaseLost                   the lease expired and another run took the batch: stop at once
├── NoPredictions                   a model, or its files, gave nothing that can be used: people label without
├── PlanOutdated                    what a plan saw has changed before its step was carried out
├── PrefectUnreachable      retry   Prefect's API does not answer, or answers with an error
├── AlertNotSent            retry   a channel did not accept an alert; carries no address and no secret
└── ProcessFailed                   a process of `labelyard up`, of the demo or of a merge ended or never became ready

Interruption                        a request to stop, no failure: `except Exception` must not catch it
├── SignalReceived                  SIGINT or SIGTERM reached the supervisor
├── WorkerStopped                   raised in a running flow when its worker stops
└── RunCancelled                    raised in a running flow that a person cancels in Prefect
"""

from __future__ import annotations

import re
import signal
from datetime import datetime
from typing import ClassVar

from labelyard.escaping import printable

_URL_SECRETS = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?:[^\s/@'\"]*@)?(?P<rest>[^\s?'\"<>]*)(?P<query>\?[^\s'\"<>]*)?", re.IGNORECASE
)


def redact(text: str) -> str:
    """Return `text` without the user part and the query of every URL: servers repeat presigned URLs in responses."""
    return _URL_SECRETS.sub(lambda m: m["scheme"] + m["rest"] + ("?…" if m["query"] else ""), text)


class LabelyardError(Exception):
    """What went wrong, where, and the next command.

    `retry` says whether the same work may succeed later unchanged: a server is unavailable, a setting is wrong. With it
    the batch waits and is tried again; without it, the batch fails until a person acts.
    """

    retry: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str = "", next_step: str = "") -> None:
        self.what = printable(redact(what), keep="\n\t")
        self.where = printable(where)
        self.next_step = next_step
        super().__init__(self.what)

    @property
    def happened(self) -> str:
        """Where and what, without the next command."""
        return f"{self.where}: {self.what}" if self.where else self.what

    def __str__(self) -> str:
        return f"{self.happened}\n  next: {self.next_step}" if self.next_step else self.happened


class InputError(LabelyardError):
    """Something a person or another program wrote or sent is wrong."""


class OtherVersion(InputError):
    """A deployment in Prefect was made by another labelyard than the installed one."""


class SpecError(InputError):
    """A dataset file is wrong; `where` is file:line, `what` names the field and what to write instead."""


class YamlError(InputError):
    """A YAML document, or its value at `path`, cannot be read; `line` counts from 1."""

    def __init__(self, line: int, what: str, path: tuple[int | str, ...] | None = None) -> None:
        self.line, self.path = line, path
        super().__init__(what)


class SettingsError(InputError):
    """A setting is missing or wrong; `what` names the variable."""

    retry = True


class MessageError(InputError):
    """A notification cannot be read."""


class ImageError(InputError):
    """CVAT could not make a frame of this file; `where` is its s3:// address."""


class NoUsableImage(ImageError):
    """Every object of the batch is quarantined, so there is nothing to upload."""


class LabelError(InputError):
    """CVAT would answer these labels with 500 and leave an orphan task behind."""


class NothingExported(InputError):
    """The dataset has no current export that a release could hold."""


class NotFound(InputError):
    """The ledger has no such dataset, batch, object or dead letter."""


class CvatError(LabelyardError):
    """A CVAT server did not do what was asked; `request` is method and path, `status` is 0 without a response."""

    def __init__(self, what: str, *, request: str = "", status: int = 0, where: str = "", next_step: str = "") -> None:
        self.request, self.status = request, status
        super().__init__(what, where=where or request, next_step=next_step)


class CvatUnreachable(CvatError):
    """No connection; nothing was sent."""

    retry = True


class UnclearAnswer(CvatError):
    """Something was sent and no response came: ask the server what it did before sending anything again."""

    retry = True


class CvatBusy(CvatError):
    """429, 502, 503 or 504; `after` is the server's Retry-After in seconds, 0 without one."""

    retry = True

    def __init__(self, what: str, *, after: float = 0.0, request: str = "", status: int = 0, where: str = "") -> None:
        self.after = after
        super().__init__(what, request=request, status=status, where=where)


class CvatCrashed(CvatError):
    """500: the request may have had its effect all the same."""

    retry = True


class CvatRefused(CvatError):
    """A 4xx; `what` holds the server's own words in one line."""


class CvatUnauthorized(CvatRefused):
    """401 or 403, or a login with a wrong password."""

    retry = True


CVAT_UNAVAILABLE = (CvatUnreachable, UnclearAnswer, CvatBusy, CvatUnauthorized)
"""Failures of the server as a whole: a request for any other batch would fail as well."""


class CvatHidden(CvatRefused):
    """403 for one task: it exists, and this account may not see it. It must not be treated as deleted."""


class CvatNotFound(CvatRefused):
    """404."""


class CvatDisagrees(CvatError):
    """A response of unknown form, or a task that does not hold what was sent."""


class TaskDiscarded(CvatDisagrees):
    """The task could never hold what was sent; it was deleted, and the next run creates another one."""

    retry = True


class ExportOutdated(CvatDisagrees):
    """A job was reopened, or annotations or objects changed, during the export: another export follows."""

    retry = True


class CreationFailed(CvatError):
    """CVAT could not make frames of the uploaded data."""


class ExportFailed(CvatError):
    """CVAT could not write the export, or the annotations cannot be written in the format."""


class CvatTimeout(CvatError):
    """A deadline passed; `what` says what was last seen."""

    retry = True


class StoreError(LabelyardError):
    """Object storage did not do what was asked; `where` is the s3:// address."""


class StoreUnreachable(StoreError):
    """No answer from object storage, or one that asks to retry later."""

    retry = True


class StoreUnauthorized(StoreError):
    """The store refuses the credentials, whatever is asked: they are wrong, expired or locked."""

    retry = True


STORE_UNAVAILABLE = (StoreUnreachable, StoreUnauthorized)
"""Failures of the store as a whole: a request for any other object would fail as well."""


class ObjectRefused(StoreError):
    """The store refuses to let this object be read; it may let others. `next_step` says what would allow it."""


class ObjectDeleted(StoreError):
    """The object was deleted before it was read."""


class ObjectChanged(StoreError):
    """The object's content differs from the registered one."""


class ObjectArchived(StoreError):
    """The object's storage class (GLACIER) cannot be read at once."""


class LedgerError(LabelyardError):
    """The ledger does not allow what was asked, such as a transition of a batch."""


class LedgerUnreachable(LedgerError):
    """The ledger's database does not answer, or is locked."""

    retry = True


class LedgerBehind(LedgerError):
    """There is no schema yet, or one that is older than this labelyard: `labelyard db upgrade`."""


class LedgerAhead(LedgerError):
    """A newer labelyard has upgraded the schema, and this one cannot work with it any more."""

    retry = True


class LeaseTaken(LedgerError):
    """The batch cannot be leased now; `what` says why and until when."""


class LeasePostponed(LeaseTaken):
    """The batch waits until `until` at least: for its next attempt, or for a `server` that keeps failing."""

    def __init__(self, what: str, *, until: datetime, server: str = "", where: str = "", next_step: str = "") -> None:
        self.until, self.server = until, server
        super().__init__(what, where=where, next_step=next_step)


class LeaseLost(LedgerError):
    """The lease expired and another run took the batch: nothing more may be written."""


class NoPredictions(LabelyardError):
    """A model, or its files in a bucket, gave nothing that can be used: people label without predictions."""


class PlanOutdated(LabelyardError):
    """What a plan saw has changed before its step was carried out: another plan is needed."""


class PrefectUnreachable(LabelyardError):
    """Prefect's API does not answer, or answers with an error."""

    retry = True


class AlertNotSent(LabelyardError):
    """A channel did not accept an alert, or is no channel at all."""

    retry = True


class ProcessFailed(LabelyardError):
    """A process that the supervisor or a merge started ended, or never became ready; `what` holds its last lines."""


class Interruption(BaseException):
    """A request to stop, no failure: `except Exception` must not catch it, `finally` blocks run."""


class SignalReceived(Interruption):
    """A signal asked this process to end; `status` is the exit status that shells expect."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number
        super().__init__(signal.Signals(number).name)


class WorkerStopped(Interruption):
    """Raised inside a flow whose worker stops: the flow releases its batch, and another worker continues it."""


class RunCancelled(Interruption):
    """Raised inside a flow that a person cancels in Prefect: the flow releases its batch."""
