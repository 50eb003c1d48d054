"""What `labelyard doctor` checks: whether each part that labelyard needs can be reached and is set up correctly.

CHECKS is the table: one module per subject. `runner.run_checks` runs the checks of one or more tables at the same time.
The checks of Prefect are in orchestration/doctor_checks. No check changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping

from labelyard.operations.doctor import cvat, ledger, notifications, storage, watcher
from labelyard.operations.doctor.check import Subject

CHECKS: Mapping[str, Subject] = {
    "ledger": ledger.checks,
    "storage": storage.checks,
    "notifications": notifications.checks,
    "watcher": watcher.checks,
    "CVAT": cvat.checks,
}
"""Subject -> the function that returns its checks by name."""
