"""The command line of the cluster's runs.

python -m tests.chaos.cluster                   a fresh seed, which is printed
python -m tests.chaos.cluster --seed 4711       repeat a run
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from cvat_sandbox.faults import Faults
from labelyard.context import Context
from labelyard.demo.environment import BOTS
from labelyard.errors import ProcessFailed
from labelyard.ledger import datasets
from labelyard.settings import load_settings
from labelyard.storage import Store
from tests.chaos.__main__ import fresh_seed, summary
from tests.chaos.annotators import Annotators
from tests.chaos.chaos_run import ChaosRun, Outcome
from tests.chaos.cluster.cluster import BUCKET, open_cluster
from tests.chaos.cluster.cluster_faults import ClusterFaults, cluster_plan
from tests.chaos.scenario import Scenario, dataset_spec
from tests.support.cvat_families import V2, VERSIONS


@click.command()
@click.option("--seed", type=int, help="By default a fresh one.")
@click.option("--cvat", type=click.Choice(VERSIONS), default=V2, show_default=True, help="The version of CVAT.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the result to this file too.")
@click.option("--keep-logs", type=click.Path(path_type=Path), help="Copy the logs of all parts to this folder.")
def main(*, seed: int | None, cvat: str, to: Path | None, keep_logs: Path | None) -> None:
    """Run a seed and check the invariants. The exit status is 0 only if they hold and every fault happened."""
    seed = fresh_seed() if seed is None else seed
    click.echo(f"seed {seed}")
    before, to, keep_logs = Path.cwd(), to and to.absolute(), keep_logs and keep_logs.absolute()
    with tempfile.TemporaryDirectory(prefix="labelyard-cluster-", ignore_cleanup_errors=True) as folder:
        try:
            outcome = run(seed, Path(folder), cvat)
        finally:
            os.chdir(before)
            if keep_logs is not None:
                shutil.copytree(Path(folder) / "logs", keep_logs, dirs_exist_ok=True)
    result = summary([outcome])
    click.echo("\n".join([*outcome.log, *outcome.violations, json.dumps(result, indent=1)]))
    if to is not None:
        to.write_text(json.dumps(result, indent=1) + "\n")
    missing = any(line.startswith("never happened") for line in outcome.log)
    sys.exit(0 if result["clean"] == 1 and not missing else 1)


def run(seed: int, folder: Path, version: str) -> Outcome:
    """Start a cluster, run the plan of a seed, and let `labelyard doctor --cluster` judge what is left."""
    log: list[str] = []
    plan = cluster_plan(seed).for_cvat(version)
    with open_cluster(folder, log.append, version) as (cluster, clients):
        spec = dataset_spec(plan, BUCKET, list(BOTS)[:2], "2s")
        with clients.ledger.transaction() as tx:
            datasets.apply(tx, spec)
        cluster.set_up_notifications(spec.name)
        settings = load_settings()
        scenario = Scenario(
            plan=plan, spec=spec, ledger=clients.ledger, cvat=clients.cvat, cvat_version=version,
            cvat_rules=clients.cvat_rules, cvat_folder=folder / "sandbox", store_rules=Faults(), s3=clients.s3,
            sqs=clients.sqs, queue_url=cluster.queue_url, folder=folder, log=log,
            context=Context(settings, clients.ledger, Store(settings.store)),
        )  # fmt: skip
        outcome = ChaosRun(ClusterFaults(cluster, scenario), Annotators(scenario)).run()
        try:
            cluster.doctor()
        except ProcessFailed as error:
            return replace(outcome, violations=(*outcome.violations, str(error)))
    return outcome


if __name__ == "__main__":
    main()
