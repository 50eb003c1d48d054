"""Long work shows how far it is on a terminal, and nothing where nobody looks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from labelyard.cli import labelyard
from labelyard.cli.progress import progress_of_steps

COCO = {
    "images": [{"id": 1, "file_name": "1.jpg", "width": 64, "height": 48}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}],
    "categories": [{"id": 1, "name": "car"}],
}


@pytest.fixture(autouse=True)
def coco_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("street.json").write_text(json.dumps(COCO))


def errors_of(*words: str) -> str:
    ran = CliRunner().invoke(labelyard, list(words))
    assert ran.exit_code == 0, ran.output
    return ran.stderr


@pytest.mark.parametrize("terminal", [True, False])
def test_each_step_is_shown_on_a_terminal_alone(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1") if terminal else monkeypatch.delenv("FORCE_COLOR", raising=False)
    shown = errors_of("merge", "street.json", "--to", "release", "--json")
    shown += errors_of("verify", "release") + errors_of("check", "street.json", "--json")
    assert ("writing splits" in shown) is terminal
    assert ("content of splits" in shown) is terminal
    assert ("checking street.json" in shown) is terminal
    assert terminal or shown == ""


def test_a_bar_is_gone_when_the_work_is_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress_of_steps() as show:
        show("images", 3, 7)
    *_, last = capsys.readouterr().err.splitlines()
    assert "images" not in last
