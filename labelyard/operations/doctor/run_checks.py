"""All checks, side by side; each stands alone, and none is waited for longer than a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping

from labelyard.config import DatasetSpec
from labelyard.errors import CvatError, LabelyardError, LedgerError, StoreError
from labelyard.ledger import Ledger, datasets
from labelyard.operations.doctor import local_checks, server_checks
from labelyard.operations.doctor.results import Check, Finding, Patient, wrong
from labelyard.settings import Settings

LONGEST_SECONDS = 40.0


def examine(settings: Settings) -> list[Finding]:
    """Look at everything. Raises nothing: what goes wrong is a finding."""
    patient = Patient(settings, _datasets(settings))
    return list(_side_by_side(patient, _checks(patient)))


def _checks(patient: Patient) -> dict[str, Check]:
    return {
        "ledger": local_checks.ledger,
        **local_checks.buckets(patient),
        "queue": local_checks.queue,
        **local_checks.notifications(patient),
        **server_checks.cvats(patient),
        "Prefect": server_checks.prefect,
        "watcher": local_checks.watcher,
        "spool": local_checks.spool,
    }


def _mend(error: LabelyardError, about: str) -> str:
    """The next step; an error that sends people to the doctor has to be told better here."""
    if error.next_step not in ("", "labelyard doctor"):
        return error.next_step
    if isinstance(error, CvatError):
        name = about.removeprefix("CVAT ").upper().replace("-", "_")
        return f"start it, or correct LABELYARD_CVAT__{name}__URL, __USERNAME and __PASSWORD"
    if isinstance(error, StoreError):
        of_queue = about == "queue" or error.where.startswith("queue ")  # a notification asks both, queue and bucket
        variable = "LABELYARD_WATCH__SQS_ENDPOINT_URL" if of_queue else "LABELYARD_STORE__ENDPOINT_URL"
        return f"start it, or correct {variable} and the credentials"
    return "start the database, or correct LABELYARD_LEDGER" if isinstance(error, LedgerError) else ""


def _datasets(settings: Settings) -> tuple[DatasetSpec, ...]:
    try:
        ledger = Ledger(settings.ledger)
        try:
            with ledger.read_only() as tx:
                return tuple(spec for spec, _ in datasets.current(tx))
        finally:
            ledger.close()
    except LabelyardError:
        return ()  # the check of the ledger says why


def _side_by_side(patient: Patient, checks: Mapping[str, Check]) -> Iterator[Finding]:
    found: dict[str, list[Finding]] = {about: [] for about in checks}
    # Daemons: one that hangs must not keep the doctor.
    threads = {
        about: threading.Thread(target=_look, args=(patient, about, check, found[about]), name=about, daemon=True)
        for about, check in checks.items()
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + LONGEST_SECONDS
    for about, thread in threads.items():
        thread.join(max(0.0, deadline - time.monotonic()))
        yield from list(found[about])
        if thread.is_alive():
            yield wrong(about, f"no answer within {LONGEST_SECONDS:g} s", "labelyard doctor, once it is reachable")


def _look(patient: Patient, about: str, check: Check, found: list[Finding]) -> None:
    try:
        found.extend(check(patient))
    except LabelyardError as error:
        what = f"{error.where}: {error.what}" if error.where and error.where not in about else error.what
        found.append(wrong(about, what, _mend(error, about)))
    except Exception as error:  # noqa: BLE001 - one check that breaks must not hide the others
        found.append(wrong(about, f"the check itself failed: {type(error).__name__}: {error}", ""))
