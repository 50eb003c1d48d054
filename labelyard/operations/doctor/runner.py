"""Run checks at the same time; none delays the others, and none runs longer than a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing

from labelyard.config import DatasetSpec
from labelyard.cvat_names import server_of
from labelyard.errors import CvatError, CvatUnauthorized, LabelyardError, LedgerError, StoreError
from labelyard.ledger import Ledger, datasets
from labelyard.operations.doctor.check import Check, CheckResult, Installation, Subject, fail
from labelyard.settings import Settings

DEADLINE_SECONDS = 40.0


def run_checks(settings: Settings, table: Mapping[str, Subject]) -> list[CheckResult]:
    """Run every check of `table` and return the results in its order. Raises nothing: a failure is a result."""
    installation = Installation(settings, _datasets(settings))
    checks = {name: check for subject in table.values() for name, check in subject(installation).items()}
    return list(_run_together(installation, checks))


def _datasets(settings: Settings) -> tuple[DatasetSpec, ...]:
    try:
        with closing(Ledger(settings.ledger)) as ledger, ledger.read_only() as tx:
            return tuple(datasets.current(tx))
    except LabelyardError:
        return ()  # the check of the ledger reports it


def _run_together(installation: Installation, checks: Mapping[str, Check]) -> Iterator[CheckResult]:
    results: dict[str, list[CheckResult]] = {name: [] for name in checks}
    # Daemons, so that a check that hangs does not keep the process.
    threads = {
        name: threading.Thread(target=_run, args=(installation, name, check, results[name]), name=name, daemon=True)
        for name, check in checks.items()
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + DEADLINE_SECONDS
    for name, thread in threads.items():
        thread.join(max(0.0, deadline - time.monotonic()))
        yield from list(results[name])
        if thread.is_alive():
            yield fail(name, f"no answer within {DEADLINE_SECONDS:g} s", "labelyard doctor, once it is reachable")


def _run(installation: Installation, name: str, check: Check, results: list[CheckResult]) -> None:
    try:
        results.extend(check(installation))
    except LabelyardError as error:
        message = f"{error.where}: {error.what}" if error.where and error.where not in name else error.what
        results.append(fail(name, message, _next_step(error, name)))
    except Exception as error:  # noqa: BLE001 - one broken check must not hide the others
        results.append(fail(name, f"the check itself failed: {type(error).__name__}: {error}", ""))


def _next_step(error: LabelyardError, name: str) -> str:
    """Return the error's next step, or a better one than `labelyard doctor`, which runs already."""
    if error.next_step not in ("", "labelyard doctor"):
        return error.next_step
    if isinstance(error, CvatError):
        variable = server_of(name.removeprefix("CVAT ")).upper().replace("-", "_")
        if isinstance(error, CvatUnauthorized):
            return f"correct LABELYARD_CVAT__{variable}__TOKEN, or __USERNAME and __PASSWORD"
        return f"start it, or correct LABELYARD_CVAT__{variable}__URL"
    if isinstance(error, StoreError):
        return "start it, or correct LABELYARD_STORE__ENDPOINT_URL and the credentials"
    return "start the database, or correct LABELYARD_LEDGER" if isinstance(error, LedgerError) else ""
