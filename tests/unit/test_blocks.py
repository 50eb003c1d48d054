"""Blocks as settings: a whole configuration or an error, never a mixture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from labelyard import blocks
from labelyard.blocks import complete, complete_each
from labelyard.errors import LabelyardError, PrefectUnreachable, SettingsError
from labelyard.settings import Settings, load_settings
from labelyard.storage import Store

CVAT = {"url": "https://cvat.example.com", "token": "s3cret"}
STORE = {"region": "eu-central-1", "access_key_id": "id", "secret_access_key": "s3cret"}


@pytest.fixture(autouse=True)
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose settings name a block for its CVAT and one for its store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABELYARD_CVAT__NIGHT__BLOCK", "street-cvat")
    monkeypatch.setenv("LABELYARD_CVAT__NIGHT__TIMEOUT_SECONDS", "5")
    monkeypatch.setenv("LABELYARD_STORE__BLOCK", "street-bucket")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, Mapping[str, object] | LabelyardError]:
    """What reading a block gives, by type and name."""
    found: dict[str, Mapping[str, object] | LabelyardError] = {
        "labelyard-cvat/street-cvat": CVAT,
        "labelyard-store/street-bucket": STORE,
    }

    def read(_settings: Settings, block_type: str, name: str) -> Mapping[str, object]:
        value = found[f"{block_type}/{name}"]
        if isinstance(value, LabelyardError):
            raise value
        return value

    monkeypatch.setattr(blocks, "_readers", [read])
    return found


def test_blocks_stand_for_the_variables_and_the_others_stay(found: object) -> None:
    settings = complete(load_settings())
    assert (settings.cvat["night"].url, settings.cvat["night"].timeout_seconds) == ("https://cvat.example.com", 5)
    assert settings.cvat_named("night/acme").organization == "acme"
    assert settings.cvat["night"].token is not None
    assert settings.cvat["night"].token.get_secret_value() == "s3cret"
    assert settings.store.access_key_id == "id"
    assert (settings.cvat["night"].block, settings.store.block) == (None, None)
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"token": "s3cret"}, "url: it is missing"),
        ({**CVAT, "url": "s3cret.example.com/path"}, "url: String should match pattern"),
        ({"url": CVAT["url"], "username": "boss"}, "token: write one, or username and password"),
        ({**CVAT, "dialect": "v3"}, "dialect: Input should be 'auto', 'v1' or 'v2'"),
        ({**CVAT, "region": "s3cret"}, "region: this labelyard knows no such field"),
    ],
)
def test_an_error_names_the_block_and_the_field_and_no_value(
    found: dict[str, Mapping[str, object]], values: Mapping[str, object], wrong: str
) -> None:
    found["labelyard-cvat/street-cvat"] = values
    with pytest.raises(SettingsError) as caught:
        complete(load_settings())
    assert caught.value.where == "block labelyard-cvat/street-cvat"
    assert caught.value.what.startswith(wrong)
    assert "below Blocks" in caught.value.next_step
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("half", ["access_key_id", "secret_access_key"])
def test_half_a_key_of_the_store_is_an_error(found: dict[str, Mapping[str, object]], half: str) -> None:
    found["labelyard-store/street-bucket"] = {half: STORE[half]}
    (other,) = {"access_key_id", "secret_access_key"} - {half}
    with pytest.raises(SettingsError, match=f"{other}: it is missing"):
        complete(load_settings())
    found["labelyard-store/street-bucket"] = {}  # boto3's own sources have them
    assert complete(load_settings()).store.access_key_id is None


def test_what_was_not_read_is_never_used(found: dict[str, Mapping[str, object] | LabelyardError]) -> None:
    found["labelyard-cvat/street-cvat"] = PrefectUnreachable("no answer")
    with pytest.raises(PrefectUnreachable):
        complete(load_settings())
    settings, errors = complete_each(load_settings())
    assert [error.what for error in errors] == ["no answer"]
    assert settings.store.region == "eu-central-1"
    with pytest.raises(SettingsError, match="the block street-cvat was not read"):
        settings.cvat_named("night")
    with pytest.raises(SettingsError, match="the block street-bucket was not read"):
        next(iter(Store(load_settings().store).list("bucket", "")))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LABELYARD_CVAT__NIGHT__URL", "https://cvat.example.com", "LABELYARD_CVAT__NIGHT: its BLOCK has URL"),
        ("LABELYARD_STORE__REGION", "eu-central-1", "LABELYARD_STORE: its BLOCK has REGION: delete these variables"),
        ("LABELYARD_CVAT__DAY__USERNAME", "boss", "LABELYARD_CVAT__DAY: write its URL, or the BLOCK of Prefect"),
        ("LABELYARD_STORE__BLOCK", "labelyard-store/x", "LABELYARD_STORE__BLOCK: String should match pattern"),
    ],
)
def test_a_value_stands_in_one_place(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert message in caught.value.what
