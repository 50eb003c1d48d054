"""`open_context()` inside another one shares its ledger; explicit settings always open a context of their own."""

from __future__ import annotations

from contextvars import copy_context
from pathlib import Path
from threading import Thread

import pytest

from labelyard.context import Context, open_context
from labelyard.settings import Settings
from tests.support.fresh_ledger import create_ledger


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = create_ledger(tmp_path / "ledger.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABELYARD_LEDGER", url)
    return url


def test_a_context_opened_inside_another_is_the_same_one_and_stays_open(ledger: str) -> None:
    with open_context() as outer:
        with open_context() as inner:
            assert inner is outer
        with outer.ledger.read_only() as tx:
            assert tx.now
    with open_context() as later:
        assert later is not outer


def test_explicit_settings_open_a_context_of_their_own(ledger: str) -> None:
    with open_context() as outer, open_context(Settings(ledger=ledger)) as explicit:
        assert explicit is not outer
        with open_context() as inner:
            assert inner is outer


def test_a_thread_shares_the_context_only_if_it_runs_in_a_copy_of_the_context_variables(ledger: str) -> None:
    opened: list[Context] = []

    def work() -> None:
        with open_context() as context:
            opened.append(context)

    with open_context() as outer:
        for thread in (Thread(target=work), Thread(target=copy_context().run, args=(work,))):
            thread.start()
            thread.join()
    assert [context is outer for context in opened] == [False, True]
