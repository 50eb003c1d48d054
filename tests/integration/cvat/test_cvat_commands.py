"""`labelyard cvat`: accounts, output and errors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cvat_sandbox import Serving, serve
from labelyard.cli import labelyard
from labelyard.cli.cvat import cvat as group
from labelyard.errors import LabelyardError
from tests.support.command_schemas import follow_schema
from tests.support.pictures import jpeg

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serve(["root:rootpass:superuser", "alex:pass12345!:staff,user"]) as serving:
        yield serving


@pytest.fixture
def run(server: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `labelyard cvat` as alex, with the CVAT `default` in the settings, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("LABELYARD_CVAT__DEFAULT__URL", server.url)
    monkeypatch.setenv("LABELYARD_CVAT__DEFAULT__USERNAME", "alex")
    monkeypatch.setenv("LABELYARD_CVAT__DEFAULT__PASSWORD", "pass12345!")

    def invoke(*words: str, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(labelyard, ["cvat", *words], input=stdin)
        if "--json" in words and result.exit_code == 0:
            command = next(word for word in words if word in group.commands)
            follow_schema(f"cvat {command}", json.loads(result.stdout))
        return result

    return invoke


def error_of(result: Result) -> LabelyardError:
    assert isinstance(result.exception, LabelyardError)
    return result.exception


def test_server_and_account_come_from_the_settings(run: Run) -> None:
    assert json.loads(run("whoami", "--json").stdout)["username"] == "alex"


def test_another_account_needs_its_own_password(run: Run) -> None:
    error = error_of(run("--username", "root", "whoami"))
    assert "no password for 'root'" in error.what
    assert "--password-file" in error.next_step


def test_a_password_comes_from_stdin(run: Run) -> None:
    result = run("--username", "root", "--password-file", "-", "whoami", "--json", stdin="rootpass\n")
    assert json.loads(result.stdout)["username"] == "root"


def test_a_token_replaces_a_password(run: Run, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(run("login").stdout)
    result = run("--url", "http://127.0.0.1:1", "--token-file", "token", "whoami")
    assert "CvatUnreachable" in repr(result.exception)
    assert json.loads(run("--token-file", "token", "whoami", "--json").stdout)["username"] == "alex"


def test_an_empty_password_file_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("")
    assert str(error_of(run("--username", "root", "--password-file", "pw", "whoami"))) == "pw: is empty"


def test_the_error_for_a_wrong_password_does_not_contain_it(run: Run) -> None:
    error = error_of(run("--username", "root", "--password-file", "-", "whoami", stdin="wr0ng-secret\n"))
    assert "user 'root': Unable to log in" in str(error)
    assert "wr0ng-secret" not in str(error)


def test_a_failed_login_names_the_options_to_check(run: Run, server: Serving) -> None:
    wrong = ("--username", "root", "--password-file", "-", "login")
    error = error_of(run("--url", server.url, *wrong, stdin="wrong\n"))
    assert error.next_step == f"check --url {server.url}, --username root, --password-file <stdin>"
    assert "--username root" in error_of(run(*wrong, stdin="wrong\n")).next_step
    error = error_of(run("--url", "http://127.0.0.1:1", *wrong, stdin="wrong\n"))
    assert error.next_step == "check --url http://127.0.0.1:1"
    error = error_of(run("--url", server.url, "login"))
    assert error.next_step == f"labelyard cvat --url {server.url} --username NAME --password-file FILE …"


def test_a_failed_login_with_the_settings_advises_doctor(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELYARD_CVAT__DEFAULT__PASSWORD", "wrong")
    assert error_of(run("login")).next_step == "labelyard doctor"


def test_no_option_takes_a_password_or_a_token() -> None:
    commands = [group, *group.commands.values()]
    options = [option for command in commands for parameter in command.params for option in parameter.opts]
    assert [name for name in options if "password" in name or "token" in name] == ["--password-file", "--token-file"]


def test_every_command_and_option_has_a_help_text() -> None:
    for command in (group, *group.commands.values()):
        assert command.help
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, f"{command.name} {parameter.name}"


def test_help_needs_no_settings(tmp_path: Path) -> None:
    result = CliRunner().invoke(labelyard, ["cvat", "upload", "--help"])
    assert result.exit_code == 0


def create_task(run: Run, folder: Path, name: str = "a task") -> int:
    (folder / "labels.json").write_text('[{"name": "car"}]')
    return int(json.loads(run("create", name, "--labels", "labels.json", "--json").stdout)["id"])


def test_labels_are_checked_before_a_task_is_created(run: Run, tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('[{"name": "car"}, {"name": "car"}]')
    assert "'car' appears twice" in error_of(run("create", "never", "--labels", "labels.json")).what
    (tmp_path / "labels.json").write_text('[{"name": "car", "colour": "red"}]')
    assert "the key 'colour' is unknown" in error_of(run("create", "never", "--labels", "labels.json")).what
    (tmp_path / "labels.json").write_text("car")
    assert "labels.json: is not valid JSON" in str(error_of(run("create", "never", "--labels", "labels.json")))
    assert json.loads(run("tasks", "--name", "never", "--json").stdout) == []


def test_a_second_upload_is_rejected_since_it_would_add_jobs(run: Run, tmp_path: Path) -> None:
    task = create_task(run, tmp_path)
    (tmp_path / "a.jpg").write_bytes(jpeg())
    assert run("upload", str(task), "a.jpg").exit_code == 0
    assert "has data already (1 frames)" in error_of(run("upload", str(task), "a.jpg")).what
    assert len(json.loads(run("jobs", str(task), "--json").stdout)) == 1


def test_a_missing_file_is_named_before_anything_is_sent(run: Run, tmp_path: Path) -> None:
    task = create_task(run, tmp_path)
    assert str(error_of(run("upload", str(task), "none.jpg"))) == "none.jpg: is not a file"
    assert not json.loads(run("task", str(task), "--json").stdout)["received"]


def test_a_damaged_image_fails_with_the_servers_message(run: Run, tmp_path: Path) -> None:
    task = create_task(run, tmp_path)
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    error = error_of(run("upload", str(task), "bad.jpg"))
    assert "cannot identify image file" in error.what
    assert f"task {task}" in error.where


def test_the_error_for_an_unknown_user_lists_the_known_ones(run: Run, tmp_path: Path) -> None:
    task = create_task(run, tmp_path)
    (tmp_path / "a.jpg").write_bytes(jpeg())
    run("upload", str(task), "a.jpg")
    job = str(json.loads(run("jobs", str(task), "--json").stdout)[0]["id"])
    assert "no user 'nobody' (known: root, alex)" in error_of(run("assign", job, "nobody")).what
    assigned = json.loads(run("assign", job, "root", "--json").stdout)
    assert (assigned["assignee"], assigned["assignee_name"]) == (1, "root")
    assert run("jobs", str(task)).stdout.splitlines()[-2].split()[-2] == "root"
    run("patch", str(task), "--assignee", "alex")
    printed = json.loads(run("task", str(task), "--json").stdout)
    assert [(one["assignee"], one["assignee_name"]) for one in (printed, *printed["jobs"])] == [
        (2, "alex"),
        (1, "root"),
    ]
    table = run("task", str(task)).stdout
    assert ("alex" in table, "root" in table) == (True, True)
    assert json.loads(run("assign", job, "-", "--json").stdout)["assignee"] is None


def test_annotations_are_created_once_however_often_they_are_sent(run: Run, tmp_path: Path) -> None:
    task = create_task(run, tmp_path)
    (tmp_path / "a.jpg").write_bytes(jpeg())
    printed = json.loads(run("upload", str(task), "a.jpg", "--json").stdout)
    job, label = str(printed["jobs"][0]["id"]), printed["labels"][0]["id"]
    shape = {"type": "rectangle", "occluded": False, "z_order": 0, "points": [1, 2, 3, 4], "frame": 0, "group": 0}
    (tmp_path / "new.json").write_text(json.dumps({"shapes": [shape | {"label_id": label, "attributes": []}]}))
    for _ in range(2):
        created = json.loads(run("annotations", job, "--create", "new.json", "--json").stdout)
    assert len(json.loads(run("annotations", str(task), "--task", "--json").stdout)["shapes"]) == 1
    (tmp_path / "old.json").write_text(json.dumps({"shapes": [created["shapes"][0]]}))
    both = error_of(run("annotations", job, "--create", "new.json", "--delete", "old.json"))
    assert "one of" in both.what


def test_a_deletion_says_what_it_deleted_and_a_second_one_that_there_was_nothing(run: Run, tmp_path: Path) -> None:
    task = create_task(run, tmp_path)
    (tmp_path / "a.jpg").write_bytes(jpeg())
    printed = json.loads(run("upload", str(task), "a.jpg", "--json").stdout)
    job, label = str(printed["jobs"][0]["id"]), printed["labels"][0]["id"]
    shape = {"type": "rectangle", "occluded": False, "z_order": 0, "frame": 0, "group": 0, "label_id": label}
    shapes = [shape | {"points": [x, 2, 30, 40], "attributes": []} for x in (1, 2)]
    (tmp_path / "new.json").write_text(json.dumps({"shapes": shapes}))
    created = json.loads(run("annotations", job, "--create", "new.json", "--json").stdout)["shapes"]
    (tmp_path / "old.json").write_text(json.dumps({"shapes": created[:1]}))
    deleted = run("annotations", job, "--delete", "old.json", "--json")
    assert json.loads(deleted.stdout)["shapes"] == created[1:]  # what is left, not what was asked for
    assert f"deleted 1 of the 1 given annotations of job {job}" in deleted.stderr
    before = json.loads(run("task", str(task), "--json").stdout)["updated"]
    again = run("annotations", job, "--delete", "old.json")
    assert f"deleted 0 of the 1 given annotations of job {job}" in again.stderr
    assert again.stdout.splitlines()[0] == "1 shapes, 0 tracks, 0 tags"
    assert json.loads(run("task", str(task), "--json").stdout)["updated"] == before  # nothing was sent


def test_tables_print_names_without_control_characters(run: Run, tmp_path: Path) -> None:
    create_task(run, tmp_path, "odd \x1b[31m[red]name[/red]")
    table = run("tasks", "--name", "odd").stdout
    assert "\x1b" not in table
    assert "[red]name[/red]" in table


def test_an_export_is_written_to_a_file_of_its_task(run: Run, tmp_path: Path) -> None:
    task = create_task(run, tmp_path)
    (tmp_path / "a.jpg").write_bytes(jpeg())
    run("upload", str(task), "a.jpg")
    assert run("export", str(task)).stdout.strip() == f"task-{task}.zip"
    assert (tmp_path / f"task-{task}.zip").stat().st_size > 100


def test_an_error_is_one_line_and_exit_status_one(server: Serving) -> None:
    words = [sys.executable, "-c", "from labelyard.cli import main; main()", "cvat", "--url", server.url, "task", "1"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("labelyard: ")
    assert "Traceback" not in done.stderr
