from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url, select

from labelyard.config import DatasetSpec
from labelyard.domain.objects import StoredObject
from labelyard.errors import LedgerBehind, LedgerUnreachable, NotFound, SettingsError
from labelyard.ledger import Ledger, datasets, upgrade
from labelyard.ledger.tables import Object
from tests.support.fresh_ledger import create_ledger
from tests.support.ledger_samples import Clock, an_object, apply, dataset_spec, register


def test_a_missing_ledger_names_the_command_that_creates_it(tmp_path: Path) -> None:
    with pytest.raises(LedgerBehind, match="no ledger yet") as caught:
        Ledger(f"sqlite:///{tmp_path}/none.db")
    assert caught.value.next_step.endswith("labelyard db upgrade --create")  # there is no .env here
    assert not list(tmp_path.iterdir())


def test_an_empty_database_cannot_be_opened_before_it_is_upgraded(empty_database: str) -> None:
    if empty_database.startswith("postgresql"):
        with pytest.raises(LedgerBehind, match="is empty"):
            Ledger(empty_database)
    assert upgrade(empty_database) == upgrade(empty_database)
    Ledger(empty_database).close()


def test_a_postgresql_without_an_encoding_returns_text(postgres_server: str, clock: Clock) -> None:
    name = f"ascii_{uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        )
    url = make_url(postgres_server).set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    upgrade(url)
    ledger, spec = Ledger(url, clock=clock), dataset_spec()
    apply(ledger, spec)
    register(ledger, spec, StoredObject("incoming", "street/Straße 1.jpg", "e", 10))
    with ledger.read_only() as tx:
        assert tx.scalars(select(Object.key)).one() == "street/Straße 1.jpg"
    ledger.close()


def test_a_read_only_transaction_does_not_wait_for_a_writer_of_sqlite(tmp_path: Path) -> None:
    url = create_ledger(tmp_path / "ledger.db")
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        ledger, begun = Ledger(url), time.monotonic()
        with ledger.read_only() as tx:
            assert list(datasets.current(tx)) == []
        assert time.monotonic() - begun < 15  # a writer would wait thirty seconds, and fail
        ledger.close()


def test_the_error_of_an_unreachable_database_does_not_contain_its_password() -> None:
    with pytest.raises(LedgerUnreachable) as caught:
        Ledger("postgresql://someone:s3cret@127.0.0.1:1/ledger")
    assert "s3cret" not in str(caught.value)
    assert caught.value.retry


@pytest.mark.parametrize("url", ["mysql://localhost/ledger", "ledger.db", "", "postgresql://me:s3cret@host:port/x"])
def test_an_unsupported_url_names_the_supported_ones(url: str) -> None:
    for use in (Ledger, upgrade):
        with pytest.raises(SettingsError, match="SQLite or PostgreSQL") as caught:
            use(url)
        assert "sqlite:///path" in caught.value.next_step
        assert "s3cret" not in str(caught.value)


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="the ledger's file cannot be created: Not a directory") as caught:
        upgrade(f"sqlite:///{tmp_path}/file/inside/ledger.db")
    assert caught.value.where == f"{tmp_path}/file/inside/ledger.db"
    assert "LABELYARD_LEDGER" in caught.value.next_step


def test_a_transaction_that_raises_is_rolled_back(ledger: Ledger, spec: DatasetSpec) -> None:
    def half() -> None:
        with ledger.transaction() as tx:
            datasets.apply(tx, dataset_spec("other"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    with ledger.read_only() as tx, pytest.raises(NotFound, match="known: street"):
        datasets.spec(tx, "other")


def test_a_dataset_file_is_a_new_version_only_when_it_says_something_new(ledger: Ledger) -> None:
    assert apply(ledger, dataset_spec()) == (1, True)
    assert apply(ledger, dataset_spec()) == (1, False)
    assert apply(ledger, dataset_spec(max_objects=5)) == (2, True)
    with ledger.read_only() as tx:
        assert datasets.spec(tx, "street").batch.max_objects == 5
        assert datasets.spec(tx, "street", 1).batch.max_objects == 3
        assert [spec.batch.max_objects for spec in datasets.current(tx)] == [5]


def test_concurrent_writers_wait_for_each_other(ledger: Ledger, spec: DatasetSpec) -> None:
    new: list[int] = []
    threads = [
        threading.Thread(target=lambda: new.append(register(ledger, spec, *(an_object(i) for i in range(20)))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(new) == 20


def test_the_time_of_the_database_has_a_zone(ledger_url: str, clock: Clock) -> None:
    ledger = Ledger(ledger_url)
    with ledger.read_only() as tx:
        now = tx.now
    assert now.tzinfo is not None
    assert now > clock.now
    ledger.close()
