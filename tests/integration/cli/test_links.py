"""Addresses are links on a terminal, and plain text elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cvat_sandbox import Serving, serve
from labelyard.cli import labelyard
from labelyard.cli.links import with_links
from labelyard.cli.table import print_table

END = "\x1b]8;;\x1b\\"


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serve(["root:rootpass:superuser"]) as serving:
        yield serving


@pytest.fixture(params=[True, False], ids=["terminal", "pipe"])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FORCE_COLOR", "1") if request.param else monkeypatch.delenv("FORCE_COLOR", raising=False)
    return bool(request.param)


def test_a_sentence_links_its_addresses_without_the_punctuation_behind_them(terminal: bool) -> None:
    line = "task 7 (http://c/tasks/7), next: http://p/runs."
    linked = "task 7 (\x1b]8;;http://c/tasks/7\x1b\\http://c/tasks/7" + END
    linked += "), next: \x1b]8;;http://p/runs\x1b\\http://p/runs" + END + "."
    assert with_links(line) == (linked if terminal else line)


def test_a_terminal_without_any_feature_gets_plain_text(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert with_links("http://c") == "http://c"


def test_the_cells_of_a_table_and_of_a_list_link_their_addresses(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    print_table(("batch", "task"), [("street-00001", "http://c/tasks/7")])
    monkeypatch.setenv("COLUMNS", "12")
    print_table(("batch", "task"), [("street-00001", "http://c/tasks/7")])
    assert capsys.readouterr().out.count(";http://c/tasks/7\x1b\\") == (2 if terminal else 0)


def test_a_task_and_its_jobs_link_to_their_pages_in_cvat(
    terminal: bool, server: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.json").write_text('[{"name": "car"}]')
    (tmp_path / "password").write_text("rootpass")
    at = ["cvat", "--url", server.url, "--username", "root", "--password-file", "password"]
    shown = CliRunner().invoke(labelyard, [*at, "create", "street-1", "--labels", "labels.json"])
    assert shown.exit_code == 0, shown.output
    assert (f";{server.url}/tasks/" in shown.output) is terminal
