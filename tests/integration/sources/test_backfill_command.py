"""The command `labelyard backfill`: started, interrupted, continued."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from labelyard.errors import InputError, NotFound
from labelyard.ledger.tables import Object
from tests.support.listing_server import listing
from tests.support.machine import LABELYARD, Machine


@pytest.mark.slow
def test_ctrl_c_stops_it_after_the_current_page_and_the_next_run_continues(machine: Machine) -> None:
    machine.apply("pictures")
    running: list[subprocess.Popen[str]] = []
    with listing(4500, before_page=lambda page: page == 2 and running[0].send_signal(signal.SIGINT)) as server:
        machine.environment["LABELYARD_STORE__ENDPOINT_URL"] = server.url
        process = subprocess.Popen(
            [*LABELYARD, "backfill", "cats-ctures"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=machine.folder, env=machine.environment,
        )  # fmt: skip
        running.append(process)
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 130, stderr
        registered = len(machine.rows(Object))
        assert registered in (2000, 3000)
        assert stdout.splitlines()[-1] == "stopped; continue with: labelyard backfill cats-ctures"
        assert f"{registered:,} objects listed" in stdout
        assert "Traceback" not in stderr
        server.before_page = None
        again = machine.call("backfill", "cats-ctures", "--json")
    assert again.exit_code == 0
    counts = json.loads(again.stdout)
    assert (counts["dataset"], counts["completed"], counts["seconds"] > 0) == ("cats-ctures", True, True)
    assert (counts["listed"], counts["new"], counts["known"]) == (4500, 4500 - registered, registered)
    assert len(machine.rows(Object)) == 4500


def test_it_prints_what_it_listed(machine: Machine) -> None:
    bucket = machine.server.new_bucket()
    spec = machine.apply(bucket)
    for key in ("in/a.jpg", "in/b.txt"):
        machine.server.store.write(bucket, key, b"x")
    lines = machine.call("backfill", spec.name).stdout.splitlines()
    assert lines[0].endswith("1 new, 0 known, 1 not the dataset's")
    assert lines[1] == "next: labelyard status"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_unknown_or_paused_dataset_is_an_error_without_counts(machine: Machine, options: list[str]) -> None:
    spec = machine.apply("pictures")
    unknown = machine.call("backfill", "dogs", *options)
    assert isinstance(unknown.exception, NotFound)
    machine.call("pause", spec.name)
    paused = machine.call("backfill", spec.name, *options)
    assert isinstance(paused.exception, InputError)
    assert paused.exception.next_step == f"labelyard resume {spec.name}"
    assert unknown.stdout == paused.stdout == ""
