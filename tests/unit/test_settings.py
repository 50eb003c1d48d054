"""Settings: a wrong one is an error that names the variable and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelyard.errors import SettingsError
from labelyard.settings import load_settings


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LABELYARD_LEASE_SECONDS", "ten", "LABELYARD_LEASE_SECONDS: Input should be a valid number"),
        ("LABELYARD_STORE__ADDRESSING_STYLE", "paths", "Input should be 'auto', 'path' or 'virtual'"),
        ("LABELYARD_WATCH__PROT", "1", "LABELYARD_WATCH__PROT: there is no such setting"),
        ("LABELYARD_WACTH__PORT", "1", "LABELYARD_WACTH__PORT: there is no such setting: write LABELYARD_WATCH__PORT"),
        ("LABELYARD_WATCH__NATS__PASSWORD", "s3cret", "LABELYARD_WATCH__NATS: set both USERNAME and PASSWORD"),
        ("LABELYARD_WATCH__NATS__STREAM", "a.b", "LABELYARD_WATCH__NATS__STREAM: String should match"),
        ("LABELYARD_LEASE_SECOND", "1", "there is no such setting: write LABELYARD_LEASE_SECONDS"),
        ("LABELYARD_QUITE_ELSE", "1", "LABELYARD_QUITE_ELSE: there is no such setting"),
        ("LABELYARD_CVAT__DEFAULT__URL", "cvat", "write an address such as https://cvat.example.com"),
        (
            "LABELYARD_CVAT__DEFAULT__WEBHOOK__SECRET",
            "s3cret",
            "DEFAULT__WEBHOOK__SECRET: Value should",
        ),
        (
            "LABELYARD_DEPLOY__HEARTBEAT_TIMEOUT_SECONDS",
            "300",
            "write at least 360, twice PREFECT_FLOWS_HEARTBEAT_FREQUENCY",
        ),
        ("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "301", "LABELYARD_DEPLOY__HEARTBEAT_TIMEOUT_SECONDS: write at least 602"),
        ("LABELYARD_CVAT__DEFAULT__URL", "http://me:s3cret@cvat.example.com", "LABELYARD_CVAT__DEFAULT__URL: write"),
    ],
)
@pytest.mark.parametrize("in_file", [False, True])
def test_an_error_names_the_wrong_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str, *, in_file: bool
) -> None:
    if in_file:
        Path(".env").write_text(f"{name}={value}\n")
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert message in caught.value.what
    assert "s3cret" not in str(caught.value)
    assert "docs/settings.md" in caught.value.next_step


def test_settings_of_any_cvat_name_are_read_and_other_variables_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELYARD_CVAT__NIGHT_SHIFT__URL", "http://127.0.0.1:8080/")
    monkeypatch.setenv("LABELYARD_LEASE_SECONDS", "5")
    monkeypatch.setenv("SOMEBODY_ELSE", "x")
    assert load_settings().cvat["night_shift"].url == "http://127.0.0.1:8080/"


def test_a_short_heartbeat_timeout_is_accepted_with_as_many_more_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
    monkeypatch.setenv("LABELYARD_DEPLOY__HEARTBEAT_TIMEOUT_SECONDS", "60")
    assert load_settings().deploy.heartbeat_timeout_seconds == 60


@pytest.mark.parametrize(
    ("auth_string", "key", "header"),
    [
        ("me:a:b", None, "Basic bWU6YTpi"),
        ("me:ä", "k", "Basic bWU6w6Q="),
        (None, "pnu_1", "Bearer pnu_1"),
        ("", "pnu_1", "Bearer pnu_1"),
        ("", "", None),
        (None, None, None),
    ],
)
def test_the_login_to_prefect_is_the_one_that_its_own_client_sends(
    monkeypatch: pytest.MonkeyPatch, auth_string: str | None, key: str | None, header: str | None
) -> None:
    for name, value in (("PREFECT_API_AUTH_STRING", auth_string), ("PREFECT_API_KEY", key)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert load_settings().prefect_login() == ({"Authorization": header} if header else {})


def test_a_webhook_needs_both_an_address_and_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELYARD_CVAT__DEFAULT__URL", "https://cvat.example.com")
    monkeypatch.setenv("LABELYARD_CVAT__DEFAULT__WEBHOOK__SECRET", "s3cret" * 4)
    with pytest.raises(SettingsError, match="WEBHOOK: set both URL and SECRET") as caught:
        load_settings()
    assert "s3cret" not in str(caught.value)
