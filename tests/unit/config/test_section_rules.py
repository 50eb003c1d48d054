"""Rules between the fields of a dataset file: attributes, sources, destinations, YAML itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelyard.config.loading import parse_spec, read_spec
from labelyard.errors import SpecError
from tests.support.dataset_files import GOOD, error_lines, read, with_task


@pytest.mark.parametrize(
    ("attribute", "problem"),
    [
        ("{name: a}", "values: a select needs values to choose from"),
        ("{name: a, values: [x, y, x]}", "values[2]: 'x' occurs twice"),
        ("{name: a, values: [x], default: y}", "default: 'y' is none of the values: write one of x"),
        ("{name: a, input_type: chekbox}", "input_type: 'chekbox' is unknown: write checkbox"),
        ("{name: a, input_type: checkbox, values: [yes please]}", "values: a checkbox has only true and false"),
        ("{name: a, input_type: checkbox, default: maybe}", "default: a checkbox has only true and false"),
        ("{name: a, input_type: number}", "values: a number needs [minimum, maximum, step]"),
        ("{name: a, input_type: number, values: [9, 1, 1]}", "values: write [minimum, maximum, step] with minimum <"),
        (
            "{name: a, input_type: number, values: [0, '1e999', 1]}",
            "values: write [minimum, maximum, step] with minimum <",
        ),
        ("{name: a, input_type: number, values: [0, 9, 1], default: 10}", "default: write a number from 0 to 9"),
        (
            "{name: a, input_type: number, values: [0, 9, 1], default: x}",
            "values: a number needs [minimum, maximum, step]",
        ),
        ("{name: a, input_type: text, default: 'a\n\n  b'}", "default: write one line of at most 128 characters"),
        ("{name: a, values: [' ']}", "values[0]: write text on one line"),
        (f"{{name: a, values: [{'x' * 129}]}}", "values[0]: is the default too, and CVAT keeps 128 characters"),
        (f"{{name: a, values: [b, {'x' * 4096}]}}", "values: have more than 4096 characters together"),
        ("{name: score, input_type: text}", "input_type: CVAT's COCO export reads score as a number"),
        ("{name: is_crowd, values: [a]}", "input_type: CVAT's COCO export reads is_crowd as a checkbox"),
        ("{name: a, input_type: checkbox, mutable: 1}", "mutable: is a number: write true or false"),
    ],
)
def test_an_attribute_that_cvat_would_take_badly_is_refused(attribute: str, problem: str) -> None:
    found = error_lines(with_task(f"labels:\n  - name: car\n    attributes:\n      - {attribute}\n"))
    assert any(line.startswith(f"street.yaml:9: task.labels[0].attributes[0].{problem}") for line in found), found


def test_points_make_a_label_a_skeleton() -> None:
    spec = read(
        with_task("labels:\n  - {name: body, points: [head, hand, foot], lines: [[head, hand], [hand, foot]]}\n")
    )
    (label,) = spec.task.cvat_labels()
    assert (label.type, [point.name for point in label.sublabels]) == ("skeleton", ["head", "hand", "foot"])
    assert label.edges == ((0, 1), (1, 2))


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        ("points: [head, head]", "points[1]: 'head' occurs twice: remove one or rename it"),
        ("points: [head, hand], lines: [[head]]", "lines[0]: write the names of two points, such as [head, hand]"),
        ("points: [head, hand], lines: [[head, head]]", "lines[0]: write the names of two points"),
        ("points: [head, hand], lines: [[head, foot]]", "lines[0][1]: 'foot' is none of the points: write one of head"),
        ("lines: [[head, foot]]", "lines[0][0]: 'head' is none of the points: name them in `points`"),
    ],
)
def test_a_skeleton_that_cannot_be_drawn_is_refused(label: str, problem: str) -> None:
    found = error_lines(with_task(f"labels:\n  - name: body\n    {label.replace(', lines', chr(10) + '    lines')}\n"))
    assert any(f"task.labels[0].{problem}" in line for line in found), found


def test_attributes_of_one_name_are_refused() -> None:
    attribute = "      - {name: a, input_type: text}\n"
    assert error_lines(with_task(f"labels:\n  - name: car\n    attributes:\n{attribute}{attribute}")) == [
        "street.yaml:10: task.labels[0].attributes[1].name: 'a' occurs twice: remove one or rename it"
    ]


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("incoming/", "incoming/night/", True),
        ("incoming", "incoming-old/", True),
        ("", "incoming/", True),
        ("incoming/", "incoming-old/", False),
        ("a/", "b/", False),
    ],
)
def test_sources_of_which_one_prefix_begins_the_other_are_refused(one: str, other: str, *, overlap: bool) -> None:
    text = GOOD.replace("    prefix: incoming/", f'    prefix: "{one}"\n  - bucket: raw-images\n    prefix: "{other}"')
    text = text.replace("export:", "export:\n  bucket: elsewhere")
    if overlap:
        [line] = error_lines(text)
        assert line.startswith(
            f"street.yaml:5: sources[1]: s3://raw-images/{other} overlaps s3://raw-images/{one}, objects"
        )
    else:
        assert len(read(text).sources) == 2


def test_equal_prefixes_of_two_buckets_do_not_overlap() -> None:
    text = GOOD.replace(
        "    prefix: incoming/", "    prefix: incoming/\n  - bucket: other-images\n    prefix: incoming/"
    )
    assert len(read(text).sources) == 2


@pytest.mark.parametrize(
    ("prefix", "rejected"), [("incoming/", True), ("incoming/done", True), ("incoming-done", False)]
)
def test_a_destination_inside_a_source_is_refused(prefix: str, *, rejected: bool) -> None:
    text = GOOD.replace("datasets/street/", prefix)
    if rejected:
        [line] = error_lines(text)
        assert "exports would be registered as images" in line
    else:
        assert read(text).export.prefix == f"{prefix}/"


def test_a_destination_around_a_source_is_refused_unless_it_is_in_another_bucket() -> None:
    text = GOOD.replace("prefix: incoming/", "prefix: datasets/street/incoming/")
    assert "exports would be registered as images" in error_lines(text)[0]
    assert read(text.replace("export:", "export:\n  bucket: elsewhere")).export_bucket == "elsewhere"


def test_all_errors_are_reported_at_once_in_the_order_of_the_file() -> None:
    text = "name: Street\nsources:\n  - bucket: a\ntask:\n  labels: [car, no]\n  segment: 5\nannotators: []\n"
    found = error_lines(text)
    assert [line.split(":")[1] for line in found] == ["1", "1", "3", "5", "6", "7"]
    assert [line.split(":")[2].strip() for line in found] == [
        "export",
        "name",
        "sources[0].bucket",
        "task.labels[1]",
        "task.segment",
        "annotators",
    ]


def test_duplicates_and_overlaps_are_reported_together_with_other_errors() -> None:
    text = (
        "name: Street\nsources:\n  - {bucket: raw-images, prefix: in/}\n  - {bucket: raw-images, prefix: in/cam/}\n"
        "task:\n  labels: [car, car]\n  segment_size: -1\nannotators: [ann, ann]\nexport: {prefix: in/out/}\n"
    )
    assert [line.split(": ")[1] for line in error_lines(text)] == [
        "name",
        "sources[1]",
        "task.labels[1]",
        "task.segment_size",
        "annotators[1]",
    ]
    apart = text.replace("in/cam/", "night/")
    assert "export.prefix: 'in/out/' overlaps the source s3://raw-images/in/" in error_lines(apart)[-1]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "1: an empty file: write a mapping"),
        (b"# nothing but a comment\n", "1: an empty file"),
        (b"---\n...\n", "1: an empty file"),
        (b"- name: street\n", "1: a list at the top"),
        (b"street\n", "1: a bare value at the top"),
        (b"name: street\ndescription: caf\xe9\n", "2: not UTF-8"),
        ("name: street\n".encode("utf-16"), "1: not UTF-8"),
        (b"name: street\n\tcvat: default\n", "2: not valid YAML"),
        (
            b"name: street: a\n",
            "1: not valid YAML: mapping values are not allowed here: a text with ': ' in it needs quotes",
        ),
        (b"name: [street\n", "2: not valid YAML"),
        (
            b"name: street\n---\nname: road\n",
            "2: not valid YAML: expected a single document in the stream, but found another docu",
        ),
        (b"name: *street\n", "1: not valid YAML: found undefined alias 'street'"),
        (b"name: street\ndescription: a\x00b\n", "2: not valid YAML: remove the control character U+0000"),
        (b"name: " + b"[" * 100, "1: not valid YAML: nested deeper than 32"),
        (b"name: &a [*a]\n", "1: too large: more than 50000 values, or an alias that holds itself"),
        (b"x" * (1024 * 1024 + 1), "1: more than 1048576 bytes: this is not a dataset file"),
    ],
)
def test_a_file_that_is_no_dataset_file_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(body, "street.yaml")
    assert caught.value.what.startswith(f"street.yaml:{problem}")


def test_a_few_aliases_cannot_stand_for_billions_of_values() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(12))
    [line] = error_lines(bomb)
    assert "too large" in line


def test_a_byte_order_mark_is_no_part_of_the_first_field() -> None:
    assert parse_spec(b"\xef\xbb\xbf" + GOOD.encode(), "street.yaml") == read(GOOD)


def test_windows_line_ends_change_nothing() -> None:
    assert read(GOOD.replace("\n", "\r\n")) == read(GOOD)


def test_label_names_are_kept_in_one_spelling_of_unicode() -> None:
    assert read(GOOD.replace("car", "cafe\u0301")).task.labels[0].name == "caf\u00e9"


def test_a_file_that_is_not_there_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file") as caught:
        read_spec(tmp_path / "none.yaml")
    assert "labelyard init" in caught.value.next_step
    with pytest.raises(SpecError, match="cannot be read"):
        read_spec(tmp_path)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("{honeypots: 5%}", "quality.honeypots: are copies of frames with ground truth: write ground_truth, too"),
        ("{replicas: 2}", "quality.replicas: need as many annotators, not 1"),
        ("{replicas: 1}", "quality.replicas: "),
        (
            "{ground_truth: {frames: 5, annotator: lee}, honeypots: 1, replicas: 2}",
            "quality.replicas: are not",
        ),
        ("{ground_truth: {frames: 0%, annotator: lee}}", "quality.ground_truth.frames: write a number of frames"),
        ("{ground_truth: {frames: 101%, annotator: lee}}", "quality.ground_truth.frames: write a number of frames"),
        ("{ground_truth: {frames: true, annotator: lee}}", "quality.ground_truth.frames: write a number of frames"),
    ],
)
def test_quality_control_that_cvat_cannot_do_is_refused(section: str, problem: str) -> None:
    found = error_lines(f"{GOOD}quality: {section}\n")
    assert any(problem in line for line in found), found


@pytest.mark.parametrize("section", ["review: {reviewers: [bob]}", "preannotate: {from: coco}"])
def test_replicas_fit_neither_reviews_nor_predictions(section: str) -> None:
    text = GOOD.replace("annotators: [ada]", "annotators: [ada, ben]")
    found = error_lines(f"{text}{section}\nquality: {{replicas: 2}}\n")
    assert any("quality.replicas: " in line and "remove" in line for line in found), found


def test_honeypots_need_jobs_that_share_no_frames() -> None:
    text = with_task("labels: [car]\nsegment_size: 10\noverlap: 2\n")
    found = error_lines(f"{text}quality: {{ground_truth: {{frames: 5, annotator: lee}}, honeypots: 1}}\n")
    assert any("quality.honeypots: need jobs that share no frames" in line for line in found), found


def test_more_than_5000_files_in_a_task_are_read_by_cvat_itself() -> None:
    many = GOOD.replace("task:", "batch: {max_objects: 10000}\ntask:")
    assert any("task.upload: sends at most 5000 files a task: write cloud" in line for line in error_lines(many))
    assert read(many.replace("task:\n", "task:\n  upload: cloud\n")).batch.max_objects == 10_000
