"""The HTML pages of tasks and jobs."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import httpx
import pytest
from PIL import Image

from cvat_sandbox import Serving
from cvat_sandbox.web import outlines, pages
from tests.support.pictures import jpeg
from tests.support.sandbox_client import body, box, create, job_ids, send, settled, task, uploaded, write

HOSTILE = "</title><script>alert(1)</script>\" onload='x' & é\u202e"


class Parsed(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, part: str = "") -> list[dict[str, str | None]]:
        return [found for name, found in self.elements if name == tag and part in (found.get("class") or "")]


def opened(sandbox: Serving, path: str) -> Parsed:
    """Return a page, requested without credentials."""
    answer = httpx.get(sandbox.url + path, headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "set-cookie" not in answer.headers
    return Parsed(answer.text)


def titles(page: Parsed) -> list[str | None]:
    return [figure["title"] for figure in page.all("figure")]


def label_id(http: httpx.Client, task_id: int, name: str = "car") -> int:
    return next(int(label["id"]) for label in task(http, task_id)["labels"] if label["name"] == name)


def drawn(sandbox: Serving, http: httpx.Client, task_id: int, *shapes: dict[str, object], **more: object) -> Parsed:
    """Write annotations into the first job of a task and return the page of the task."""
    write(http, job_ids(http, task_id)[0], body(*shapes, **more))  # type: ignore[arg-type]
    return opened(sandbox, f"/tasks/{task_id}")


def test_a_task_shows_its_frames_its_labels_and_its_jobs(sandbox: Serving, alex: httpx.Client) -> None:
    task_id = uploaded(alex, ["one.jpg", "two.jpg", "three.jpg"], name="street 7", segment_size=2, assignee=3)
    jobs = job_ids(alex, task_id)
    assert alex.patch(f"/jobs/{jobs[1]}", json={"assignee": 4, "status": "completed"}).status_code == 200
    page = opened(sandbox, f"/tasks/{task_id}")
    assert sorted(str(title) for title in titles(page)) == ["one.jpg", "three.jpg", "two.jpg"]
    assert all(
        word in page.text for word in ("street 7", "car", "person", "dabai", "carol", "0 to 1", "2 to 2", "completed")
    )
    links = {link["href"] for link in page.all("a")}
    assert {f"/tasks/{task_id}/jobs/{job}" for job in jobs} <= links
    assert f"/tasks/{task_id}" in {link["href"] for link in opened(sandbox, "/").all("a")}


def test_a_box_is_drawn_at_its_coordinates(sandbox: Serving, alex: httpx.Client) -> None:
    task_id = uploaded(alex, ["a.jpg", "b.jpg"])
    page = drawn(sandbox, alex, task_id, box(label_id(alex, task_id), 1, (40.5, 30, 10.25, 12)))
    (rectangle,) = page.all("rect", "outline")
    assert {name: rectangle[name] for name in ("x", "y", "width", "height")} == {
        "x": "10.25", "y": "12", "width": "30.25", "height": "18",
    }  # fmt: skip
    assert [svg["viewbox"] for svg in page.all("svg")] == ["0 0 64 48"] * 2
    tags = [tag for tag, _ in page.elements]
    second = [position for position, tag in enumerate(tags) if tag == "figure"][1]
    assert tags.index("rect") > second


@pytest.mark.parametrize(
    ("kind", "points", "tag", "attributes"),
    [
        ("polygon", (1, 2, 30, 2, 30.5, 40), "polygon", {"points": "1,2 30,2 30.5,40"}),
        ("polyline", (1, 2, 30, 2), "polyline", {"points": "1,2 30,2"}),
        ("points", (5, 6.25), "circle", {"cx": "5.0", "cy": "6.25"}),
        ("cuboid", (1, 1, 1, 9, 9, 1, 9, 9, 12, 0, 12, 8, 4, 0, 4, 8), "path", {}),
    ],
)
def test_every_type_of_shape_is_drawn(
    sandbox: Serving, alex: httpx.Client, kind: str, points: tuple[float, ...], tag: str, attributes: dict[str, str]
) -> None:
    task_id = uploaded(alex, ["a.jpg"])
    page = drawn(sandbox, alex, task_id, box(label_id(alex, task_id), 0, points, type=kind))
    (found,) = [element for element in page.all(tag) if "viewbox" not in element]
    assert attributes.items() <= found.items()


def test_tags_are_shown_and_tracks_also_between_their_keyframes(sandbox: Serving, alex: httpx.Client) -> None:
    task_id = uploaded(alex, [f"{i}.jpg" for i in range(6)])
    label = label_id(alex, task_id, "person")
    key = {"type": "rectangle", "occluded": False, "z_order": 0, "attributes": [], "outside": False}
    shapes = [
        {**key, "frame": 0, "points": [0, 0, 10, 10]},
        {**key, "frame": 2, "points": [20, 0, 30, 10]},
        {**key, "frame": 4, "points": [20, 0, 30, 10], "outside": True},
    ]
    track = {"frame": 0, "label_id": label, "group": 0, "attributes": [], "shapes": shapes}
    tag = {"frame": 5, "label_id": label, "group": 0, "attributes": []}
    page = drawn(sandbox, alex, task_id, tracks=[track], tags=[tag])
    assert [found["x"] for found in page.all("rect", "outline")] == ["0", "10", "20", "20"]
    assert page.text.rindex("person") > page.text.index("5.jpg")


def test_a_job_shows_its_own_frames_with_its_own_shapes(sandbox: Serving, alex: httpx.Client) -> None:
    task_id = uploaded(alex, ["a.jpg", "b.jpg", "c.jpg"], segment_size=2, overlap=1)
    label, (first, second) = label_id(alex, task_id), job_ids(alex, task_id)[:2]
    write(alex, first, body(box(label, 1, (1, 1, 5, 5))))
    write(alex, second, body(box(label, 1, (1, 1, 5, 5)), box(label, 2, (2, 2, 6, 6))))
    page = opened(sandbox, f"/tasks/{task_id}/jobs/{second}")
    assert titles(page) == ["b.jpg", "c.jpg"]
    assert len(page.all("rect", "outline")) == 2
    assert [image["src"] for image in page.all("img")] == [f"/tasks/{task_id}/frames/{n}" for n in (1, 2)]
    merged = opened(sandbox, f"/tasks/{task_id}")
    assert len(merged.all("rect", "outline")) == 2


def test_names_are_escaped(sandbox: Serving, alex: httpx.Client) -> None:
    name = '<img src=x onerror="alert(1)">.jpg'
    task_id = create(alex, name=HOSTILE, labels=[{"name": HOSTILE, "attributes": []}])
    # browsers and httpx send a quotation mark as %22
    assert send(alex, task_id, {name: jpeg()}).status_code == 202
    settled(alex, task_id)
    page = drawn(sandbox, alex, task_id, box(label_id(alex, task_id, HOSTILE)))
    assert not page.all("script")
    assert [image["src"] for image in page.all("img")] == [f"/tasks/{task_id}/frames/0"]
    assert not [found for _, found in page.elements if any(key.startswith("on") for key in found)]
    assert titles(page) == [alex.get(f"/tasks/{task_id}/data/meta").json()["frames"][0]["name"]]
    assert page.text.count(HOSTILE) >= 4
    assert not opened(sandbox, "/tasks").all("script")


def test_images_of_all_formats_are_shown_as_small_jpegs(sandbox: Serving, alex: httpx.Client) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (3000, 1500), "teal").save(out, "PNG")
    task_id = create(alex)
    send(alex, task_id, {"a.jpg": jpeg(4000, 2000), "b.png": out.getvalue(), "c.jpg": jpeg(4000, 2000)[:-300]})
    assert settled(alex, task_id)["state"] == "Finished"
    for number in range(3):
        answer = httpx.get(f"{sandbox.url}/tasks/{task_id}/frames/{number}")
        assert answer.headers["content-type"] == "image/jpeg"
        with Image.open(io.BytesIO(answer.content)) as image:
            assert image.size == (pages.MAX_SIDE, pages.MAX_SIDE // 2)


def test_a_page_has_a_limited_number_of_frames(
    sandbox: Serving, alex: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "FRAMES_PER_PAGE", 2)
    task_id = uploaded(alex, ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"])
    write(alex, job_ids(alex, task_id)[0], body(box(label_id(alex, task_id), 3, (1, 2, 3, 4))))
    found = [opened(sandbox, f"/tasks/{task_id}?page={n}") for n in (1, 2, 3)]
    assert [titles(page) for page in found] == [["a.jpg", "b.jpg"], ["c.jpg", "d.jpg"], ["e.jpg"]]
    assert [len(page.all("rect", "outline")) for page in found] == [0, 1, 0]
    assert "?page=3" in {link["href"] for link in found[1].all("a")}
    nearest = {"0": "a.jpg", "x": "a.jpg", "²": "a.jpg", "-1": "a.jpg", "9" * 20: "a.jpg", "9": "e.jpg"}
    for wrong, shown in nearest.items():
        assert titles(opened(sandbox, f"/tasks/{task_id}?page={wrong}"))[0] == shown


def test_a_page_has_a_limited_number_of_tasks_newest_first(
    sandbox: Serving, alex: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "TASKS_PER_PAGE", 2)
    newest = [create(alex) for _ in range(3)][::-1]
    rows = [link["href"] for n in (1, 2) for link in opened(sandbox, f"/?page={n}").all("a")]
    assert [row for row in rows if re.fullmatch(r"/tasks/\d+", row or "")][:3] == [f"/tasks/{n}" for n in newest]


def test_a_task_without_images_shows_why(sandbox: Serving, alex: httpx.Client) -> None:
    task_id = create(alex)
    assert "The task has no images yet." in opened(sandbox, f"/tasks/{task_id}").text
    sandbox.faults.set([{"on": "worker creation", "fail": "disk <full>"}])
    send(alex, task_id, {"a.jpg": jpeg()})
    settled(alex, task_id)
    assert "disk <full>" in opened(sandbox, f"/tasks/{task_id}").text


def test_unknown_pages_are_404_and_the_pages_are_read_only(sandbox: Serving, alex: httpx.Client) -> None:
    mine, other = uploaded(alex, ["a.jpg"]), uploaded(alex, ["a.jpg"])
    job = job_ids(alex, other)[0]
    for path in ("999999", "x", "-1", "99999999999999999999", f"{mine}/", f"{mine}/jobs/{job}", f"{mine}/jobs/999999",
                 f"{mine}/frames/1", f"{mine}/frames/-1", "999999/frames/0", f"{mine}/frames/../../x"):  # fmt: skip
        answer = httpx.get(f"{sandbox.url}/tasks/{path}")
        assert (path, answer.status_code) == (path, 404)
        assert "Not Found" in answer.text
    assert alex.delete(f"/tasks/{other}").status_code == 204
    assert httpx.get(f"{sandbox.url}/tasks/{other}").status_code == 404
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert httpx.request(method, f"{sandbox.url}/tasks/{mine}").status_code == 405
    assert httpx.head(f"{sandbox.url}/tasks/{mine}").status_code == 200


def test_the_api_still_needs_a_login(sandbox: Serving, alex: httpx.Client) -> None:
    task_id = uploaded(alex, ["a.jpg"])
    assert httpx.get(f"{sandbox.url}/tasks/{task_id}").status_code == 200
    for path in (f"tasks/{task_id}", f"tasks/{task_id}/data?type=frame&number=0", f"tasks/{task_id}/annotations"):
        assert httpx.get(f"{sandbox.url}/api/v1/{path}").status_code == 401


def test_shapes_beyond_the_limit_are_counted(
    sandbox: Serving, alex: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlines, "MAX_OUTLINES", 2)
    task_id = uploaded(alex, ["a.jpg"])
    page = drawn(sandbox, alex, task_id, *[box(label_id(alex, task_id))] * 5)
    assert len(page.all("rect", "outline")) == 2
    assert "3 more shapes are not drawn" in page.text
