"""The full variant: runs strike a whole labelyard, and compare what is left.

To start everything takes longer than a run, so runs of a lane follow one another in one labelyard, each with a dataset
of its own, until one is not clean: the next begins with a fresh one. All of its datasets have to be at rest.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Self

from labelyard.demo.environment import CREW
from labelyard.ledger import Ledger, datasets
from tests.chaos.annotators import People
from tests.chaos.chaos_run import Outcome, Storm
from tests.chaos.environment import Ledgers
from tests.chaos.fault_plan import Plan, whole_plan
from tests.chaos.full_stack import BUCKET, open_site
from tests.chaos.process_faults import Siege
from tests.chaos.scenario import Scene, dataset

_ANNOTATORS = list(CREW)[:2]


class Whole:
    """A labelyard that runs as a whole, started when this is entered; `run` strikes it once."""

    def __init__(self, ledgers: Ledgers, name: str, tell: Callable[[str], None] = lambda _line: None) -> None:
        self._ledgers, self._name, self._said = ledgers, name, tell
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(os.chdir, Path.cwd())
            folder = tempfile.TemporaryDirectory(prefix="labelyard-whole-", ignore_cleanup_errors=True)
            self._folder = Path(stack.enter_context(folder))
            url = self._ledgers.make(self._name)
            stack.callback(self._ledgers.remove, self._name)
            self._ledger = stack.enter_context(closing(Ledger(url)))
            self._site = stack.enter_context(open_site(self._folder, url, self._hear))
            self._site.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, plan: Plan) -> Outcome:
        """A run of a plan."""
        said: list[str] = []
        self._said = said.append
        spec, site = dataset(plan, BUCKET, _ANNOTATORS, quiet="2s"), self._site
        with self._ledger.transaction() as tx:
            datasets.apply(tx, spec)
        scene = Scene(
            plan=plan, spec=spec, ledger=self._ledger, cvat=site.cvat, cvat_faults=site.cvat_faults,
            cvat_folder=self._folder / "sandbox", store_faults=site.store_faults, s3=site.s3, sqs=site.sqs,
            queue_url=site.queue_url, folder=self._folder, said=said,
        )  # fmt: skip
        return Storm(Siege(site, scene), People(scene)).run()

    def keep_logs(self, to: Path) -> None:
        """Copy what the processes have said, for whoever looks for a cause."""
        for logs in (self._folder / "logs", self._folder / ".labelyard" / "logs"):
            shutil.copytree(logs, to, dirs_exist_ok=True)

    def _hear(self, line: str) -> None:
        self._said(line)


@contextmanager
def open_whole_lane(postgres: str | None, keep: Path | None = None) -> Iterator[Callable[[int], Outcome]]:
    """Runs of seeds in whole labelyards, one after the other; logs of those that are not clean go below `keep`."""
    with tempfile.TemporaryDirectory(prefix="labelyard-ledgers-") as folder, ExitStack() as stack:
        ledgers, running = Ledgers(Path(folder), postgres), list[Whole]()

        def run(seed: int) -> Outcome:
            if not running:
                running.append(stack.enter_context(Whole(ledgers, f"whole_{os.getpid()}_{seed}")))
            clean = False
            try:
                outcome = running[0].run(whole_plan(seed))
                clean = not outcome.differences
            finally:
                if not clean:
                    if keep is not None:
                        running[0].keep_logs(keep / f"s{seed}")
                    running.clear()
                    stack.close()
            return outcome

        yield run
