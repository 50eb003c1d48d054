"""Cloud storages, and tasks, exports and imports that use them."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.support.emulator import StoreServer
from tests.support.pictures import jpeg
from tests.support.sandbox_client_v2 import create, ended, frame_names

FILES = ("in/img_1.jpg", "in/img_2.jpg", "in/img_10.jpg", "in/sub/img_1.jpg", "m/one.jpg", "m/two.jpg", "m/three.jpg")
MANIFEST = [
    {"version": "1.1"},
    {"type": "images"},
    *({"name": f"m/{name}", "extension": ".jpg", "width": 640, "height": 480} for name in ("one", "two", "three")),
]


@dataclass
class Photos:
    """A bucket with images, and the storage of alex for it."""

    store: StoreServer
    bucket: str
    storage: int = 0

    def put(self, key: str, content: bytes) -> None:
        self.store.boto("s3").put_object(Bucket=self.bucket, Key=key, Body=content)

    def contents(self) -> set[str]:
        listed = self.store.boto("s3").list_objects_v2(Bucket=self.bucket)
        return {item["Key"] for item in listed.get("Contents", [])}


def body(store: StoreServer, bucket: str, **more: Any) -> dict[str, Any]:
    attributes = f"region=us-east-1&endpoint_url={quote(store.url, safe='')}"
    return {
        "provider_type": "AWS_S3_BUCKET", "resource": bucket, "display_name": "photos", "key": "test",
        "secret_key": "testtest", "credentials_type": "KEY_SECRET_KEY_PAIR", "specific_attributes": attributes, **more,
    }  # fmt: skip


@pytest.fixture
def photos(alex: httpx.Client, store_server: StoreServer) -> Photos:
    found = Photos(store_server, store_server.new_bucket())
    for key in FILES:
        found.put(key, jpeg())
    found.put("in/notes.txt", b"a text")
    found.put("manifest.jsonl", "\n".join(map(json.dumps, MANIFEST)).encode())
    answer = alex.post("/cloudstorages", json=body(store_server, found.bucket))
    assert answer.status_code == 201, answer.text
    found.storage = answer.json()["id"]
    return found


def send(http: httpx.Client, task_id: int, photos: Photos, *files: str, **more: Any) -> httpx.Response:
    values = {"image_quality": 70, "cloud_storage_id": photos.storage, "server_files": list(files), **more}
    return http.post(f"/tasks/{task_id}/data", json=values)


def made(http: httpx.Client, photos: Photos, *files: str, **more: Any) -> tuple[int, dict[str, Any]]:
    """Make a task of files of the bucket; return its id and the ended request."""
    task_id = create(http)
    answer = send(http, task_id, photos, *files, **more)
    assert answer.status_code == 202, answer.text
    return task_id, ended(http, answer.json()["rq_id"])


def names(http: httpx.Client, photos: Photos, *files: str, **more: Any) -> list[str]:
    task_id, request = made(http, photos, *files, **more)
    assert request["status"] == "finished", request
    return frame_names(http, task_id)


# -- storages


def test_a_storage_shows_no_credentials(alex: httpx.Client, photos: Photos) -> None:
    shown = alex.get(f"/cloudstorages/{photos.storage}").json()
    assert (shown["resource"], shown["manifests"]) == (photos.bucket, [])
    assert "testtest" not in json.dumps(shown)
    assert alex.get(f"/cloudstorages/{photos.storage}/status").json() == "AVAILABLE"
    assert json.loads(alex.get(f"/cloudstorages/{photos.storage}/actions").text) == ["read", "write"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"resource": "nothing"}, "resource: The resource nothing not found. It may have been deleted.\n"),
        (
            {"resource": "here", "specific_attributes": "endpoint_url=http%3A%2F%2F127.0.0.1%3A1"},
            "resource: The resource here not found. It may have been deleted.\n",
        ),
        ({"provider_type": "FTP"}, 'provider_type: "FTP" is not a valid choice.\n'),
        ({"display_name": ""}, "display_name: This field may not be blank.\n"),
        ({"secret_key": ""}, "Insufficient data for authentication"),
        ({"specific_attributes": "endpoint_url=here"}, "Invalid endpoint: here"),
    ],
)
def test_errors_of_a_creation_are_plain_text(
    alex: httpx.Client, store_server: StoreServer, change: dict[str, str], text: str
) -> None:
    answer = alex.post("/cloudstorages", json={**body(store_server, "x"), **change})
    assert (answer.status_code, answer.text) == (400, text)


def test_a_manifest_must_exist_in_the_bucket(alex: httpx.Client, photos: Photos) -> None:
    answer = alex.post("/cloudstorages", json=body(photos.store, photos.bucket, manifests=["no.jsonl"]))
    assert answer.text == f"manifests: The 'no.jsonl' file does not exist on '{photos.bucket}' cloud storage\n"
    path = f"/cloudstorages/{photos.storage}"
    assert alex.patch(path, json={"manifests": ["no.jsonl"]}).status_code == 400
    assert alex.patch(path, json={"manifests": ["manifest.jsonl"]}).json()["manifests"] == ["manifest.jsonl"]


def test_nobody_else_sees_a_storage(dabai: httpx.Client, photos: Photos) -> None:
    path, text = f"/cloudstorages/{photos.storage}", "You do not have permission to perform this action."
    assert dabai.get(path).json() == {"detail": text}
    assert dabai.get(f"{path}/content-v2").json() == text
    assert send(dabai, create(dabai), photos, FILES[0]).status_code == 403
    assert dabai.get("/cloudstorages").json()["count"] == 0


def test_the_content_of_a_folder_comes_in_pages(alex: httpx.Client, photos: Photos) -> None:
    path = f"/cloudstorages/{photos.storage}/content-v2"
    whole = alex.get(path, params={"prefix": "in/"}).json()
    assert whole["next"] is None
    assert {(item["name"], item["type"], item["mime_type"]) for item in whole["content"]} == {
        ("sub", "DIR", "DIR"), ("img_1.jpg", "REG", "image"), ("img_2.jpg", "REG", "image"),
        ("img_10.jpg", "REG", "image"), ("notes.txt", "REG", "unknown"),
    }  # fmt: skip
    page, seen = {"next": ""}, []
    while page["next"] is not None:
        page = alex.get(path, params={"prefix": "in/", "page_size": 2, "next_token": page["next"]}).json()
        seen += page["content"]
    assert sorted(item["name"] for item in seen) == sorted(item["name"] for item in whole["content"])


def test_the_content_of_a_manifest_comes_in_pages_too(alex: httpx.Client, photos: Photos) -> None:
    path, query = f"/cloudstorages/{photos.storage}/content-v2", {"manifest_path": "manifest.jsonl"}
    assert alex.get(path, params=query).json()["content"] == [{"name": "m", "type": "DIR", "mime_type": "DIR"}]
    page = alex.get(path, params={**query, "prefix": "m/", "page_size": 2}).json()
    assert [item["name"] for item in page["content"]] == ["one.jpg", "three.jpg"]
    rest = alex.get(path, params={**query, "prefix": "m/", "page_size": 2, "next_token": page["next"]}).json()
    assert ([item["name"] for item in rest["content"]], rest["next"]) == (["two.jpg"], None)


def test_a_preview_needs_a_manifest(alex: httpx.Client, photos: Photos) -> None:
    path = f"/cloudstorages/{photos.storage}"
    answer = alex.get(f"{path}/preview")
    assert (answer.status_code, answer.text) == (404, "Cloud storage preview not found")
    alex.patch(path, json={"manifests": ["manifest.jsonl"]})
    assert alex.get(f"{path}/preview").headers["content-type"] == "image/jpeg"


# -- tasks


@pytest.mark.parametrize(
    ("method", "order"), [("lexicographical", (1, 10, 2)), ("natural", (1, 2, 10)), ("predefined", (2, 10, 1))]
)
def test_frames_are_sorted_unless_the_order_is_predefined(
    alex: httpx.Client, photos: Photos, method: str, order: tuple[int, ...]
) -> None:
    files = [f"in/img_{number}.jpg" for number in (2, 10, 1)]
    assert names(alex, photos, *files, sorting_method=method) == [f"in/img_{number}.jpg" for number in order]


def test_equal_base_names_are_fine_and_the_same_key_twice_is_500(alex: httpx.Client, photos: Photos) -> None:
    assert names(alex, photos, "in/img_1.jpg", "in/sub/img_1.jpg") == ["in/img_1.jpg", "in/sub/img_1.jpg"]
    assert send(alex, create(alex), photos, FILES[0], FILES[0]).status_code == 500


def test_a_folder_stands_for_all_below_it_except_what_is_excluded(alex: httpx.Client, photos: Photos) -> None:
    below = ["in/img_1.jpg", "in/img_10.jpg", "in/img_2.jpg"]
    assert names(alex, photos, "in/") == [*below, "in/sub/img_1.jpg"]
    assert names(alex, photos, "in/", server_files_exclude=["in/sub/"]) == below


@pytest.mark.parametrize("use_cache", [True, False])
def test_a_missing_key_fails_the_request_and_so_does_a_broken_image(
    alex: httpx.Client, photos: Photos, *, use_cache: bool
) -> None:
    task_id, request = made(alex, photos, FILES[0], "in/none.jpg", use_cache=use_cache)
    text = (
        f"rest_framework.exceptions.NotFound: The file 'in/none.jpg' not found on the cloud storage '{photos.bucket}'"
    )
    assert (request["status"], request["message"]) == ("failed", text + "\n")
    assert alex.get(f"/tasks/{task_id}/data/meta").json()["cloud_storage_id"] == photos.storage
    photos.put("in/fake.jpg", b"no image")
    _, request = made(alex, photos, "in/", use_cache=use_cache)
    text = "utils.dataset_manifest.errors.InvalidImageError: failed to parse image file 'in/fake.jpg'"
    assert request["message"] == text + "\n"


def test_a_task_keeps_the_files_that_were_named_for_it(alex: httpx.Client, photos: Photos) -> None:
    task_id, request = made(alex, photos, "late.jpg")
    assert request["status"] == "failed"
    photos.put("late.jpg", jpeg())
    assert send(alex, task_id, photos, "late.jpg").status_code == 500
    assert ended(alex, send(alex, task_id, photos).json()["rq_id"])["status"] == "finished"
    assert frame_names(alex, task_id) == ["late.jpg"]


def test_a_manifest_saves_opening_the_images(alex: httpx.Client, photos: Photos) -> None:
    photos.put("m/two.jpg", b"no image")
    task_id, request = made(alex, photos, "manifest.jsonl", filename_pattern="m/t*.jpg")
    assert request["status"] == "finished"
    frames = alex.get(f"/tasks/{task_id}/data/meta").json()["frames"]
    assert [(frame["name"], frame["width"]) for frame in frames] == [("m/three.jpg", 640), ("m/two.jpg", 640)]
    assert names(alex, photos, "manifest.jsonl", "m/one.jpg") == ["m/one.jpg"]
    assert len(names(alex, photos, "manifest.jsonl")) == 3


def test_an_archive_is_copied_and_the_data_is_local_then(alex: httpx.Client, photos: Photos) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a/img_1.jpg", jpeg())
    photos.put("packed.zip", packed.getvalue())
    task_id, request = made(alex, photos, "packed.zip")
    assert request["status"] == "finished"
    meta = alex.get(f"/tasks/{task_id}/data/meta").json()
    assert ([frame["name"] for frame in meta["frames"]], meta["storage"]) == (["a/img_1.jpg"], "local")


def test_without_files_there_is_no_media(alex: httpx.Client, photos: Photos) -> None:
    assert made(alex, photos)[1]["message"] == "ValueError: No media data found\n"
    answer = alex.post(f"/tasks/{create(alex)}/data", json={"image_quality": 70, "cloud_storage_id": 99999})
    assert (answer.status_code, answer.json()) == (400, ["CloudStorage matching query does not exist."])


def test_images_are_read_from_the_bucket_when_somebody_looks_at_them(alex: httpx.Client, photos: Photos) -> None:
    task_id, _ = made(alex, photos, "in/img_1.jpg", "in/img_2.jpg")
    photos.put("in/img_1.jpg", changed := jpeg(color="red"))
    query = {"type": "frame", "number": 0, "quality": "original"}
    assert alex.get(f"/tasks/{task_id}/data", params=query).content == changed
    photos.store.delete(photos.bucket, "in/img_2.jpg")
    assert alex.get(f"/tasks/{task_id}/data", params={**query, "number": 1}).status_code == 500


def test_a_task_outlives_its_storage(alex: httpx.Client, photos: Photos) -> None:
    task_id, _ = made(alex, photos, "in/img_1.jpg")
    assert alex.delete(f"/cloudstorages/{photos.storage}").status_code == 204
    task = alex.get(f"/tasks/{task_id}").json()
    assert (task["size"], task["data_cloud_storage_id"]) == (1, None)


# -- files that leave for a bucket, and come from one


def export(http: httpx.Client, task_id: int, photos: Photos, **more: Any) -> httpx.Response:
    query = {"format": "COCO 1.0", "location": "cloud_storage", "cloud_storage_id": photos.storage, **more}
    return http.post(f"/tasks/{task_id}/dataset/export", params=query)


def test_an_export_goes_into_the_bucket_and_an_import_comes_from_there(alex: httpx.Client, photos: Photos) -> None:
    task_id, _ = made(alex, photos, "in/img_1.jpg")
    request = ended(alex, export(alex, task_id, photos, filename="out/coco.zip").json()["rq_id"])
    assert (request["status"], request["result_url"]) == ("finished", None)
    assert "out/coco.zip" in photos.contents()
    query = {"format": "COCO 1.0", "location": "cloud_storage", "cloud_storage_id": photos.storage}
    answer = alex.post(f"/tasks/{task_id}/annotations", params={**query, "filename": "out/coco.zip"})
    assert ended(alex, answer.json()["rq_id"])["status"] == "finished"
    answer = alex.post(f"/tasks/{task_id}/annotations", params={**query, "filename": "out/none.zip"})
    assert "not found on the cloud storage" in ended(alex, answer.json()["rq_id"])["message"]


def test_the_target_storage_of_a_task_receives_its_exports(alex: httpx.Client, photos: Photos) -> None:
    target = {"location": "cloud_storage", "cloud_storage_id": photos.storage}
    task_id = create(alex, target_storage=target)
    assert alex.get(f"/tasks/{task_id}").json()["target_storage"].items() >= target.items()
    ended(alex, send(alex, task_id, photos, "in/img_1.jpg").json()["rq_id"])
    answer = alex.post(f"/tasks/{task_id}/dataset/export", params={"format": "COCO 1.0", "save_images": "true"})
    assert ended(alex, answer.json()["rq_id"])["status"] == "finished"
    assert any(key.startswith(f"task_{task_id}_dataset_") for key in photos.contents())
    assert alex.patch(f"/tasks/{task_id}", json={"target_storage": {"cloud_storage_id": 99999}}).status_code == 400


def test_an_export_into_a_storage_of_somebody_else_is_403(dabai: httpx.Client, photos: Photos) -> None:
    assert export(dabai, create(dabai), photos).status_code == 403
