"""The page of a report: it is one file without links, says what the release has, and shows hostile names as text."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from labelyard.cli import labelyard
from labelyard.errors import InputError
from labelyard.escaping import printable
from labelyard.releases.report import write_report
from labelyard.releases.report.origins import read_changes
from tests.support.report_sample import write_passport, write_sample
from tests.support.small_releases import THREE_SPLITS, box, image, write_release

HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><b>",
    "]]><svg onload=alert(1)>",
    "$\\frac{1}{0}$",
    "{{ 7 * 7 }}",
    "a\u202eb",
    "line\nbreak\x00\x1b[31m",
    "\U0001f600 \u6f22\u5b57",
    "&lt;b&gt; & ' %s",
    "x" * 3000,
]
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """The elements of a page: nested as they must be, with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.ids: Counter[str] = Counter()
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids.update(value or "" for name, value in attrs if name == "id")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def page(release: Path, images: Path | None = None) -> Page:
    to = release.parent / "page.html"
    write_report(release, to, images=images)
    return Page(to.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Sample:
    """A release of photographs, with people and times, and its page with pictures and without."""

    release: Path
    with_pictures: Page
    without: Page
    text: str


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    release = write_sample(tmp_path_factory.mktemp("sample"), 3)
    write_passport(release)
    with_pictures = page(release, release.parent / "pictures")
    return Sample(release, with_pictures, page(release), (release.parent / "page.html").read_text())


def test_the_page_of_a_whole_release_has_every_section(sample: Sample) -> None:
    found = sample.with_pictures
    assert [name for name in found.ids if "-" not in name] == [
        "changes",
        "doubts",
        "labels",
        "images",
        "boxes",
        "pairs",
        "attributes",
        "groups",
        "people",
        "sources",
    ]
    assert "park cameras" in found.text
    assert "What changed since the last release" in found.text
    assert "The same box twice" in found.text
    assert "amira" in found.text
    plots = [value for tag, name, value in found.attributes if (tag, name) == ("svg", "class")]
    assert [value.split()[1] for value in plots] == [
        "changes",
        "labels",
        "balance",
        "objects",
        "sizes",
        "sides",
        "areas",
        "shapes",
        "positions",
        "pairs",
        "people",
        "speed",
    ]


def test_the_page_needs_no_network_and_no_script(sample: Sample) -> None:
    found = sample.with_pictures
    assert not found.elements.keys() & {"script", "link", "iframe", "object", "img"}
    loaded = [value for _, name, value in found.attributes if name in ("src", "href", "xlink:href", "srcset", "action")]
    assert loaded
    assert [value[:60] for value in loaded if not value.startswith(("#", "data:image/jpeg;base64,"))] == []
    text = sample.text
    assert re.findall(r"@import|url\((?!#)", text) == []
    assert [name for _, name, _ in found.attributes if name.startswith("on")] == []


def test_what_a_plot_refers_to_is_in_the_page_and_no_id_is_twice(sample: Sample) -> None:
    found = sample.without
    assert found.ids.most_common(1)[0][1] == 1
    text = sample.text
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', text)) <= set(found.ids)


def test_plots_have_text_and_the_colours_of_the_page(sample: Sample) -> None:
    plots = re.findall(r'<svg[^>]*class="plot.*?</svg>', sample.text, re.DOTALL)
    assert len(plots) == 12
    for plot in plots:
        assert "<text" in plot
        assert "currentColor" in plot
        assert re.findall(r"(?:fill|stroke): #\w+", plot) == []
        assert 'role="img"' in plot


def test_every_plot_has_its_numbers_in_a_table(sample: Sample) -> None:
    found = sample.without
    assert found.elements["table"] >= found.elements["figure"] - 1  # speed is in the table of the annotators


@pytest.mark.slow
def test_the_same_release_gives_the_same_bytes_in_another_process_and_folder(sample: Sample, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(sample.release, copy)
    script = (
        "import sys; from pathlib import Path; from labelyard.releases.report import write_report\n"
        "write_report(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    subprocess.run([sys.executable, "-c", script, copy, tmp_path / "page.html"], check=True, env=environment)
    assert (tmp_path / "page.html").read_bytes() == sample.text.encode()


def test_without_pictures_the_doubtful_annotations_are_a_table(sample: Sample) -> None:
    found = sample.without
    assert found.elements["image"] == 0
    assert ".jpg" in found.text
    assert "px beyond the image" in found.text


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    found = page(write_release(tmp_path, [image(1)], [box(1, "car", 10, 10, 3, 3)]), tmp_path)
    assert found.elements["image"] == 0
    assert "the file is missing" in found.text


def test_pictures_have_their_box(sample: Sample) -> None:
    found = sample.with_pictures
    assert found.elements["image"] > 10
    assert found.elements["rect"] >= 2 * found.elements["image"] - 2


def test_hostile_names_are_text(tmp_path: Path) -> None:
    files = [re.sub(r"[\x00/\\]", "", name)[:150] + ".jpg" for name in HOSTILE]
    images = [image(number, file_name=file, date_captured=file) for number, file in enumerate(files, 1)]
    boxes = [
        box(number, name, 90, 1, width, 30, attributes={name: name})
        for number, name in enumerate(HOSTILE, 1)
        for width in (30, 30.1)
    ]
    info = {"dataset": "</h1><script>", "version": "<b1>", "description": "<b1>", "warnings": HOSTILE, "year": "<b1>"}
    release = write_release(tmp_path, images, boxes, labels=HOSTILE, info=info)
    lines = [json.dumps({"annotation": number, "annotator": name}) for number, name in enumerate(HOSTILE)]
    (release / "passport.jsonl").write_text("\n".join(lines))
    found = page(release)
    assert not found.elements.keys() & {"script", "img", "b1", "i1"}
    assert [attribute for _, attribute, _ in found.attributes if attribute.startswith("on")] == []
    assert found.elements["style"] == found.elements["html"] == found.elements["h1"] == 1
    raw = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e]", raw)
    for name in HOSTILE:
        assert printable(name)[:14] in found.text
    assert len(raw) < 300_000


def test_changes_that_no_release_has_are_refused(tmp_path: Path) -> None:
    release = write_release(tmp_path, [image(1)], [])
    for damage in ("[]", "{", '{"images": {"added": "<b>"}}', "null"):
        (release / "changes.json").write_text(damage)
        with pytest.raises(InputError, match=r"changes\.json"):
            read_changes(release)
    (release / "changes.json").unlink()
    assert "changes" not in page(release).ids


def test_an_empty_release_has_a_page(tmp_path: Path) -> None:
    found = page(write_release(tmp_path, [], []))
    assert "No annotation looks doubtful" in found.text
    assert list(found.ids) == ["warnings", "changes", "doubts", "sources"]


def test_a_release_without_boxes_has_a_page(tmp_path: Path) -> None:
    found = page(write_release(tmp_path, [image(1), image(2)], []))
    assert "Sizes of images" in found.text
    assert not found.ids.keys() & {"labels", "boxes", "pairs"}


def test_one_image_with_one_box_has_a_page(tmp_path: Path) -> None:
    found = page(write_release(tmp_path, [image(1)], [box(1, "car", 10, 10, 30, 20)]))
    assert {"labels", "images", "boxes"} <= found.ids.keys()
    assert "pairs" not in found.ids


def test_an_image_of_unknown_size_has_a_page(tmp_path: Path) -> None:
    release = write_release(tmp_path, [image(1)], [box(1, "car", 10, 10, 30, 20)])
    path = release / "annotations" / "instances_train.json"
    path.write_bytes(path.read_bytes().replace(b'"width":100,"height":80', b'"width":null,"height":0'))
    found = page(release)
    assert "labels" in found.ids
    assert "boxes" not in found.ids


@pytest.mark.slow
def test_huge_and_many_numbers_have_a_page(tmp_path: Path) -> None:
    labels = [f"label {number}" for number in range(300)]
    boxes = [box(1, label, 1e-3, 1e-3, 1e5, 1e-3) for label in labels]
    boxes += [box(2, labels[0], 5, 5, 9, 9, attributes={f"a{n}": n * 1e300}) for n in range(400)]
    release = write_release(tmp_path, [image(1, 30_000, 1), image(2)], boxes, labels=labels, rule=THREE_SPLITS)
    found = page(release)
    assert "and 150 more" in found.text
    assert (tmp_path / "page.html").stat().st_size < 1_000_000


def test_the_warnings_of_the_manifest_come_first(tmp_path: Path) -> None:
    found = page(write_release(tmp_path, [image(1)], [], rule=THREE_SPLITS))
    assert next(iter(found.ids)) == "warnings"
    assert re.search(r"the split \w+ has no images", found.text)


def test_the_command_writes_beside_the_release_and_never_into_it(tmp_path: Path) -> None:
    release = write_release(tmp_path, [image(1)], [box(1, "car", 10, 10, 30, 20)])
    before = sorted(path.name for path in release.rglob("*"))
    done = CliRunner().invoke(labelyard, ["report", str(release)], catch_exceptions=False)
    assert done.exit_code == 0
    assert "1 images, 1 annotations" in done.output
    assert (tmp_path / "release-report.html").read_text().startswith("<!doctype html>")
    assert sorted(path.name for path in release.rglob("*")) == before
    with pytest.raises(InputError, match="does not list"):
        CliRunner().invoke(
            labelyard, ["report", str(release), "--to", str(release / "report.html")], catch_exceptions=False
        )


def test_bad_folders_are_named(tmp_path: Path) -> None:
    release = write_release(tmp_path, [image(1)], [])
    with pytest.raises(InputError, match="no such folder"):
        write_report(release, tmp_path / "a.html", images=tmp_path / "nowhere")
    with pytest.raises(InputError, match="no manifest"):
        write_report(tmp_path, tmp_path / "a.html")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(release, tmp_path / "nowhere" / "a.html")
    assert not list(tmp_path.glob(".*unfinished"))


def test_without_matplotlib_the_error_names_the_extra(tmp_path: Path) -> None:
    release = write_release(tmp_path, [image(1)], [])
    script = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from labelyard.cli import main; sys.argv[1:] = ['report', sys.argv[1]]; main()"
    )
    done = subprocess.run([sys.executable, "-c", script, release], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'labelyard[report]'" in done.stderr
    assert "Traceback" not in done.stderr
