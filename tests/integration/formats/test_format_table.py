"""The table of docs/formats.md is what the formats write of what servers of both families saved, and it is complete."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labelyard.annotations.account import count_objects
from labelyard.formats import FORMATS
from tests.support.cvat_families import VERSIONS
from tests.support.format_table import DOCUMENT, DRAWINGS, Cell, Table, document_with, format_table, is_silent

pytestmark = pytest.mark.slow  # the table takes three seconds


@pytest.fixture(scope="module")
def table() -> Table:
    return format_table()


def cells(table: Table) -> Iterator[tuple[str, Cell]]:
    for kind, by_version in table.items():
        for version, by_format in by_version.items():
            yield from ((f"{kind} on {version} as {name}", cell) for name, cell in by_format.items())


def test_the_document_has_the_table(table: Table) -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document_with(table), "out of date; next: make docs"


def test_there_is_a_cell_for_each_kind_server_and_format(table: Table) -> None:
    assert list(table) == list(DRAWINGS)
    for by_version in table.values():
        assert list(by_version) == list(VERSIONS)
        assert all(list(by_format) == list(FORMATS) for by_format in by_version.values())
    for where, cell in cells(table):
        assert cell.text(len), where
        assert cell.dataset is None or cell.drawn, where


def test_what_was_drawn_is_in_the_file_or_left_out(table: Table) -> None:
    for where, cell in cells(table):
        if cell.dataset is not None:
            account = cell.dataset.account
            left_out = sum(one.count for one in account.left_out)
            assert cell.dataset.annotations + left_out == len(cell.drawn), where
            assert account.balances(count_objects(cell.drawn), account.in_file), where


def test_nothing_is_dropped_in_silence(table: Table) -> None:
    assert [where for where, cell in cells(table) if is_silent(cell)] == []
    for where, cell in cells(table):
        if cell.dataset is not None:
            omissions = set(map(str, cell.dataset.account.left_out))
            assert omissions <= set(cell.dataset.warnings), where
