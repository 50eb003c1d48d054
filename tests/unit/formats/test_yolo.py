"""The rules of the YOLO formats: what rows say, which names files have, and which files are no dataset."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labelyard.annotations.content import Content, FrameObject, Image, Keypoint, Kind
from labelyard.annotations.masks import Pixels, mask_points
from labelyard.annotations.selection import Selection, in_order
from labelyard.domain.labels import Label
from labelyard.errors import InputError
from labelyard.formats import FORMATS
from labelyard.formats.coco.reference import polygon_pixels
from labelyard.formats.interface import FormatOptions, Provenance
from labelyard.formats.writing import Target, WrittenDataset, write_dataset
from labelyard.formats.yolo import YOLO_FORMATS
from labelyard.formats.yolo.contours import joined, outer_outlines
from labelyard.formats.yolo.outlines import cut
from labelyard.formats.yolo.paths import image_paths, is_within, label_path

TARGET = Target(Provenance(7, "the annotations API", 2026), FormatOptions(), place=lambda one: f"frame {one.frame}")
IMAGE = Image("a.jpg", 200, 100, 0)
CAR, TREE = Label("car", id=1), Label("trée", id=2)
BODY = Label("body", type="skeleton", sublabels=(Label("head"), Label("hand"), Label("foot")), id=3)
ARM = Label("arm", type="skeleton", sublabels=(Label("left end"), Label("right end")), id=4)
LABELS = (CAR, TREE, BODY, ARM)


def write(name: str, folder: Path, *objects: FrameObject, images: tuple[Image, ...] = (IMAGE,)) -> WrittenDataset:
    selection = Selection(in_order(Content(images, LABELS, objects)), ())
    return write_dataset(FORMATS[name], selection, TARGET, folder, "street")


def rows(folder: Path, name: str = "a.txt") -> list[str]:
    return (folder / "labels/train" / name).read_text(encoding="utf-8").splitlines()


def shape(kind: Kind, *points: float, label: str = "car", rotation: float = 0) -> FrameObject:
    return FrameObject(kind, 0, label, points, rotation)


def skeleton(*points: tuple[float, float, int], label: Label = BODY) -> FrameObject:
    keypoints = tuple(
        Keypoint(one.name, x, y, outside=v == 0, occluded=v == 1)
        for one, (x, y, v) in zip(label.sublabels, points, strict=True)
    )
    return FrameObject(Kind.SKELETON, 0, label.name, keypoints=keypoints)


# --- rows -------------------------------------------------------------------------------------------------------------


def test_a_box_is_its_centre_and_size_as_shares_of_the_image(tmp_path: Path) -> None:
    write("yolo-detect", tmp_path, shape(Kind.RECTANGLE, 20, 10, 60, 60, label="trée"))
    assert rows(tmp_path) == ["1 0.2 0.35 0.2 0.5"]


def test_a_box_is_cut_at_the_edge_of_the_image_and_counted(tmp_path: Path) -> None:
    dataset = write("yolo-detect", tmp_path, shape(Kind.RECTANGLE, -20, 50, 20, 150))
    assert rows(tmp_path) == ["0 0.05 0.75 0.1 0.5"]
    assert "1 objects reach beyond their image, and are cut at its edge" in dataset.warnings


@pytest.mark.parametrize(
    ("name", "one"),
    [
        ("yolo-detect", shape(Kind.RECTANGLE, -20, 10, 0, 60)),
        ("yolo-obb", shape(Kind.RECTANGLE, -20, 10, 0, 60)),
        ("yolo-obb", shape(Kind.RECTANGLE, -31, -2.5, 29, -1.5, rotation=-45)),  # passes the image's corner
        ("yolo-segment", shape(Kind.POLYGON, -20, 10, 0, 10, 0, 60)),
        ("yolo-segment", shape(Kind.ELLIPSE, -5, -5, 1, -11)),
        ("yolo-segment", shape(Kind.MASK, 0, 4, 200, 10, 201, 11)),
        ("yolo-pose", skeleton((-10, -10, 2), (300, 50, 2), (5, 5, 0))),
    ],
)
def test_an_object_of_which_nothing_is_in_the_image_is_left_out(name: str, one: FrameObject, tmp_path: Path) -> None:
    dataset = write(name, tmp_path, one)
    assert rows(tmp_path) == []
    assert dataset.account.left_out[0].reason == "nothing of it is in the image"


def test_a_turned_box_is_left_out_of_boxes_and_is_four_corners_elsewhere(tmp_path: Path) -> None:
    turned = shape(Kind.RECTANGLE, 80, 40, 120, 60, rotation=90)
    dataset = write("yolo-detect", tmp_path / "detect", turned)
    assert dataset.warnings[0].startswith(
        "rectangle 'car' is left out, the format has no turned boxes, yolo-obb and coco hold them: frame 0"
    )
    write("yolo-obb", tmp_path / "obb", turned)
    assert rows(tmp_path / "obb") == ["0 0.55 0.3 0.55 0.7 0.45 0.7 0.45 0.3"]


@pytest.mark.parametrize("name", YOLO_FORMATS)
def test_every_kind_that_a_format_lacks_has_a_reason_that_names_another_format(name: str) -> None:
    absent = [holding.lost for holding in FORMATS[name].holds.values() if not holding.held]
    assert absent
    assert all("coco hold" in reason for reason in absent)


def test_of_a_polygon_the_part_in_the_image_is_kept_with_its_slopes() -> None:
    triangle = (-10.0, 50.0, 10.0, 40.0, 10.0, 60.0)
    assert cut(triangle, IMAGE) == [0.0, 55.0, 0.0, 45.0, 10.0, 40.0, 10.0, 60.0]


def test_a_mask_is_its_outer_outline_without_holes(tmp_path: Path) -> None:
    pixels = np.zeros((100, 200), np.uint8)
    pixels[10:20, 20:40] = 1
    pixels[12:15, 22:30] = 0
    dataset = write("yolo-segment", tmp_path, shape(Kind.MASK, *mask_points(pixels)))
    assert rows(tmp_path) == ["0 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2"]
    assert any("holes are filled" in warning for warning in dataset.warnings)


def test_a_mask_of_more_than_a_hundred_parts_is_left_out(tmp_path: Path) -> None:
    pixels = np.zeros((100, 200), np.uint8)
    pixels[:2:2, ::2] = 1
    assert len(outer_outlines(pixels)) == 100
    assert write("yolo-segment", tmp_path, shape(Kind.MASK, *mask_points(pixels))).annotations == 1
    pixels[2, 0] = 1
    dataset = write("yolo-segment", tmp_path, shape(Kind.MASK, *mask_points(pixels)))
    assert dataset.account.left_out[0].reason == "its mask has more than 100 parts, coco holds it"


def test_a_mask_of_noise_is_left_out_at_once(tmp_path: Path) -> None:
    pixels = np.zeros((700, 600), np.uint8)
    pixels[::2, ::2] = pixels[1::2, 1::2] = 1
    noise, image = shape(Kind.MASK, *mask_points(pixels)), replace(IMAGE, width=600, height=700)
    dataset = write("yolo-segment", tmp_path, noise, images=(image,))
    assert dataset.account.left_out[0].reason == "its mask has more than 200000 run lengths, coco holds it"


def test_labels_with_fewer_points_are_filled_up_with_zeros_and_named(tmp_path: Path) -> None:
    dataset = write(
        "yolo-pose", tmp_path, skeleton((20, 10, 2), (40, 50, 1), (0, 0, 0)),
        skeleton((20, 10, 2), (40, 50, 2), label=ARM),
    )  # fmt: skip
    assert rows(tmp_path) == [
        "3 0.15 0.3 0.1 0.4 0.1 0.1 2 0.2 0.5 2 0 0 0",
        "2 0.15 0.3 0.1 0.4 0.1 0.1 2 0.2 0.5 1 0 0 0",
    ]
    data = yaml.safe_load((tmp_path / "data.yaml").read_text(encoding="utf-8"))
    assert data["kpt_shape"] == [3, 3]
    assert data["flip_idx"] == [0, 1, 2]
    assert data["kpt_names"] == {0: [], 1: [], 2: ["head", "hand", "foot"], 3: ["left end", "right end"]}
    assert "every row has 3 points: zeros fill up the 2 of label 'arm'" in dataset.warnings
    assert any("flip_idx" in warning for warning in dataset.warnings)


def test_a_point_outside_of_the_image_is_not_in_the_picture(tmp_path: Path) -> None:
    write("yolo-pose", tmp_path, skeleton((20, 10, 2), (40, 50, 2), (300, 50, 2)))
    assert rows(tmp_path) == ["2 0.15 0.3 0.1 0.4 0.1 0.1 2 0.2 0.5 2 1 0.5 0"]


def test_a_skeleton_with_one_point_has_no_box(tmp_path: Path) -> None:
    dataset = write("yolo-pose", tmp_path, skeleton((20, 10, 2), (40, 50, 0), (0, 0, 0)))
    assert dataset.account.left_out[0].reason == "the box of its points is empty, coco holds it"


@pytest.mark.parametrize(
    ("name", "objects"),
    [
        ("yolo-detect", [shape(Kind.RECTANGLE, 1, 1, 5, 5)] * 3),
        # Ultralytics compares only the boxes of outlines.
        ("yolo-segment", [shape(Kind.POLYGON, 1, 1, 5, 1, 5, 5), shape(Kind.POLYGON, 1, 1, 5, 5, 1, 5)]),
        ("yolo-obb", [shape(Kind.RECTANGLE, 10, 10, 20, 30, rotation=angle) for angle in (30, -30)]),
        ("yolo-pose", [skeleton((20, 10, 2), (40, 50, 2), (0, 0, 0))] * 2),
    ],
)
def test_rows_that_ultralytics_takes_for_repeated_are_written_and_counted(
    name: str, objects: list[FrameObject], tmp_path: Path
) -> None:
    dataset = write(name, tmp_path, *objects)
    assert len(rows(tmp_path)) == len(objects)
    expected = f"{len(objects) - 1} objects have the class and box of another one in their image"
    assert any(warning.startswith(expected) for warning in dataset.warnings)


def test_the_same_box_in_two_images_is_no_repetition(tmp_path: Path) -> None:
    one = shape(Kind.RECTANGLE, 1, 1, 5, 5)
    images = (IMAGE, replace(IMAGE, name="b.jpg", frame=1))
    dataset = write("yolo-detect", tmp_path, one, replace(one, frame=1), images=images)
    assert dataset.warnings == ()


def test_what_else_an_object_loses_is_counted(tmp_path: Path) -> None:
    one = replace(shape(Kind.RECTANGLE, 1, 1, 5, 5), track=0, attributes={"colour": "red"})
    warnings = write("yolo-detect", tmp_path, one).warnings
    assert warnings == (
        "the format has no attributes: 1 objects lost theirs",
        "1 objects lost their track, group or z-order, which the format does not have",
    )


def test_names_have_every_label_and_a_background_image_has_an_empty_file(tmp_path: Path) -> None:
    dataset = write("yolo-detect", tmp_path)
    data = yaml.safe_load((tmp_path / "data.yaml").read_text(encoding="utf-8"))
    assert data == {"path": "", "train": "train.txt", "names": {0: "car", 1: "trée", 2: "body", 3: "arm"}}
    assert (tmp_path / "train.txt").read_text(encoding="utf-8") == "./images/train/a.jpg\n"
    assert (tmp_path / "labels/train/a.txt").read_bytes() == b""
    assert json.loads((tmp_path / "images.json").read_bytes())["info"]["task_id"] == 7
    assert dataset.files[0].name == "data.yaml"


# --- masks ------------------------------------------------------------------------------------------------------------


def filled(pixels: Pixels) -> Pixels:
    """Fill what the background outside does not reach."""
    padded = np.pad(pixels, 1)
    reached, ahead = np.zeros_like(padded), [(0, 0)]
    while ahead:
        y, x = ahead.pop()
        if 0 <= y < padded.shape[0] and 0 <= x < padded.shape[1] and not padded[y, x] and not reached[y, x]:
            reached[y, x] = 1
            ahead += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
    found: Pixels = 1 - reached[1:-1, 1:-1]
    return found


@given(st.integers(1, 12).flatmap(
    lambda width: st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=12)
).filter(lambda found: any(map(any, found))))  # fmt: skip
def test_the_outline_of_a_mask_covers_the_mask_and_its_holes(drawn: list[list[bool]]) -> None:
    pixels = np.array(drawn, np.uint8)
    height, width = pixels.shape
    covered = polygon_pixels([joined(outer_outlines(pixels))], width, height)
    assert np.array_equal(covered, filled(pixels))


def test_parts_are_joined_where_they_are_close() -> None:
    pixels = np.zeros((10, 10), np.uint8)
    pixels[0:4, 0:4] = pixels[0:4, 6:10] = 1
    assert joined(outer_outlines(pixels)) == [0, 0, 4, 0, 6, 0, 10, 0, 10, 4, 6, 4, 6, 0, 4, 0, 4, 4, 0, 4]


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
