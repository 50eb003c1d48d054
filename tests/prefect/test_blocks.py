"""Blocks of a real Prefect server as settings: their types, what is read, and what is said about a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from labelyard.blocks import complete
from labelyard.cli import labelyard
from labelyard.errors import PrefectUnreachable, SettingsError
from labelyard.orchestration.block_types import CvatBlock, StoreBlock, register_block_types
from labelyard.orchestration.block_values import read_block
from labelyard.server_settings import CVAT_FIELDS, STORE_FIELDS, CvatSettings
from labelyard.settings import Settings
from labelyard.supervisor.stack import free_ports
from tests.support.prefect_server import PrefectServer

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def server(prefect_server: PrefectServer) -> Iterator[PrefectServer]:
    """The server with the types of blocks."""
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        register_block_types()
        yield prefect_server


@pytest.fixture
def name() -> str:
    return f"street-{uuid4().hex[:8]}"


def settings(server: PrefectServer, block: str) -> Settings:
    return Settings(prefect_api_url=server.api_url, cvat={"default": CvatSettings(block=block)})


def test_the_types_are_registered_once_with_a_form_that_explains_every_field(server: PrefectServer) -> None:
    before = [server.call("GET", f"/block_types/slug/{slug}") for slug in ("labelyard-cvat", "labelyard-store")]
    register_block_types()
    assert [server.call("GET", f"/block_types/slug/{one['slug']}")["id"] for one in before] == [
        one["id"] for one in before
    ]
    for block_type, fields, secrets in zip(
        before, (CVAT_FIELDS, STORE_FIELDS), (["token", "password"], ["secret_access_key"]), strict=True
    ):
        asked = {"block_schemas": {"block_type_id": {"any_": [block_type["id"]]}}}
        (schema,) = server.call("POST", "/block_schemas/filter", asked)
        form = schema["fields"]
        assert set(form["properties"]) == set(fields)
        assert all(one.get("description") and one["title"] for one in form["properties"].values()), form
        assert form["secret_fields"] == secrets


def test_a_block_is_read_with_its_secrets_and_once_per_process(server: PrefectServer, name: str) -> None:
    block = CvatBlock(url="http://cvat.example.com", token=SecretStr("s3cret"), username="")
    block.save(name)
    read = complete(settings(server, name)).cvat["default"]
    assert (read.url, read.username, read.dialect, read.organization) == ("http://cvat.example.com", "", "auto", "")
    assert read.token is not None
    assert read.token.get_secret_value() == "s3cret"
    CvatBlock(url="http://other.example.com", token=SecretStr("x")).save(name, overwrite=True)
    assert complete(settings(server, name)).cvat["default"].url == "http://cvat.example.com"


def test_a_wrong_name_a_wrong_type_and_a_missing_field_are_named(server: PrefectServer, name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        complete(settings(server, name))
    assert str(caught.value) == (
        f"block labelyard-cvat/{name}: Prefect has no such block\n  next: create one of the type labelyard-cvat in "
        "Prefect's UI, below Blocks, or correct the setting that names it"
    )
    StoreBlock(region="eu-central-1").save(name)
    with pytest.raises(SettingsError, match=f"the block {name} is of another type: labelyard-store"):
        complete(settings(server, name))
    CvatBlock(url="http://cvat.example.com").save(name)  # blocks of two types may have the same name
    with pytest.raises(SettingsError, match="token: write one, or username and password"):
        complete(settings(server, name))
    with pytest.raises(SettingsError, match="Prefect does not know this type of block"):
        read_block(settings(server, name), "labelyard-nothing", name)


def test_without_prefect_nothing_is_read() -> None:
    away = Settings(
        prefect_api_url=f"http://127.0.0.1:{free_ports(1)[0]}/api", cvat={"default": CvatSettings(block="street-cvat")}
    )
    with pytest.raises(PrefectUnreachable, match="no answer"):
        complete(away)


def test_doctor_names_a_block_that_cannot_be_read_and_warns_of_secrets_without_a_login(
    server: PrefectServer, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CvatBlock(url="http://cvat.example.com").save(name)
    monkeypatch.chdir(tmp_path)
    environment = {"PREFECT_API_URL": server.api_url, "LABELYARD_CVAT__DEFAULT__BLOCK": name}
    result = CliRunner().invoke(labelyard, ["doctor"], env=environment)
    assert f"block labelyard-cvat/{name}: token: write one" in result.output
    assert "next: correct it in Prefect's UI, below Blocks" in result.output
    warned = next(line for line in result.output.splitlines() if "everybody who can connect to it can read" in line)
    assert f"labelyard-cvat/{name}" in warned
    assert "CVAT default" not in result.output
