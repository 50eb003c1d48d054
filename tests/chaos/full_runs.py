"""Full runs: plans of process faults against a full stack.

The stack takes longer to start than a run takes. So the runs of a process follow one another in the same stack, each
with its own dataset, until one is not clean: the next run starts a fresh stack. Each run waits until all datasets of
the stack are at rest.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Self

from labelyard.context import Context
from labelyard.demo.environment import BOTS
from labelyard.ledger import Ledger, datasets
from labelyard.settings import load_settings
from labelyard.storage import Store
from tests.chaos.annotators import Annotators
from tests.chaos.chaos_run import ChaosRun, Outcome
from tests.chaos.environment import Ledgers
from tests.chaos.fault_plan import FaultPlan
from tests.chaos.full_stack import BUCKET, open_full_stack
from tests.chaos.process_faults import ProcessFaults
from tests.chaos.process_plan import process_fault_plan
from tests.chaos.scenario import Scenario, dataset_spec
from tests.support.cvat_families import V1

_ANNOTATORS = list(BOTS)[:2]


class FullRuns:
    """Runs plans in a full stack, which is started when this context is entered."""

    def __init__(self, ledgers: Ledgers, name: str, cvat_version: str) -> None:
        self._ledgers, self._name, self._cvat_version = ledgers, name, cvat_version
        self._log: list[str] = []
        self._exit_stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as exit_stack:
            exit_stack.callback(os.chdir, Path.cwd())
            folder = tempfile.TemporaryDirectory(prefix="labelyard-full-", ignore_cleanup_errors=True)
            self._folder = Path(exit_stack.enter_context(folder))
            url = self._ledgers.create(self._name)
            exit_stack.callback(self._ledgers.remove, self._name)
            self._ledger = exit_stack.enter_context(closing(Ledger(url)))
            opened = open_full_stack(self._folder, url, self._append_to_log, self._cvat_version)
            self._stack = exit_stack.enter_context(opened)
            self._stack.start()
            self._exit_stack = exit_stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit_stack.close()

    def run(self, plan: FaultPlan) -> Outcome:
        """Run a plan."""
        self._log, plan, stack = [], plan.for_cvat(self._cvat_version), self._stack
        spec = dataset_spec(plan, BUCKET, _ANNOTATORS, "2s")
        with self._ledger.transaction() as tx:
            datasets.apply(tx, spec)
        scenario = Scenario(
            plan=plan, spec=spec, ledger=self._ledger, cvat=stack.cvat,
            cvat_version=self._cvat_version, cvat_rules=stack.cvat_rules,
            cvat_folder=self._folder / "sandbox", store_rules=stack.store_rules, s3=stack.s3, sqs=stack.sqs,
            queue_url=stack.queue_url, folder=self._folder, log=self._log,
            context=Context(load_settings(), self._ledger, Store(stack.direct_store)),
        )  # fmt: skip
        return ChaosRun(ProcessFaults(stack, scenario), Annotators(scenario)).run()

    def copy_logs(self, to: Path) -> None:
        """Copy the log files of all processes."""
        for logs in (self._folder / "logs", self._folder / ".labelyard" / "logs"):
            shutil.copytree(logs, to, dirs_exist_ok=True)

    def _append_to_log(self, line: str) -> None:
        self._log.append(line)  # each run has its own log


@contextmanager
def open_full_runs(
    postgres: str | None, keep_logs: Path | None = None, cvat_version: str = V1
) -> Iterator[Callable[[int], Outcome]]:
    """Yield a function that runs a seed in a full stack; it copies the logs of unclean runs below `keep_logs`."""
    with tempfile.TemporaryDirectory(prefix="labelyard-ledgers-") as folder, ExitStack() as exit_stack:
        ledgers, current = Ledgers(Path(folder), postgres), list[FullRuns]()

        def run(seed: int) -> Outcome:
            if not current:
                current.append(exit_stack.enter_context(FullRuns(ledgers, f"full_{os.getpid()}_{seed}", cvat_version)))
            clean = False
            try:
                outcome = current[0].run(process_fault_plan(seed))
                clean = not outcome.violations
            finally:
                if not clean:
                    if keep_logs is not None:
                        current[0].copy_logs(keep_logs / f"s{seed}")
                    current.clear()
                    exit_stack.close()
            return outcome

        yield run
