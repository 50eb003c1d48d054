"""`upload: cloud`: CVAT 2.x reads the bucket itself; the bucket is found or registered once."""

from __future__ import annotations

import pytest

from labelyard.domain.tasks import CloudCredentials, CloudStorage
from labelyard.errors import SettingsError, TaskDiscarded
from labelyard.operations.doctor.check import Installation
from labelyard.operations.doctor.cvat import checks
from labelyard.pipeline.cloud_storage import cloud_storage
from labelyard.server_settings import CloudSettings
from tests.support.cvat_families import V2
from tests.support.emulator import StoreServer
from tests.support.pictures import picture
from tests.support.refusing_store import refusing
from tests.support.workspace import Workspace, complete_and_export, ingest


@pytest.fixture
def cvat_version() -> str:
    return V2


def choose(workspace: Workspace, **cloud: object) -> None:
    """Set how CVAT gets its credentials for the bucket."""
    settings = workspace.context.settings
    server = settings.cvat["default"].model_copy(update={"cloud": CloudSettings.model_validate(cloud)})
    workspace.context.settings = settings.model_copy(update={"cvat": {"default": server}})


@pytest.fixture
def cloud(workspace: Workspace) -> Workspace:
    """A dataset whose images CVAT reads itself, unread by labelyard, with the keys of the store."""
    choose(workspace, credentials="store")
    workspace.apply(task={"upload": "cloud", "inspect": False})
    return workspace


def storages(workspace: Workspace) -> list[int]:
    return [one.id for one in workspace.context.cvat("default").cloud_storages(workspace.bucket)]


def test_no_image_passes_through_us_and_frames_are_the_keys_in_their_order(
    cloud: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b/10.jpg", "b/9.jpg", "a/9.jpg"):  # equal base names, and a natural order
        cloud.put(name, picture(len(name)))
    cloud.close_batch()
    monkeypatch.setattr(type(cloud.context.store), "read", lambda *_: pytest.fail("an image was read"))
    ingest(cloud)
    assert cloud.frames() == ["in/a/9.jpg", "in/b/9.jpg", "in/b/10.jpg"]
    monkeypatch.undo()
    complete_and_export(cloud)
    assert cloud.exported_keys() == ["in/a/9.jpg", "in/b/10.jpg", "in/b/9.jpg"]


def test_the_bucket_is_registered_once_for_all_batches(cloud: Workspace) -> None:
    for number in range(2):
        cloud.put(f"{number}.jpg", picture(number))
        ingest(cloud, cloud.close_batch())
    assert len(storages(cloud)) == 1


def test_a_storage_that_a_person_registered_is_used(cloud: Workspace) -> None:
    cvat, store = cloud.context.cvat("default"), cloud.context.settings.store
    credentials = CloudCredentials("test", "test")
    cvat.create_cloud_storage(CloudStorage(0, cloud.bucket, store.endpoint_url or ""), credentials)
    choose(cloud, credentials="registered")
    cloud.put("1.jpg")
    ingest(cloud, cloud.close_batch())
    assert cloud.frames() == ["in/1.jpg"]
    assert len(storages(cloud)) == 1


def test_without_a_storage_and_without_credentials_the_batch_waits_with_both_ways_out(cloud: Workspace) -> None:
    choose(cloud)
    cloud.put("1.jpg")
    batch = cloud.close_batch()
    with pytest.raises(SettingsError, match="has no cloud storage for the bucket"):
        ingest(cloud, batch)
    assert "register it in CVAT, or set LABELYARD_CVAT__DEFAULT__CLOUD__CREDENTIALS" in (cloud.line().next_step or "")
    installation = Installation(cloud.context.settings, (cloud.spec,))
    found = {one.name: one for one in checks(installation)["CVAT default"](installation)}
    assert found[f"cloud storage of {cloud.bucket}"].status == "fail"
    choose(cloud, credentials="store")
    cloud.retry()
    ingest(cloud, batch)
    assert cloud.line().state == "assigned"


def test_a_registration_whose_response_was_lost_is_found(cloud: Workspace) -> None:
    cloud.set_faults({"on": "POST /api/cloudstorages", "cut": True, "when": "after", "times": 1})
    assert [cloud_storage(cloud.context, "default", cloud.bucket)] == storages(cloud)


def test_what_cvat_cannot_read_is_a_matter_of_settings(cloud: Workspace) -> None:
    with pytest.raises(SettingsError, match=r"cannot read the bucket nowhere-\d: resource: The resource nowhere"):
        cloud_storage(cloud.context, "default", "nowhere-1")


def test_a_missing_image_is_quarantined_before_the_upload_and_a_broken_one_after_cvat_names_it(
    cloud: Workspace,
) -> None:
    for number in range(3):
        cloud.put(f"{number}.jpg", picture(number))
    cloud.put("broken.jpg", b"\xff\xd8 no image")
    cloud.close_batch()
    cloud.s3.delete_object(Bucket=cloud.bucket, Key="in/0.jpg")
    for _ in range(2):  # a file that CVAT names is sent once more
        with pytest.raises(TaskDiscarded, match=r"broken\.jpg"):
            ingest(cloud)
        cloud.retry()
    ingest(cloud)
    assert cloud.frames() == ["in/1.jpg", "in/2.jpg"]
    [deleted], [broken] = cloud.objects("0.jpg"), cloud.objects("broken.jpg")
    assert "deleted or overwritten" in (deleted.quarantine_reason or "")
    assert "CVAT could not read it" in (broken.quarantine_reason or "")


def test_an_image_that_cvat_alone_cannot_read_for_a_while_is_not_quarantined(
    cloud: Workspace, store_server: StoreServer
) -> None:
    cloud.put("0.jpg")
    cloud.close_batch()
    with refusing(store_server.url) as store:
        choose(cloud, credentials="store", endpoint_url=store.url)
        store.keys["in/0.jpg"] = (503, "SlowDown", "Please reduce your request rate")
        for _ in range(2):
            with pytest.raises(TaskDiscarded, match=r"The file 'in/0\.jpg' not found"):
                ingest(cloud)
            cloud.retry()
        store.keys.clear()
        ingest(cloud)
    assert cloud.frames() == ["in/0.jpg"]


def test_with_inspection_damage_is_found_that_cvat_does_not_see(cloud: Workspace) -> None:
    cloud.apply(task={"upload": "cloud"})
    cloud.put("whole.jpg")
    cloud.put("cut.jpg", picture(5)[:-200])
    ingest(cloud, cloud.close_batch())
    assert cloud.frames() == ["in/whole.jpg"]
