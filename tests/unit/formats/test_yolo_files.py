"""The files of the YOLO formats: which names they have, and which files are no dataset."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labelyard.annotations.content import Image, Kind
from labelyard.errors import InputError
from labelyard.formats import FORMATS
from labelyard.formats.yolo import YOLO_FORMATS
from labelyard.formats.yolo.paths import image_paths, is_within, label_path
from tests.support.yolo_samples import LABELS, shape, skeleton, write

# --- names ------------------------------------------------------------------------------------------------------------


def as_ultralytics(line: str) -> str:
    """The label file of a line of train.txt, as ultralytics finds it when the dataset is in /data."""
    path = line.replace("./", "/data/") if line.startswith("./") else line
    return "/labels/".join(path.rsplit("/images/", 1)).rsplit(".", 1)[0] + ".txt"


AWKWARD = [
    "a.jpg", "a.png", "A.jpg", "../a.jpg", "/etc/a.jpg", "in/../../a.jpg", "x/images/a.jpg", "images/a.jpg",
    "b./a.jpg", " c /a.jpg ", "d\n.jpg", "e\u2028f.jpg", "g.v2/h", "g", ".jpg", "a.txt/b.jpg", "A.TXT/c.jpg",
    "a.jpg/d.jpg", "C:/a.jpg", "..\\a.jpg", "", "ä.jpg", "a\u0308.jpg", "a~2.jpg", "straße.jpg", "STRASSE.jpg",
    "l" * 300 + ".jpg", "a.jpg",
]  # fmt: skip

file_names = st.one_of(
    st.sampled_from(AWKWARD),
    st.lists(
        st.sampled_from(["a", "A", ".", "..", "images", "a.txt", "a~2", " ", "ü.png"]), min_size=1, max_size=4
    ).map("/".join),
    st.text(st.characters(codec="utf-8"), max_size=12),
)


@given(st.lists(file_names, max_size=12))
def test_every_image_has_a_label_file_of_its_own_that_readers_find(names: list[str]) -> None:
    paths = image_paths(names)
    labels = [label_path(path) for path in paths]
    assert all(is_within(path) for path in paths)
    assert max(Counter(label.casefold() for label in labels).values(), default=1) == 1
    parents = {str(parent).casefold() for path in [*labels, *paths] for parent in PurePosixPath(path).parents}
    assert not parents & {path.casefold() for path in [*labels, *paths]}
    lines = "".join(f"./images/train/{path}\n" for path in paths).strip().splitlines()
    assert [as_ultralytics(line) for line in lines] == [f"/data/labels/train/{label}" for label in labels]


def test_plain_names_stay_and_others_change_as_little_as_possible() -> None:
    plain = ["in/ü d.png", "in/a.b.jpg", "in/imagesets/a.jpg"]
    assert image_paths(plain) == plain
    assert image_paths(["a.jpg", "a.png", "A.jpg", "../b.jpg", "images/c.jpg", "d"]) == [
        "a.jpg", "a~2.png", "A~3.jpg", "_/b.jpg", "images_/c.jpg", "d.jpg",
    ]  # fmt: skip


def test_awkward_names_come_back(tmp_path: Path) -> None:
    images = tuple(Image(name, 200, 100, frame) for frame, name in enumerate(AWKWARD))
    objects = [replace(shape(Kind.RECTANGLE, 1, 1, 5 + frame, 5), frame=frame) for frame in range(len(images))]
    dataset = write("yolo-detect", tmp_path / "dataset", *objects, images=images)
    found = FORMATS["yolo-detect"].read(tmp_path / "dataset", "street")
    assert sorted((one.name, one.frame) for one in found.images) == sorted((one.name, one.frame) for one in images)
    assert {one.frame: round(one.points[2], 3) for one in found.objects} == {i: 5 + i for i in range(len(images))}
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]
    assert any("see images.json" in warning for warning in dataset.warnings)


# --- files of others --------------------------------------------------------------------------------------------------

SAMPLES = {
    "yolo-detect": shape(Kind.RECTANGLE, 20, 10, 60, 60),
    "yolo-segment": shape(Kind.POLYGON, 20, 10, 60, 10, 60, 60),
    "yolo-obb": shape(Kind.RECTANGLE, 20, 10, 60, 60),
    "yolo-pose": skeleton((20, 10, 2), (40, 50, 2), (0, 0, 0)),
}


@pytest.mark.parametrize("name", YOLO_FORMATS)
@pytest.mark.parametrize(
    "row",
    [
        "0", "0 0.1 0.1 0.1", "0 0.1 0.1 0.2 0.2 0.3", "0 nan 0.1 0.1 0.1", "0 0.1 inf 0.1 0.1", "0 1e999 0.1 0.1 0.1",
        "4 0.5 0.5 0.1 0.1", "-1 0.5 0.5 0.1 0.1", "1.0 0.5 0.5 0.1 0.1", "car 0.5 0.5 0.1 0.1", "0 0.5 0.5 0 0.1",
        "0 0.5 0.5 0.1 1_0", "0 0.5 0.5 0.1 2", "0 0.5 0.5 -0.5 0.1", "٣ 0.5 0.5 0.1 0.1", f"{9**99} 0.5 0.5 0.1 0.1",
    ],
)  # fmt: skip
def test_a_bad_row_is_an_error_with_its_file_and_line(name: str, row: str, tmp_path: Path) -> None:
    write(name, tmp_path, SAMPLES[name])
    labels = tmp_path / "labels/train/a.txt"
    labels.write_text(labels.read_text(encoding="utf-8") + "\n" + row + "\n", encoding="utf-8")
    with pytest.raises(InputError) as found:
        FORMATS[name].read(tmp_path, "street")
    assert found.value.where == f"{labels}:3"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "labels/train/a.txt").unlink(), "missing"),
        (lambda folder: (folder / "labels/train/a.txt").write_bytes(b"0 \xff"), "not UTF-8"),
        (lambda folder: (folder / "data.yaml").unlink(), "missing"),
        (lambda folder: (folder / "data.yaml").write_text("names: [car]"), "not a mapping"),
        (lambda folder: (folder / "data.yaml").write_text("names: {0: car, 1: car}"), "not all different"),
        (lambda folder: (folder / "data.yaml").write_text("[" * 5000), "not a file"),
        (lambda folder: (folder / "data.yaml").write_text("!!python/object:os.system {}"), "not a file"),
        (lambda folder: (folder / "data.yaml").write_text("names: {0: car, <<: {1: tree}}"), "not a file"),
        (lambda folder: (folder / "data.yaml").write_text(f"names: {{0: {'c' * (5 << 20)}}}"), "at most"),
        (lambda folder: (folder / "images.json").write_text("[" * 100_000), "not a file"),
        (lambda folder: (folder / "images.json").write_text("[]"), "not a file"),
        (lambda folder: (folder / "images.json").write_text('{"images": [7]}'), "not a file"),
    ],
)
def test_a_broken_file_is_an_error(change: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    write("yolo-detect", tmp_path, SAMPLES["yolo-detect"])
    change(tmp_path)
    with pytest.raises(InputError, match=message):
        FORMATS["yolo-detect"].read(tmp_path, "street")


@pytest.mark.parametrize(
    "changed",
    [
        {"path": "../../secret.jpg"}, {"path": "/etc/passwd.jpg"}, {"path": "a//b.jpg"}, {"path": "..\\a.jpg"},
        {"path": "C:/a.jpg"}, {"path": ""}, {"path": 7}, {"path": "a\0.jpg"}, {"width": 0}, {"height": "100"},
        {"width": 10**9}, {"cvat_frame": -1}, {"cvat_frame": True}, {"cvat_name": 7}, {"key": "a.jpg"},
        {"bucket": 1, "key": "a.jpg", "etag": "e"}, {"name": None}, {"path": "linked.jpg"},
    ],
)  # fmt: skip
def test_an_image_that_labelyard_did_not_write_is_an_error(changed: dict[str, object], tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    write("yolo-detect", folder, SAMPLES["yolo-detect"])
    (tmp_path / "secret.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (folder / "labels/train/linked.txt").symlink_to(tmp_path / "secret.txt")
    document = json.loads((folder / "images.json").read_bytes())
    document["images"][0] |= changed
    (folder / "images.json").write_text(json.dumps(document))
    with pytest.raises(InputError):
        FORMATS["yolo-detect"].read(folder, "street")


@pytest.mark.parametrize(
    "changed",
    [{"kpt_names": {}}, {"kpt_names": 7}, {"kpt_names": {0: [], 1: [], 2: "abc", 3: []}}, {"kpt_shape": [17, 3]}],
)
def test_names_of_points_that_labelyard_did_not_write_are_an_error(changed: dict[str, object], tmp_path: Path) -> None:
    write("yolo-pose", tmp_path, SAMPLES["yolo-pose"])
    data = yaml.safe_load((tmp_path / "data.yaml").read_text(encoding="utf-8")) | changed
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(InputError):
        FORMATS["yolo-pose"].read(tmp_path, "street")


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("a.jpg")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["names", "kpt_names", "kpt_shape", "images", "name", "path", "0"]), inner),
        st.dictionaries(st.integers(0, 2), inner, max_size=3),
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("name", YOLO_FORMATS)
@pytest.mark.parametrize("file", ["data.yaml", "images.json"])
@given(value=values, part=st.sampled_from(["names", "kpt_names", "kpt_shape", "images", None]))
def test_no_values_break_the_reader(name: str, file: str, value: object, part: str | None) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write(name, folder, SAMPLES[name])
        if file == "data.yaml":
            data = yaml.safe_load((folder / file).read_text(encoding="utf-8"))
            text = yaml.safe_dump(value if part is None else data | {part: value})
        else:
            document = json.loads((folder / file).read_bytes())
            text = json.dumps(value if part is None else document | {part: value})
        (folder / file).write_text(text, encoding="utf-8")
        with suppress(InputError):
            FORMATS[name].read(folder, "street")


@pytest.mark.parametrize("name", YOLO_FORMATS)
@given(data=st.one_of(st.binary(max_size=40), st.text("0123456789.-en \n", max_size=60).map(str.encode)))
def test_no_bytes_of_a_label_file_break_the_reader(name: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write(name, folder, SAMPLES[name])
        (folder / "labels/train/a.txt").write_bytes(data)
        with suppress(InputError):
            FORMATS[name].read(folder, "street")


def test_labels_with_their_points_come_back(tmp_path: Path) -> None:
    write("yolo-pose", tmp_path)
    assert FORMATS["yolo-pose"].read(tmp_path, "street").labels == LABELS
