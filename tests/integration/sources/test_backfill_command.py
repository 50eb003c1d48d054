"""`labelyard backfill` as a person starts it, and stops it."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from labelyard.errors import InputError, NotFound
from labelyard.ledger.tables import Object
from tests.support.listing_server import listing
from tests.support.machine import LABELYARD, Machine


def test_ctrl_c_ends_it_after_the_objects_at_hand_and_the_next_start_goes_on(machine: Machine) -> None:
    machine.apply("pictures")
    running: list[subprocess.Popen[str]] = []
    with listing(4500, before_page=lambda page: page == 2 and running[0].send_signal(signal.SIGINT)) as server:
        machine.environment["LABELYARD_STORE__ENDPOINT_URL"] = server.url
        process = subprocess.Popen(
            [*LABELYARD, "backfill", "cats-ctures"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=machine.folder, env=machine.environment,
        )  # fmt: skip
        running.append(process)
        told, words = process.communicate(timeout=120)
        assert process.returncode == 130, words
        landed = len(machine.rows(Object))
        assert landed in (2000, 3000)
        assert told.splitlines()[-1] == "stopped; go on with: labelyard backfill cats-ctures"
        assert f"{landed:,} objects seen" in told
        assert "Traceback" not in words
        server.before_page = None
        again = machine.call("backfill", "cats-ctures", "--json")
    assert again.exit_code == 0
    figures = json.loads(again.stdout)
    assert (figures["dataset"], figures["ended"], figures["seconds"] > 0) == ("cats-ctures", True, True)
    assert (figures["seen"], figures["new"], figures["known"]) == (4500, 4500 - landed, landed)
    assert len(machine.rows(Object)) == 4500


def test_it_tells_what_it_has_seen(machine: Machine) -> None:
    bucket = machine.server.new_bucket()
    spec = machine.apply(bucket)
    for key in ("in/a.jpg", "in/b.txt"):
        machine.server.store.write(bucket, key, b"x")
    lines = machine.call("backfill", spec.name).stdout.splitlines()
    assert lines[0].endswith("1 new, 0 known, 1 not the dataset's")
    assert lines[1] == "next: labelyard status"


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_what_stands_against_it_is_an_error_without_figures(machine: Machine, more: list[str]) -> None:
    spec = machine.apply("pictures")
    unknown = machine.call("backfill", "dogs", *more)
    assert isinstance(unknown.exception, NotFound)
    machine.call("pause", spec.name)
    paused = machine.call("backfill", spec.name, *more)
    assert isinstance(paused.exception, InputError)
    assert paused.exception.next_step == f"labelyard resume {spec.name}"
    assert unknown.stdout == paused.stdout == ""
