"""The two interfaces of the client, Python and the shell, with the same methods, which return the model's JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from click.testing import CliRunner

from labelyard.cli import labelyard
from labelyard.cli.cvat_output import to_json_values
from labelyard.cvat import Cvat, connect, create_annotations, update_annotations
from labelyard.cvat.raw_json import parse_annotations, parse_labels
from labelyard.domain.tasks import DataSpec, JobStatus, Receipt, TaskSpec, UploadFile
from tests.support.pictures import jpeg


class PythonCaller:
    """Calls the client as a program does."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder
        self._cvat: Cvat = connect(url, username="alex", password="pass12345!")

    def login(self) -> str:
        return self._cvat.login().get_secret_value()

    def logout(self) -> None:
        self._cvat.logout()

    def register(self, username: str, password: str, email: str) -> None:
        connect(self._url).register(username, password, email=email)

    def whoami(self) -> Any:
        return to_json_values(self._cvat.whoami())

    def users(self) -> Any:
        return to_json_values(self._cvat.users())

    def create(self, body: Any) -> Any:
        spec = TaskSpec(body["name"], parse_labels(body["labels"]), z_order=body["z_order"])
        return to_json_values(self._cvat.create_task(spec))

    def upload(self, task_id: int, names: list[str], quality: int) -> None:
        content = jpeg()
        files = [UploadFile(name, len(content), self._write(name, content)) for name in names]
        self._cvat.upload(task_id, files, DataSpec(quality))

    def _write(self, name: str, content: bytes) -> Callable[[], BinaryIO]:
        path = self._folder / name
        path.write_bytes(content)
        return lambda: path.open("rb")

    def status(self, task_id: int) -> Any:
        return to_json_values(self._cvat.creation(Receipt(task_id)))

    def frames(self, task_id: int) -> Any:
        return to_json_values(self._cvat.frames(task_id))

    def tasks(self) -> Any:
        return to_json_values(list(self._cvat.tasks()))

    def task(self, task_id: int) -> Any:
        return to_json_values(self._cvat.task(task_id))

    def git(self, task_id: int) -> Any:
        return to_json_values(self._cvat.git_repository(task_id))

    def patch(self, task_id: int, body: Any) -> Any:
        labels = parse_labels(body["labels"])
        kept = {name: body[name] for name in ("name", "assignee", "bug_tracker", "z_order")}
        return to_json_values(self._cvat.patch_task(task_id, labels=labels, **kept))

    def patch_job(self, job_id: int, body: Any) -> Any:
        self._cvat.assign(job_id, body["assignee"])
        return to_json_values(self._cvat.set_job_status(job_id, JobStatus(body["status"])))

    def annotations(self, job_id: int) -> Any:
        return to_json_values(self._cvat.annotations(job_id))

    def create_annotations(self, job_id: int, body: Any) -> Any:
        return to_json_values(create_annotations(self._cvat, job_id, parse_annotations(body)))

    def update_annotations(self, job_id: int, body: Any) -> Any:
        update_annotations(self._cvat, job_id, parse_annotations(body))
        return to_json_values(parse_annotations(body))

    def export(self, task_id: int, to: Path) -> None:
        self._cvat.export(task_id, to)


class ShellCaller:
    """Calls `labelyard cvat …`, with a password file and --json."""

    def __init__(self, url: str, folder: Path) -> None:
        self._folder = folder
        password = folder / "password"
        password.write_text("pass12345!\n")
        self._start = ["cvat", "--url", url]
        self._as_alex = [*self._start, "--username", "alex", "--password-file", str(password)]

    def run(self, *words: str, start: list[str] | None = None) -> Any:
        done = CliRunner().invoke(labelyard, [*(start or self._as_alex), *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout) if "--json" in words else done.stdout

    def _json_file(self, name: str, body: Any) -> str:
        path = self._folder / name
        path.write_text(json.dumps(body))
        return str(path)

    def login(self) -> str:
        return str(self.run("login", "--json"))

    def logout(self) -> None:
        self.run("logout")

    def register(self, username: str, password: str, email: str) -> None:
        path = self._folder / "new-password"
        path.write_text(password)
        self.run("register", username, "--email", email, start=[*self._start, "--password-file", str(path)])

    def whoami(self) -> Any:
        return self.run("whoami", "--json")

    def users(self) -> Any:
        return self.run("users", "--json")

    def create(self, body: Any) -> Any:
        z_order = ["--z-order"] if body["z_order"] else []
        return self.run(
            "create", body["name"], "--labels", self._json_file("labels.json", body["labels"]), *z_order, "--json"
        )

    def upload(self, task_id: int, names: list[str], quality: int) -> None:
        paths = [self._folder / name for name in names]
        for path in paths:
            path.write_bytes(jpeg())
        self.run("upload", str(task_id), *map(str, paths), "--image-quality", str(quality))

    def status(self, task_id: int) -> Any:
        return self.run("status", str(task_id), "--json")

    def frames(self, task_id: int) -> Any:
        return self.run("frames", str(task_id), "--json")

    def tasks(self) -> Any:
        return self.run("tasks", "--json")

    def task(self, task_id: int) -> Any:
        return self.run("task", str(task_id), "--json")

    def git(self, task_id: int) -> Any:
        return self.run("git", str(task_id), "--json")

    def patch(self, task_id: int, body: Any) -> Any:
        words = ["--name", body["name"], "--assignee", str(body["assignee"]), "--bug-tracker", body["bug_tracker"]]
        words += ["--z-order" if body["z_order"] else "--no-z-order"]
        return self.run(
            "patch", str(task_id), *words, "--labels", self._json_file("labels.json", body["labels"]), "--json"
        )

    def patch_job(self, job_id: int, body: Any) -> Any:
        return self.run("assign", str(job_id), str(body["assignee"]), "--status", body["status"], "--json")

    def annotations(self, job_id: int) -> Any:
        return self.run("annotations", str(job_id), "--json")

    def create_annotations(self, job_id: int, body: Any) -> Any:
        return self.run("annotations", str(job_id), "--create", self._json_file("new.json", body), "--json")

    def update_annotations(self, job_id: int, body: Any) -> Any:
        return self.run("annotations", str(job_id), "--update", self._json_file("changed.json", body), "--json")

    def export(self, task_id: int, to: Path) -> None:
        self.run("export", str(task_id), "--to", str(to))


Caller = PythonCaller | ShellCaller
