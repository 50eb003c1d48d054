"""`labelyard schema` and `labelyard validate`, as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result

from cvat_sandbox import serve
from labelyard.cli import labelyard
from labelyard.config import DatasetSpec
from tests.support.dataset_files import GOOD
from tests.support.paths import ROOT

EXAMPLE = ROOT / "datasets" / "photographs.yaml"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(labelyard, arguments)


def editor() -> jsonschema.Draft202012Validator:
    """What an editor checks a dataset file with."""
    schema = json.loads(call("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_takes_the_example() -> None:
    editor().validate(yaml.safe_load(EXAMPLE.read_text()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: street", "name: Street 1"),
        ("name: street", "nmae: street"),
        ("raw-images", "s3://raw-images"),
        ("incoming/", "/incoming"),
        ("[car, person]", "[car, 5]"),
        ("[car, person]", "[]"),
        ("[ada]", "ada"),
        ("export:", "batch: {quiet: soon}\nexport:"),
        ("export:", "batch: {max_bytes: lots}\nexport:"),
        ("export:", "batch: {max_objects: 0}\nexport:"),
        ("export:", "export:\n  format: YOLO"),
    ],
)
def test_the_schema_refuses_in_the_editor_what_a_single_field_gets_wrong(old: str, new: str) -> None:
    validator = editor()
    assert validator.is_valid(yaml.safe_load(GOOD))
    assert not validator.is_valid(yaml.safe_load(GOOD.replace(old, new)))


def test_every_field_of_the_schema_says_what_it_is_for() -> None:
    schema = editor().schema
    assert isinstance(schema, dict)
    sections = [schema, *(part for part in schema["$defs"].values() if part["type"] == "object")]
    assert len(sections) == 21
    silent = [
        f"{section['title']}.{name}"
        for section in sections
        for name, field in section["properties"].items()
        if not field.get("description")
    ]
    assert silent == []


def test_every_default_of_the_schema_is_one_that_may_be_written() -> None:
    validator = editor()
    schema = validator.schema
    assert isinstance(schema, dict)
    defaults = {
        (section["title"], name): field["default"]
        for section in [schema, *schema["$defs"].values()]
        for name, field in section.get("properties", {}).items()
        if "default" in field
    }
    assert defaults["Batching", "quiet"] == "2m"
    for (section, name), default in defaults.items():
        inner = schema if section == schema["title"] else schema["$defs"][section]
        validator.evolve(schema={**inner["properties"][name], "$defs": schema["$defs"]}).validate(default)


def test_the_schema_lists_the_fields_of_the_model() -> None:
    schema = editor().schema
    assert isinstance(schema, dict)
    assert list(schema["properties"]) == list(DatasetSpec.model_fields)


def test_a_good_file_is_summed_up_in_a_line() -> None:
    result = call("validate", str(EXAMPLE))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{EXAMPLE}: ok: photographs: s3://photographs/incoming/ → ")
    assert "13 labels, " in result.stdout


def test_every_error_of_every_file_is_reported_and_the_status_is_1(tmp_path: Path) -> None:
    good, bad, worse = (tmp_path / f"{name}.yaml" for name in ("good", "bad", "worse"))
    good.write_text(GOOD)
    bad.write_text(GOOD.replace("name: street", "name: Street").replace("[ada]", "[]"))
    worse.write_text("- no dataset")
    result = call("validate", str(bad), str(good), str(worse), str(tmp_path / "none.yaml"))
    assert result.exit_code == 1
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == [
        f"{bad}:1",
        f"{bad}:7",
        f"{worse}:1",
        f"{tmp_path / 'none.yaml'}",
        "labelyard",
    ]
    assert "3 of 4 files have errors" in result.stderr
    assert result.stdout.startswith(f"{good}: ok: street")


def test_two_files_of_one_dataset_are_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text(GOOD)
    other.write_text(GOOD)
    result = call("validate", str(one), str(other))
    assert result.exit_code == 1
    assert f"{other}: {one} has the name 'street' too" in result.stderr


def test_validate_without_a_file_says_how_it_is_called() -> None:
    result = call("validate")
    assert result.exit_code == 2
    assert "FILE…" in result.stderr


def test_apply_reports_the_errors_of_all_files_at_once(tmp_path: Path) -> None:
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for file in files:
        file.write_text(GOOD.replace("name: street", "nmae: street"))
    error = call("apply", *map(str, files)).exception
    assert all(f"{file}:" in str(error) for file in files)


def test_validate_says_what_each_format_drops(tmp_path: Path) -> None:
    file = tmp_path / "street.yaml"
    formats = "[coco, yolo-obb, hf, 'cvat:COCO 1.0', 'cvat:CVAT for images 1.1', 'cvat:CVAT for video 1.1']"
    file.write_text(GOOD.replace("export:\n", f"export:\n  formats: {formats}\n"))
    result = call("validate", str(file))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "  yolo-obb drops polygon, polyline, points, ellipse, cuboid, mask, tag",
        "  yolo-obb drops occluded, track, group, z-order",
        "  hf drops polyline, points, cuboid, tag",
        "  cvat:COCO 1.0 is the server's own file: what it leaves out is not counted",
        "  cvat:CVAT for video 1.1 drops tag",
    ]


NEEDS_2 = """\
name: street
cvat: {organization: acme}
sources: [{bucket: raw}]
task:
  project: Street
  labels:
    - {name: car, color: "#ff0000"}
    - {name: lane, type: polyline}
    - {name: body, points: [head, hand]}
annotators: [ann]
export: {bucket: out, prefix: street}
quality: {ground_truth: {frames: 5%, annotator: lee}, honeypots: 1}
"""


def test_what_cvat_1_lacks_is_refused_with_its_lines_if_that_is_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("street.yaml").write_text(NEEDS_2)
    assert call("validate", "street.yaml").exit_code == 0, "without settings nothing is known of the server"
    for dialect, status in (("v2", 0), ("v1", 1)):
        monkeypatch.setenv("LABELYARD_CVAT__DEFAULT__URL", "http://127.0.0.1:9")
        monkeypatch.setenv("LABELYARD_CVAT__DEFAULT__DIALECT", dialect)
        result = call("validate", "street.yaml")
        assert result.exit_code == status, result.output
    lines = [line.partition(": the CVAT is of version 1")[0] for line in result.stderr.splitlines()]
    assert lines[:7] == [
        "street.yaml:2: cvat", "street.yaml:5: task.project", "street.yaml:7: task.labels[0].color",
        "street.yaml:8: task.labels[1].type", "street.yaml:9: task.labels[2].points",
        "street.yaml:12: quality.ground_truth", "street.yaml:12: quality.honeypots",
    ]  # fmt: skip


def test_a_server_whose_version_is_not_set_is_asked_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("street.yaml").write_text(NEEDS_2)
    with serve([]) as old, serve([], version="2.73") as new:
        for url, status in ((old.url, 1), (new.url, 0), ("http://127.0.0.1:9", 0)):
            monkeypatch.setenv("LABELYARD_CVAT__DEFAULT__URL", url)
            assert call("validate", "street.yaml").exit_code == status, url
    assert "could not be asked" in call("validate", "street.yaml").stderr
