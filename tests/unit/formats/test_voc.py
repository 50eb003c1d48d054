"""Pascal VOC: boxes, names from outside, and files that are broken or hostile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.annotations.content import FrameObject, Image, Kind
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.errors import InputError
from tests.support.content_strategies import IMAGES
from tests.support.dataset_writing import read, replace_in, write

BOX = FrameObject(Kind.RECTANGLE, 0, "car", (2.5, 3.0, 12.0, 9.25), attributes={"colour": "red"}, occluded=True)
FIRST = "Annotations/in/a.xml"


def element(folder: Path, path: str, file: str = FIRST) -> list[str | None]:
    return [found.text for found in ET.parse(folder / file).getroot().iterfind(path)]


def test_coordinates_are_floats_that_count_from_0(tmp_path: Path) -> None:
    write("voc", [BOX], tmp_path)
    assert [element(tmp_path, f"object/bndbox/{one}") for one in ("xmin", "ymin", "xmax", "ymax")] == [
        ["2.5"], ["3.0"], ["12.0"], ["9.25"],
    ]  # fmt: skip
    flags = [element(tmp_path, f"object/{name}") for name in ("truncated", "occluded", "difficult")]
    assert flags == [["0"], ["1"], ["0"]]
    assert (tmp_path / "ImageSets/Main/train.txt").read_text("utf-8") == "in/a\nin/b/a\nin/ü d\n"


def test_a_rectangle_is_cut_off_at_the_edge_of_the_image(tmp_path: Path) -> None:
    write("voc", [replace(BOX, points=(-4.0, -1.0, 70.0, 50.0))], tmp_path)
    [found] = read("voc", tmp_path).objects
    assert found.points == (0.0, 0.0, 64.0, 48.0)
    assert element(tmp_path, "object/truncated") == ["1"]


def test_a_rectangle_that_only_touches_the_image_is_refused(tmp_path: Path) -> None:
    [omission] = write("voc", [replace(BOX, points=(-4.0, 1.0, 0.0, 5.0))], tmp_path).account.left_out
    assert omission.reason == "no part of it is inside of the image (coco holds it)"


def test_a_turned_rectangle_has_its_box_before_the_turn_and_an_angle(tmp_path: Path) -> None:
    turned = replace(BOX, points=(0.0, 0.0, 20.0, 4.0), rotation=90.0)
    dataset = write("voc", [turned], tmp_path)
    assert read("voc", tmp_path).objects == (turned,)
    assert element(tmp_path, "object/truncated") == ["1"]  # its corners are above the image
    assert any("turned rectangle" in warning for warning in dataset.warnings)


def test_what_it_refuses_has_a_reason_and_a_format_that_holds_it(tmp_path: Path) -> None:
    polygon = FrameObject(Kind.POLYGON, 0, "car", (1.0, 1.0, 4.0, 1.0, 4.0, 5.0))
    [omission] = write("voc", [polygon], tmp_path).account.left_out
    assert str(omission) == "polygon 'car' is left out, voc has only rectangles (coco and hf hold it): frame 0"


def test_images_of_one_stem_do_not_overwrite_each_other(tmp_path: Path) -> None:
    images = [
        Image("a.jpg", 9, 9, 0),
        Image("a.png", 9, 9, 1),
        Image("../a.jpg", 9, 9, 2),
        Image("a.xml/b.jpg", 9, 9, 3),
    ]
    boxes = [replace(BOX, frame=frame, points=(0.0, 0.0, 1.0 + frame, 2.0)) for frame in range(4)]
    dataset = write("voc", boxes, tmp_path / "dataset", images)
    found = read("voc", tmp_path / "dataset")
    assert sorted(image.name for image in found.images) == sorted(image.name for image in images)
    assert {one.frame: one.points[2] for one in found.objects} == {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}
    assert len(set(dataset.files)) == len(dataset.files)
    assert all(file.is_relative_to(tmp_path / "dataset") and ".." not in file.parts for file in dataset.files)


HOSTILE = st.text(st.characters() | st.sampled_from("<>&\"'\r\n\t\0\x1b\ufffe]:#\ud800"), min_size=1, max_size=6)


@given(name=HOSTILE, label=HOSTILE, attribute=HOSTILE, value=HOSTILE)
def test_any_text_comes_back(
    name: str, label: str, attribute: str, value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("voc")
    spec = AttributeSpec(attribute, InputType.TEXT, "", ("",))
    one = FrameObject(Kind.RECTANGLE, 0, label, (1.0, 1.0, 4.0, 4.0), attributes={attribute: value})
    write("voc", [one], folder, [Image(name, 9, 9, 0)], [Label(label, (spec,), id=1)])
    found = read("voc", folder)
    assert found.objects == (one,)
    assert found.images == (Image(name, 9, 9, 0),)


def test_a_label_that_the_label_map_cannot_have_is_a_warning(tmp_path: Path) -> None:
    dataset = write("voc", [], tmp_path, labels=[Label("a:b", id=1), Label("car", id=2)])
    assert (tmp_path / "labelmap.txt").read_text() == "# label:color_rgb:parts:actions\ncar:::\n"
    assert "labelmap.txt cannot have the label 'a:b'" in dataset.warnings[0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<annotation>", "<annotation", "in/a.xml: not valid XML"),
        ("<annotation>", '<?xml version="1.0" encoding="x"?><annotation>', "in/a.xml: not valid XML"),
        ("<xmin>2.5", "<xmin>nan", "in/a.xml: object 1: nan is not a number below a million"),
        ("<xmin>2.5", "<xmin>", "in/a.xml: object 1: could not convert"),
        ("<xmin>2.5</xmin>", "", "in/a.xml: object 1: <bndbox/xmin> is missing"),
        ("<name>car", "<name>bus", "in/a.xml: object 1: the label 'bus' is not in labels.json"),
        ("<occluded>1", "<occluded>2", "in/a.xml: object 1: '2' is neither 0 nor 1"),
        ("<width>64", "<width>6e4", "in/a.xml: the image: invalid literal"),
        ("<width>64", "<width>-64", "in/a.xml: the image: its size is -64 x 48"),
        (
            "<filename>in/a.jpg",
            '<filename encoding="json">[]',
            "in/a.xml: the image: the JSON of <filename> is no text",
        ),
        ("<cvat_frame>0", "<cvat_frame>1", "in/b/a.xml: the image: another file has frame 1 too"),
    ],
)
def test_a_broken_file_is_an_input_error_with_file_and_element(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    write("voc", [BOX], tmp_path)
    replace_in(tmp_path / FIRST, old, new)
    with pytest.raises(InputError) as caught:
        read("voc", tmp_path)
    assert message in str(caught.value)


def test_entities_that_grow_without_end_are_an_input_error(tmp_path: Path) -> None:
    write("voc", [BOX], tmp_path)
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 1000}">' for n in range(9))
    replace_in(tmp_path / FIRST, "<annotation>", f"<!DOCTYPE annotation [{entities}]><annotation><x>&e8;</x>")
    with pytest.raises(InputError, match="not valid XML"):
        read("voc", tmp_path)


@pytest.mark.parametrize("line", ["../../secret", "/etc/passwd", "a\\..\\b", "a//b", "."])
def test_no_line_of_the_list_leads_out_of_the_folder(line: str, tmp_path: Path) -> None:
    write("voc", [BOX], tmp_path)
    (tmp_path / "ImageSets/Main/train.txt").write_text(f"in/a\n{line}\n")
    with pytest.raises(InputError, match="is not the path of an image") as caught:
        read("voc", tmp_path)
    assert "train.txt, line 2" in str(caught.value)


@pytest.mark.parametrize("missing", [FIRST, "ImageSets/Main/train.txt", "labels.json"])
def test_a_missing_file_is_an_input_error(missing: str, tmp_path: Path) -> None:
    write("voc", [BOX], tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read("voc", tmp_path)


def test_images_come_back_with_their_origin(tmp_path: Path) -> None:
    write("voc", [], tmp_path)
    assert read("voc", tmp_path).images == IMAGES
