"""`labelyard init` writes a first dataset file and `.env` that work; `labelyard apply` stores it in the ledger."""

from __future__ import annotations

import io
import os
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from labelyard.cli import COMMANDS, labelyard
from labelyard.cli.env_file import env_text
from labelyard.config.loading import read_spec
from labelyard.errors import InputError, LedgerBehind, SpecError
from labelyard.ledger import Ledger, datasets
from labelyard.settings import load_settings
from tests.support.dataset_files import GOOD

FLAGS = {
    "name": "street",
    "bucket": "street-raw",
    "labels": "car, no, 7",
    "annotators": "ada,ben",
    "cvat-url": "https://cvat.example.com/",
    "cvat-username": "worked",
}
ODD = "a'b\\ ${HOME} #\"$X é"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own to work in, and no settings from elsewhere."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("LABELYARD_"):
            monkeypatch.delenv(name)
    return tmp_path


def init(*more: str, answers: str | None = None, **changed: str | None) -> Result:
    flags = {**FLAGS, **{name.replace("_", "-"): value for name, value in changed.items()}}
    given_flags = [part for name, value in flags.items() if value is not None for part in (f"--{name}", value)]
    asked = [] if answers is not None else ["--no-questions"]
    return CliRunner().invoke(labelyard, ["init", *asked, *given_flags, *more], input=answers)


def test_what_it_writes_is_a_valid_dataset_file() -> None:
    result = init()
    assert result.exit_code == 0, result.output
    spec = read_spec(Path("datasets/street.yaml"))
    assert (spec.name, spec.sources[0].bucket, spec.sources[0].prefix) == ("street", "street-raw", "incoming/")
    assert [label.name for label in spec.task.labels] == ["car", "no", "7"]
    assert (spec.annotators, spec.export.prefix) == (("ada", "ben"), "datasets/street/")


def test_the_settings_read_what_was_given_whatever_the_password() -> None:
    Path("secrets").write_text(f"{ODD}\nkey of the store\n")
    assert init("--secrets", "secrets", store_url="http://127.0.0.1:9000", access_key_id="AK").exit_code == 0
    settings = load_settings()
    cvat = settings.cvat_named("default")
    assert (cvat.url, cvat.username) == ("https://cvat.example.com", "worked")
    assert cvat.password is not None
    assert cvat.password.get_secret_value() == ODD
    assert settings.store.endpoint_url == "http://127.0.0.1:9000"
    assert settings.store.secret_access_key is not None
    assert settings.store.secret_access_key.get_secret_value() == "key of the store"


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1) | st.text("${}:-'\\\"# aA", min_size=1))
def test_any_value_is_read_from_dotenv_as_it_was_written(value: str) -> None:
    assert dotenv_values(stream=io.StringIO(env_text({"A": value, "B": "2"}))) == {"A": value, "B": "2"}


def test_nobody_else_can_read_the_secrets(empty_folder: Path) -> None:
    before = os.umask(0)
    try:
        init()
    finally:
        os.umask(before)
    assert stat.S_IMODE((empty_folder / ".env").stat().st_mode) == 0o600
    assert sorted(path.name for path in empty_folder.iterdir()) == [".env", ".gitignore", "datasets"]


def test_git_ignores_the_secrets_and_keeps_what_it_ignored_before() -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    Path(".gitignore").write_text("*.log\n.labelyard/")
    assert "added .env\n" in init().output
    assert Path(".gitignore").read_text() == "*.log\n.labelyard/\n.env\n"
    assert subprocess.run(["git", "check-ignore", "-q", ".env"], check=False).returncode == 0
    init("--force")
    assert Path(".gitignore").read_text().count(".env") == 1


def test_what_no_flag_gives_is_asked_for_and_secrets_are_not_shown() -> None:
    answers = "in/\nout/\ns3cret-word\n\neu-central-1\nAK\nstore-secret\n\n"
    result = init(answers=answers)
    assert result.exit_code == 0, result.output
    assert "Its password?" in result.output
    assert "s3cret-word" not in result.output
    assert "store-secret" not in result.output
    settings = load_settings()
    assert settings.cvat["default"].password is not None
    assert settings.cvat["default"].password.get_secret_value() == "s3cret-word"
    assert (settings.store.region, settings.store.access_key_id) == ("eu-central-1", "AK")
    assert read_spec(Path("datasets/street.yaml")).export.prefix == "out/"


def test_a_wrong_answer_is_explained_and_asked_again() -> None:
    result = init(name=None, answers="My Street\nroad\n\n\n\n\n\n\n\n")
    assert result.exit_code == 0, result.output
    assert "Error: write up to 63 small letters" in result.output
    assert Path("datasets/road.yaml").is_file()


@pytest.mark.parametrize(
    ("flag", "value", "complaint"),
    [
        ("name", "My Street", "Invalid value for --name: write up to 63 small letters"),
        ("bucket", "s3://street-raw/in", "Invalid value for --bucket: write only the bucket's name, 'street-raw'"),
        ("bucket", None, "--bucket is missing: add it"),
        ("labels", " , ", "Invalid value for --labels: write at least one"),
        ("labels", "car,person, car", "Invalid value for --labels: 'car' occurs twice"),
        ("labels", "x" * 65, "Invalid value for --labels: has 65 characters"),
        ("cvat_url", "cvat.example.com", "Invalid value for --cvat-url: write only the address"),
        ("cvat_url", "https://me:pw@cvat.example.com", "Invalid value for --cvat-url: write only the address"),
    ],
)
def test_a_wrong_flag_is_named_and_nothing_is_written(
    empty_folder: Path, flag: str, value: str | None, complaint: str
) -> None:
    result = init(**{flag: value})
    assert result.exit_code == 2
    assert complaint in result.output
    assert list(empty_folder.iterdir()) == []


def test_answers_that_do_not_fit_together_write_nothing(empty_folder: Path) -> None:
    result = init(prefix="")
    assert isinstance(result.exception, InputError)
    assert "export.prefix: 'datasets/street/' overlaps the source s3://street-raw/" in str(result.exception)
    assert list(empty_folder.iterdir()) == []


def test_nothing_is_overwritten_unless_it_is_forced() -> None:
    init()
    Path("datasets/street.yaml").write_text("# mine\n")
    result = init(cvat_username="other")
    assert isinstance(result.exception, InputError)
    assert "labelyard init --force" in result.exception.next_step
    assert Path("datasets/street.yaml").read_text() == "# mine\n"
    assert init("--force", cvat_username="other").exit_code == 0
    assert load_settings().cvat["default"].username == "other"
    assert read_spec(Path("datasets/street.yaml")).name == "street"


def test_a_second_dataset_leaves_the_settings_alone() -> None:
    init()
    before = Path(".env").read_bytes()
    result = init(name="road", cvat_username="other")
    assert ".env: exists already, not changed" in result.output
    assert Path(".env").read_bytes() == before
    assert Path("datasets/road.yaml").is_file()


def test_it_ends_with_commands_that_exist() -> None:
    steps = [line.split() for line in init().output.partition("next:\n")[2].splitlines()]
    assert [step[1] for step in steps] == ["validate", "db", "apply", "notifications", "doctor", "up"]
    assert {step[1] for step in steps} <= set(COMMANDS)


# --- apply ------------------------------------------------------------------------------------------------------------


def apply(*files: str) -> Result:
    return CliRunner().invoke(labelyard, ["apply", *files])


def test_apply_stores_a_version_for_each_change(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELYARD_LEDGER", ledger_url)
    Path("street.yaml").write_text(GOOD)
    assert apply("street.yaml").output.startswith("street.yaml: street version 1\n")
    assert apply("street.yaml").output.startswith("street.yaml: street version 1, as before\n")
    Path("street.yaml").write_text(GOOD.replace("[ada]", "[ada, ben]"))
    assert apply("street.yaml").output.startswith("street.yaml: street version 2\n")
    ledger = Ledger(ledger_url)
    with ledger.read_only() as tx:
        assert datasets.spec(tx, "street") == read_spec(Path("street.yaml"))
        assert datasets.spec(tx, "street", 1).annotators == ("ada",)
    ledger.close()


def test_apply_names_the_cvat_that_the_settings_lack(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELYARD_LEDGER", ledger_url)
    Path("street.yaml").write_text(f"{GOOD}cvat: night-shift\n")
    assert "LABELYARD_CVAT__NIGHT_SHIFT__URL" in apply("street.yaml").output
    monkeypatch.setenv("LABELYARD_CVAT__NIGHT_SHIFT__URL", "http://127.0.0.1:1")
    assert "LABELYARD_CVAT" not in apply("street.yaml").output


def test_apply_names_a_source_that_another_dataset_has(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELYARD_LEDGER", ledger_url)
    Path("street.yaml").write_text(GOOD)
    assert "too" not in apply("street.yaml").output
    Path("road.yaml").write_text(GOOD.replace("name: street", "name: road"))
    source = read_spec(Path("street.yaml")).sources[0]
    reported = f"s3://{source.bucket}/{source.prefix} is also a source of street"
    rejected = apply("road.yaml").exception
    assert isinstance(rejected, SpecError)
    assert reported in str(rejected)
    assert "labelyard retire street if road replaces it" in rejected.next_step
    assert f"road: {reported}" in apply("--shared", "road.yaml").output
    assert f"road: {reported}" in apply("road.yaml").output  # it is no new one any more


def test_apply_stores_nothing_if_one_of_the_files_is_wrong(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELYARD_LEDGER", ledger_url)
    Path("street.yaml").write_text(GOOD)
    Path("road.yaml").write_text("name: road\n")
    assert isinstance(apply("street.yaml", "road.yaml").exception, SpecError)
    ledger = Ledger(ledger_url)
    with ledger.read_only() as tx:
        assert list(datasets.current(tx)) == []
    ledger.close()


def test_apply_without_a_ledger_names_the_command_that_makes_one(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELYARD_LEDGER", empty_database)
    Path("street.yaml").write_text(GOOD)
    result = apply("street.yaml")
    assert isinstance(result.exception, LedgerBehind)
    assert result.exception.next_step == "labelyard db upgrade"
