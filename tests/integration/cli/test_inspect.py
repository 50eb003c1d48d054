"""`labelyard inspect` says before any upload what the pipeline's inspection will say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from labelyard.cli import labelyard
from tests.support.emulator import StoreServer
from tests.support.paths import ROOT
from tests.support.pictures import picture

CASES = ROOT / "tests" / "cases" / "images"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(labelyard, ["inspect", *arguments])


def rows(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(*arguments, "--json").stdout)
    return found


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_row_has_the_verdict_the_reason_the_warnings_and_what_the_image_is() -> None:
    assert rows(str(CASES / "big.tif"), "--dialect", "v1") == [
        {
            "file": str(CASES / "big.tif"), "verdict": "quarantine",
            "reason": "a BigTIFF: CVAT 1.x (Pillow 6.2) cannot identify it", "warnings": [], "format": "TIFF",
            "width": 160, "height": 120,
        }
    ]  # fmt: skip
    (row,) = rows(str(CASES / "noeoi.jpg"), "--dialect", "v2")
    assert (row["verdict"], row["reason"], len(row["warnings"])) == ("accept", None, 1)


def test_the_status_says_whether_all_are_accepted_some_are_quarantined_or_something_is_missing(tmp_path: Path) -> None:
    good = str(CASES / "pyramid.tif")
    assert run(good).exit_code == 0
    assert run(good, str(CASES / "hole.jpg")).exit_code == 1
    missing = run(good, str(tmp_path / "missing.jpg"))
    assert missing.exit_code == 2
    assert "no such file or folder" in missing.stderr


def test_a_folder_is_inspected_with_all_below_it_in_order(tmp_path: Path) -> None:
    (tmp_path / "drop" / "b").mkdir(parents=True)
    shutil.copy(CASES / "hole.jpg", tmp_path / "drop" / "b" / "2.jpg")
    (tmp_path / "drop" / "a.jpg").write_bytes(picture())
    (tmp_path / "drop" / "notes.txt").write_text("hello")
    found = rows("drop")
    assert [(row["file"], row["verdict"]) for row in found] == [
        ("drop/a.jpg", "accept"), ("drop/b/2.jpg", "quarantine"), ("drop/notes.txt", "quarantine"),
    ]  # fmt: skip
    shown = run("drop")
    assert shown.exit_code == 1
    assert "accept      drop/a.jpg  JPEG 64 x 48" in shown.stdout
    assert "a damaged JPEG" in shown.stdout


def test_a_name_with_control_characters_reaches_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "a\x1b[31m\n.jpg").write_bytes(picture())
    shown = run(str(tmp_path)).stdout
    assert "\x1b" not in shown
    assert "a\\x1b[31m\\n.jpg" in shown


def test_objects_below_a_prefix_are_inspected_without_a_ledger(
    store_server: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, s3 = store_server.new_bucket(), store_server.boto("s3")
    s3.put_object(Bucket=bucket, Key="in/1.jpg", Body=picture())
    s3.put_object(Bucket=bucket, Key="in/2.jpg", Body=(CASES / "hole.jpg").read_bytes())
    s3.put_object(Bucket=bucket, Key="other/3.jpg", Body=b"")
    store = store_server.settings
    monkeypatch.setenv("LABELYARD_STORE__ENDPOINT_URL", store.endpoint_url or "")
    monkeypatch.setenv("LABELYARD_STORE__REGION", store.region or "us-east-1")
    monkeypatch.setenv("LABELYARD_STORE__ACCESS_KEY_ID", store.access_key_id or "")
    assert store.secret_access_key is not None
    monkeypatch.setenv("LABELYARD_STORE__SECRET_ACCESS_KEY", store.secret_access_key.get_secret_value())
    found = rows(f"s3://{bucket}/in/", "--dialect", "v1")
    assert [(row["file"], row["verdict"]) for row in found] == [
        (f"s3://{bucket}/in/1.jpg", "accept"), (f"s3://{bucket}/in/2.jpg", "quarantine"),
    ]  # fmt: skip
    assert run(f"s3://{bucket}/none/").exit_code == 2
    assert run("s3://no-such-bucket-here/in/").exit_code == 2


def test_the_family_comes_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    big = str(CASES / "big.tif")
    assert run(big).exit_code == 0
    monkeypatch.setenv("LABELYARD_CVAT__DEFAULT__URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LABELYARD_CVAT__DEFAULT__DIALECT", "v1")
    assert run(big).exit_code == 1
    assert run(big, "--dialect", "v2").exit_code == 0
