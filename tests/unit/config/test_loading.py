"""A dataset file either becomes a DatasetSpec, or each of its errors is named with what to write instead."""

from __future__ import annotations

from datetime import timedelta

import pytest

from labelyard.domain.labels import InputType
from tests.support.dataset_files import GOOD, error_lines, read, with_task


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
    ("old", "new", "problem"),
    [
        ("name: street", "nmae: street", "1: nmae: no such field: write name"),
        ("name: street", "name: street\nquux: 1", "2: quux: no such field: known fields are name, description, cvat"),
        ("name: street", "name: Street 1", "1: name: write up to 63 small letters"),
        ("name: street", "name: 2024", '1: name: 2024 is read as a number: write "2024" in quotes'),
        ("name: street", "name:", "1: name: is empty: write a text, or remove the field"),
        ("name: street", "name: [a]", "1: name: is a list: write one text"),
        ("name: street", "name: street\ncvat: my.cvat", "2: cvat.name: write small letters and digits"),
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
        ("export:", "export:\n  formats: [cocoa]", "9: export.formats[0]: 'cocoa' is unknown: write coco"),
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
        ("export:", "expect: 1d\nexport:", "8: expect: write every and a duration, such as: every 1d"),
        ("export:", "expect: every day\nexport:", "8: expect: write a duration, such as 90s"),
        ("export:", "expect: every 0d\nexport:", "8: expect: write a duration between 1ms and 366d"),
        ("export:", "batch: {max_bytes: many}\nexport:", "8: batch.max_bytes: write a size, such as 500MB"),
        ("export:", "batch: {max_bytes: 0}\nexport:", "8: batch.max_bytes: write a size between 1B and"),
        ("export:", "batch: {max_bytes: -3GB}\nexport:", "8: batch.max_bytes: write a size, such as 500MB"),
        ("export:", "batch: {max_objects: 0}\nexport:", "8: batch.max_objects: 0 is out of range: write at least 1"),
        (
            "export:",
            "batch: {max_objects: 10001}\nexport:",
            "8: batch.max_objects: 10001 is out of range: write at most 10000",
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
        *(
            ("export:", f"assignment: {section}\nexport:", f"8: assignment.{problem}")
            for section, problem in (
                ("{limit: 0}", "limit"),
                ("{policy: by_skill}", "skills: are missing: by_skill needs at least one"),
                ("{skills: {night: {keys: [a], people: {ada: 1}}}}", "skills: count with policy: by_skill only"),
                ("{timezone: Europe/Berlin}", "timezone: counts for hours and holidays"),
                ("{timezone: Europe/Berlim, holidays: ['2026-12-25']}", "timezone: 'Europe/Berlim' is no time zone"),
                ("{reassign_after: soon}", "reassign_after: write a duration"),
                ("{hours: ['mon-fri 9-17']}", "hours[0]: 'mon-fri 9-17' are no working hours"),
                ("{holidays: ['2026-13-01']}", "holidays[0]: '2026-13-01' is no day"),
                ("{people: {adda: {limit: 1}}}", "people.adda: 'adda' is unknown: write ada"),
                ("{policy: by_skill, skills: {x: {people: {ada: 1}}}}", "skills.x.keys: no job needs this skill"),
                (
                    "{policy: by_skill, skills: {x: {keys: [a], people: {adda: 1}}}}",
                    "skills.x.people.adda: 'adda' is",
                ),
                (
                    "{policy: by_skill, skills: {x: {labels: [caar], people: {ada: 1}}}}",
                    "skills.x.labels[0]: 'caar'",
                ),
            )
        ),
        ("export:", "assignment: {policy: [a]}\nexport:", "8: assignment.policy: is a list: write one text"),
        ("export:", "batch: 5\nexport:", "8: batch: is a number: write its fields below it: max_objects"),
    ],
)
def test_an_invalid_value_is_named_with_its_line_and_what_to_write(old: str, new: str, problem: str) -> None:
    assert old in GOOD
    found = error_lines(GOOD.replace(old, new))
    assert any(line.startswith(f"street.yaml:{problem}") for line in found), found


@pytest.mark.parametrize(
    ("task", "problem"),
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
def test_an_invalid_task_section_is_named_with_its_line_and_what_to_write(task: str, problem: str) -> None:
    found = error_lines(with_task(task + "\n"))
    assert any(line.startswith(f"street.yaml:{problem}") for line in found), found
