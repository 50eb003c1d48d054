"""The section preannotate: what is refused, and that it is stored as it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelyard.config import DatasetSpec
from labelyard.config.loading import read_spec
from labelyard.errors import SpecError
from labelyard.server_settings import ModelSettings, model_token

FILE = """\
name: street
sources: [{bucket: raw, prefix: in/}]
task: {labels: [car]}
preannotate: {%s}
annotators: [ada]
export: {prefix: out/}
"""


@pytest.mark.parametrize(
    ("section", "error"),
    [
        ("from: yolo", "'yolo' is unknown: write coco, an s3:// address"),
        ("from: ftp://x/y", "is unknown"),
        ("timeout: 1m", "4: preannotate.from: is missing"),
        ("from: coco, model: x", "no such field"),
        ("from: coco, timeout: 2h", "between 1s and 1h"),
        ("from: coco, timeout: 10ms", "between 1s and 1h"),
        ("from: s3://bucket", "write bucket and key"),
        ("from: s3://bucket/predictions", "the key of a .json file, or a folder: s3://bucket/predictions/"),
        ("from: 'https://user:secret@m.example/predict'", "without user and password"),
        ("from: 'https://m.example/predict?key=secret'", "without [?] and #"),
        ("from: 'https:///predict'", "write an address"),
        ("from: 'https://m.example/a b'", "has a blank"),
    ],
)
def test_nonsense_is_refused_with_its_line(tmp_path: Path, section: str, error: str) -> None:
    file = tmp_path / "street.yaml"
    file.write_text(FILE % section)
    with pytest.raises(SpecError, match=error) as caught:
        read_spec(file)
    assert "street.yaml:4" in str(caught.value)


@pytest.mark.parametrize("source", ["coco", "s3://b/street.json", "s3://b/street/", "http://m:8000/predict"])
def test_it_is_stored_as_it_is_written(tmp_path: Path, source: str) -> None:
    file = tmp_path / "street.yaml"
    file.write_text(FILE % f"from: '{source}', timeout: 90s")
    spec = read_spec(file)
    stored = spec.model_dump(mode="json")
    assert stored["preannotate"] == {"from": source, "timeout": "90s"}
    assert DatasetSpec.model_validate(stored) == spec


def test_a_token_is_for_its_own_server_alone() -> None:
    models = {"a": ModelSettings.model_validate({"url": "https://m.example", "token": "secret"})}
    assert model_token(models, "https://m.example/predict") is not None
    for other in (
        "https://m.example.evil/x",
        "http://m.example/x",
        "https://m.example:8443/x",
        "https://evil/m.example/",
    ):
        assert model_token(models, other) is None
