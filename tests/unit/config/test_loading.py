"""A dataset file either becomes a DatasetSpec, or every wrong place of it is named with what to write instead."""

from __future__ import annotations

import textwrap
from datetime import timedelta
from pathlib import Path

import pytest

from labelyard.config import DatasetSpec, parse_spec, read_spec
from labelyard.domain.labels import InputType
from labelyard.errors import SpecError
from tests.support.dataset_files import GOOD


def read(text: str) -> DatasetSpec:
    return parse_spec(text.encode(), "street.yaml")


def complaints(text: str) -> list[str]:
    """The lines of the error that a file ends in."""
    with pytest.raises(SpecError) as caught:
        read(text)
    assert caught.value.next_step == "correct it, then: labelyard validate street.yaml"
    return caught.value.what.splitlines()


def with_task(lines: str) -> str:
    """A good file with other contents of `task`, which begin in its sixth line."""
    return GOOD.replace("  labels: [car, person]\n", textwrap.indent(textwrap.dedent(lines).lstrip("\n"), "  "))


def test_the_smallest_file_gets_every_default() -> None:
    spec = read(GOOD)
    assert (spec.name, spec.cvat, spec.export_bucket) == ("street", "default", "raw-images")
    assert spec.batch.quiet == timedelta(minutes=2)
    assert spec.batch.max_bytes == 2 * 1024**3
    assert [label.name for label in spec.task.labels] == ["car", "person"]
    assert spec.task.segment_size == 0


def test_a_full_file_is_read_with_all_five_kinds_of_attributes() -> None:
    spec = read(
        with_task(
            """
            labels:
              - name: car
                color: "#ff0000"
                attributes:
                  - {name: side, values: [left, right]}
                  - {name: size, input_type: radio, values: [small, large], default: large}
                  - {name: parked, input_type: checkbox, default: true, mutable: true}
                  - {name: plate, input_type: text, default: unknown}
                  - {name: doors, input_type: number, values: [2, 5, 1], default: 4}
            segment_size: 50
            overlap: 5
            """
        )
    )
    attributes = {a.name: a for a in spec.task.cvat_labels()[0].attributes}
    assert attributes["side"].default == "left"
    assert attributes["size"].values == ("small", "large")
    assert (attributes["parked"].default, attributes["parked"].mutable) == ("true", True)
    assert attributes["plate"].input_type is InputType.TEXT
    assert (attributes["doors"].values, attributes["doors"].default) == (("2", "5", "1"), "4")


def test_an_alias_stands_for_what_it_names() -> None:
    spec = read(
        with_task(
            """
            labels:
              - name: car
                attributes: &asked
                  - {name: occluded, input_type: checkbox}
              - name: person
                attributes: *asked
            """
        )
    )
    assert spec.task.labels[1].attributes == spec.task.labels[0].attributes


@pytest.mark.parametrize(
    ("written", "length"),
    [
        ("90s", 90),
        ("15m", 900),
        ("15min", 900),
        ("2h", 7200),
        ("1d", 86400),
        ("1.5h", 5400),
        ("250ms", 0.25),
        ("45", 45),
    ],
)
def test_lengths_of_time_are_written_as_people_do(written: str, length: float) -> None:
    assert read(f"{GOOD}batch: {{quiet: {written}}}\n").batch.quiet == timedelta(seconds=length)


@pytest.mark.parametrize(
    ("written", "size"), [("500MB", 500 * 10**6), ("2GiB", 2 * 1024**3), ("1.5 kb", 1500), ("4096", 4096)]
)
def test_sizes_are_written_as_people_do(written: str, size: int) -> None:
    assert read(f"{GOOD}batch: {{max_bytes: {written}}}\n").batch.max_bytes == size


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("name: street", "nmae: street", "1: nmae: no such field: write name"),
        ("name: street", "name: street\nquux: 1", "2: quux: no such field: known fields are name, description, cvat"),
        ("name: street", "name: Street 1", "1: name: write up to 63 small letters"),
        ("name: street", "name: 2024", '1: name: 2024 is read as a number: write "2024" in quotes'),
        ("name: street", "name:", "1: name: is empty: write a text, or remove the field"),
        ("name: street", "name: [a]", "1: name: is a list: write one text"),
        ("name: street", "name: street\ncvat: my.cvat", "2: cvat: write small letters and digits"),
        ("name: street", "name: street\nname: road", "2: name: occurs twice, first in line 1"),
        ("name: street", "name: street\n1: one", "2: 1 is not a field name: write a word"),
        ("name: street", "name: street\n? [a, b]\n: one", "2: a mapping or list is not a field name"),
        ("name: street", "<<: {name: street}", "1: merge keys (<<) are not supported"),
        (
            "name: street",
            "name: !!python/object:os.system street",
            "1: name: the tag !!python/object:os.system is not supported",
        ),
        ("name: street", 'name: "a\\u0000b"', "1: name: holds the control character U+0000"),
        ("name: street", 'name: "a\\ud800b"', "1: name: holds the control character U+D800"),
        ("name: street", "name: street\ndescription: 2024-05-01", "2: description: 2024-05-01 is read as a timestamp"),
        (
            "raw-images",
            "s3://raw-images/incoming",
            "3: sources[0].bucket: write only the bucket's name, 'raw-images', and 'in",
        ),
        ("raw-images", "a", "3: sources[0].bucket: a bucket's name has 3 to 63"),
        (
            "prefix: incoming/",
            "prefix: /incoming/",
            "4: sources[0].prefix: keys begin without a slash: write 'incoming/'",
        ),
        (
            "prefix: incoming/",
            "prefix: s3://raw/in/",
            "4: sources[0].prefix: write only the part after the bucket, such as 'in/'",
        ),
        (
            "prefix: incoming/",
            "prefix: incoming/*.jpg",
            "4: sources[0].prefix: a prefix has no wildcards: write globs in",
        ),
        ("prefix: incoming/", f"prefix: {'x' * 1001}", "4: sources[0].prefix: a key has at most 1024 bytes"),
        ("prefix: incoming/", "include: '*.jpg'", "4: sources[0].include: is a text: write a list, such as [one, two]"),
        ("prefix: incoming/", "include: []", "4: sources[0].include: is empty: write at least 1"),
        (
            "prefix: incoming/",
            "include: [/a.jpg]",
            "4: sources[0].include[0]: globs match the key after the prefix",
        ),
        (
            "prefix: incoming/",
            "prefix: incoming/\n    exclude: [incoming/*.tmp]",
            "5: sources[0].exclude[0]: globs match the key after the prefix 'incoming/': write '*.tmp'",
        ),
        ("sources:", "sources: []\nsource:", "2: sources: is empty: write at least 1 (Where images come from)"),
        (
            "  - bucket: raw-images\n    prefix: incoming/",
            "  - raw-images",
            "3: sources[0]: is a text: write its fields below it: buc",
        ),
        ("annotators: [ada]\n", "", "1: annotators: is missing: write it (CVAT user names"),
        ("[ada]", "[ada, ben, ada]", "7: annotators[2]: 'ada' occurs twice"),
        ("[ada]", "[' ada']", "7: annotators[0]: write a user name as CVAT shows it"),
        ("[ada]", "[7]", '7: annotators[0]: 7 is read as a number: write "7" in quotes'),
        ("datasets/street/", '""', "9: export.prefix: write a folder of its own"),
        (
            "datasets/street/",
            "incoming/done/",
            "9: export.prefix: 'incoming/done/' overlaps the source s3://raw-images/incoming/",
        ),
        ("export:", "export:\n  format: COCO", "9: export.format: 'COCO' is unknown: write COCO 1.0"),
        ("export:", "batch: {quiet: soon}\nexport:", "8: batch.quiet: write a duration, such as 90s"),
        (
            "export:",
            "batch: {quiet: 1:30}\nexport:",
            "8: batch.quiet: 1:30 is read as a number and loses its notation",
        ),
        ("export:", "batch: {quiet: 0}\nexport:", "8: batch.quiet: write a duration between 1ms and 366d"),
        (
            "export:",
            "batch: {quiet: 99999999d}\nexport:",
            "8: batch.quiet: write a duration between 1ms and 366d",
        ),
        ("export:", "batch: {quiet: true}\nexport:", "8: batch.quiet: write a duration, such as 90s"),
        ("export:", "batch: {max_bytes: many}\nexport:", "8: batch.max_bytes: write a size, such as 500MB"),
        ("export:", "batch: {max_bytes: 0}\nexport:", "8: batch.max_bytes: write a size between 1B and"),
        ("export:", "batch: {max_bytes: -3GB}\nexport:", "8: batch.max_bytes: write a size, such as 500MB"),
        ("export:", "batch: {max_objects: 0}\nexport:", "8: batch.max_objects: 0 is out of range: write at least 1"),
        (
            "export:",
            "batch: {max_objects: 5001}\nexport:",
            "8: batch.max_objects: 5001 is out of range: write at most 5000",
        ),
        ("export:", "batch: {max_objects: true}\nexport:", "8: batch.max_objects: is a boolean: write a whole number"),
        ("export:", "batch: {marker: a/_SUCCESS}\nexport:", "8: batch.marker: write only the base name"),
        (
            "export:",
            "batch: {quiet: null, max_age: null}\nexport:",
            "8: batch.quiet: a batch that is never full would never close",
        ),
        (
            "export:",
            "assignment: {policy: round_robbin}\nexport:",
            "8: assignment.policy: 'round_robbin' is unknown: write round_robin",
        ),
        ("export:", "assignment: {policy: [a]}\nexport:", "8: assignment.policy: is a list: write one text"),
        ("export:", "batch: 5\nexport:", "8: batch: is a number: write its fields below it: max_objects"),
    ],
)
def test_a_wrong_place_is_named_with_its_line_and_what_to_write(old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    found = complaints(GOOD.replace(old, new))
    assert any(line.startswith(f"street.yaml:{complaint}") for line in found), found


@pytest.mark.parametrize(
    ("task", "complaint"),
    [
        ("labels: [car, car]", "6: task.labels[1]: 'car' occurs twice"),
        ("labels: [cafe\u0301, caf\u00e9]", "6: task.labels[1]: 'caf\u00e9' occurs twice"),
        ("labels: [car, 5]", '6: task.labels[1]: 5 is read as a number: write "5" in quotes'),
        ("labels: [car, true]", '6: task.labels[1]: true is read as a boolean: write "true" in quotes'),
        (
            "labels: [car, no]",
            '6: task.labels[1]: no is a boolean in YAML 1.1 and a string in 1.2: write "no" in quotes for the',
        ),
        ("labels: [car, 007]", "6: task.labels[1]: 007 is read as a number and loses its notation"),
        ("labels: [car, ~]", '6: task.labels[1]: ~ is read as empty (null): write "~" in quotes'),
        ("labels: [car, '  ']", "6: task.labels[1].name: begins or ends with a blank"),
        ("labels: [car, '']", "6: task.labels[1].name: is empty: write a name"),
        (f"labels: [car, {'x' * 65}]", "6: task.labels[1].name: has 65 characters: write at most 64"),
        ("labels: []", "6: task.labels: is empty: write at least 1"),
        ("labels: [{name: car, color: red}]", "6: task.labels[0].color: write a color as"),
        ("labels: [car]\nsegment_size: '10'", "7: task.segment_size: is a text: write a whole number"),
        ("labels: [car]\noverlap: 2", "7: task.overlap: needs a segment_size"),
        ("labels: [car]\nsegment_size: 5\noverlap: 3", "8: task.overlap: write at most 2, half of segment_size"),
        ("labels: [car]\nimage_quality: 101", "7: task.image_quality: 101 is out of range: write at most 100"),
        ("labels: [car]\nz_order: 1", "7: task.z_order: is a number: write true or false"),
        (
            "labels: [car]\nz_order: yes",
            '7: task.z_order: yes is a boolean in YAML 1.1 and a string in 1.2: write "yes" in quotes',
        ),
        ("labels: [car]\nupload: strem", "7: task.upload: 'strem' is unknown: write stream"),
        ("labels: [car]\nupload: [stream]", "7: task.upload: ['stream'] is unknown: write stream"),
        ("labels: [car]\ninspect: false", "7: task.inspect: upload: stream reads every byte anyway"),
        ("labels: [car]\nshare_prefix: a/", "7: task.share_prefix: is only for upload: share"),
        ("labels: [car]\nbug_tracker: tracker", "7: task.bug_tracker: write an address"),
        ("labels: [car]\nbug_tracker: https://me:secret@host/", "7: task.bug_tracker: write the address without user"),
    ],
)
def test_a_wrong_task_is_named_with_its_line_and_what_to_write(task: str, complaint: str) -> None:
    found = complaints(with_task(task + "\n"))
    assert any(line.startswith(f"street.yaml:{complaint}") for line in found), found


@pytest.mark.parametrize(
    ("attribute", "complaint"),
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
def test_an_attribute_that_cvat_would_take_badly_is_refused(attribute: str, complaint: str) -> None:
    found = complaints(with_task(f"labels:\n  - name: car\n    attributes:\n      - {attribute}\n"))
    assert any(line.startswith(f"street.yaml:9: task.labels[0].attributes[0].{complaint}") for line in found), found


def test_attributes_of_one_name_are_refused() -> None:
    attribute = "      - {name: a, input_type: text}\n"
    assert complaints(with_task(f"labels:\n  - name: car\n    attributes:\n{attribute}{attribute}")) == [
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
        [line] = complaints(text)
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
    ("prefix", "refused"), [("incoming/", True), ("incoming/done", True), ("incoming-done", False)]
)
def test_a_destination_inside_a_source_is_refused(prefix: str, *, refused: bool) -> None:
    text = GOOD.replace("datasets/street/", prefix)
    if refused:
        [line] = complaints(text)
        assert "exports would be registered as images" in line
    else:
        assert read(text).export.prefix == f"{prefix}/"


def test_a_destination_around_a_source_is_refused_unless_it_is_in_another_bucket() -> None:
    text = GOOD.replace("prefix: incoming/", "prefix: datasets/street/incoming/")
    assert "exports would be registered as images" in complaints(text)[0]
    assert read(text.replace("export:", "export:\n  bucket: elsewhere")).export_bucket == "elsewhere"


def test_every_wrong_place_is_told_at_once_in_the_order_of_the_file() -> None:
    text = "name: Street\nsources:\n  - bucket: a\ntask:\n  labels: [car, no]\n  segment: 5\nannotators: []\n"
    found = complaints(text)
    assert [line.split(":")[1] for line in found] == ["1", "1", "3", "5", "6", "7"]
    assert [line.split(":")[2].strip() for line in found] == [
        "export",
        "name",
        "sources[0].bucket",
        "task.labels[1]",
        "task.segment",
        "annotators",
    ]


def test_what_stands_twice_or_overlaps_is_told_beside_what_is_wrong_elsewhere() -> None:
    text = (
        "name: Street\nsources:\n  - {bucket: raw-images, prefix: in/}\n  - {bucket: raw-images, prefix: in/cam/}\n"
        "task:\n  labels: [car, car]\n  segment_size: -1\nannotators: [ann, ann]\nexport: {prefix: in/out/}\n"
    )
    assert [line.split(": ")[1] for line in complaints(text)] == [
        "name",
        "sources[1]",
        "task.labels[1]",
        "task.segment_size",
        "annotators[1]",
    ]
    apart = text.replace("in/cam/", "night/")
    assert "export.prefix: 'in/out/' overlaps the source s3://raw-images/in/" in complaints(apart)[-1]


@pytest.mark.parametrize(
    ("body", "complaint"),
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
def test_a_file_that_is_no_dataset_file_is_refused(body: bytes, complaint: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(body, "street.yaml")
    assert caught.value.what.startswith(f"street.yaml:{complaint}")


def test_a_few_aliases_cannot_stand_for_billions_of_values() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(12))
    [line] = complaints(bomb)
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
