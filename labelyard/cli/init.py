"""`labelyard init`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from labelyard.cli.answers import Answers, each, parts, typed
from labelyard.cli.env_file import Notifications, ask_variables, env_text
from labelyard.config import DatasetSpec
from labelyard.config.fields import Bucket, Caption, Folder, Name, Person, Prefix
from labelyard.config.loading import parse_spec
from labelyard.domain.objects import s3_url
from labelyard.errors import InputError, SettingsError, SpecError
from labelyard.settings import load_settings
from labelyard.watch_settings import WatchSettings

ENV = Path(".env")
_IGNORED = (".env", ".labelyard/")


@click.command()
@click.option("--name", help="The dataset's name.")
@click.option("--bucket", help="The bucket of new images.")
@click.option("--prefix", help="The prefix of their keys.")
@click.option("--labels", help="The labels, separated by commas.")
@click.option("--annotators", help="CVAT user names, separated by commas.")
@click.option("--export-prefix", help="The folder of the bucket for exports.")
@click.option("--cvat-url", help="The address of CVAT.")
@click.option("--cvat-username", help="The CVAT account that creates tasks.")
@click.option("--store-url", help="The address of the object storage; empty for AWS.")
@click.option("--region", help="The region of the object storage.")
@click.option("--access-key-id", help="For the object storage; empty for boto3's own sources (profile, role, …).")
@click.option(
    "--notifications",
    type=click.Choice([kind.value for kind in Notifications]),
    help="How the storage notifies of new files: the SQS of AWS, another SQS, NATS, a webhook, or not at all.",
)
@click.option("--sqs-url", help="The address of the other SQS; by default that of the object storage.")
@click.option("--queue-url", help="The address of the queue, such as nats://nats.example.com:4222.")
@click.option("--webhook-host", help="The address that the webhook listens on; 0.0.0.0 for other machines.")
@click.option(
    "--secrets",
    type=click.File(encoding="utf-8"),
    help="A file with two lines: CVAT's password and the storage's secret key; - is standard input.",
)
@click.option("--file", "path", type=click.Path(path_type=Path), help="The dataset file [default: datasets/NAME.yaml].")
@click.option("--no-questions", is_flag=True, help="Ask nothing; use defaults for missing flags.")
@click.option("--force", is_flag=True, help="Overwrite the dataset file and .env.")
def init(*, path: Path | None, secrets: Any, no_questions: bool, force: bool, **given: str | None) -> None:
    """Write a first dataset file and .env, and show the next commands.

    Existing files are overwritten only with --force. Passwords are asked for or read from --secrets, because other
    users of the machine can read flags.
    """
    answers = Answers(asking=not no_questions)
    name = answers.one("name", given["name"], "What is the dataset called?", typed(Name))
    path = path or Path("datasets") / f"{name}.yaml"
    _require_new_file(path, force=force)
    text = dataset_text(_dataset(name, answers, given))
    spec = _validated(text, path)
    new_env = force or not ENV.exists()
    variables = ask_variables(answers, given, secrets) if new_env else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, text, 0o644)
    if new_env:
        _write(ENV, env_text(variables), 0o600)
    ignored = _ignore(_IGNORED)
    click.echo(f"{path}: written")
    click.echo(f"{ENV}: {'written, readable only by you (0600)' if new_env else 'exists already, not changed'}")
    click.echo(f".gitignore: {'added ' + ', '.join(ignored) if ignored else 'ignores it already'}")
    _show_next_commands(spec, path)


def _require_new_file(path: Path, *, force: bool) -> None:
    if path.exists() and not force:
        raise InputError(
            "already exists",
            where=str(path),
            next_step=f"labelyard validate {path}, or labelyard init --force to overwrite it",
        )


def _dataset(name: str, answers: Answers, given: dict[str, str | None]) -> dict[str, Any]:
    one = answers.one
    bucket = one("bucket", given["bucket"], "Which bucket receives the images?", typed(Bucket))
    prefix = one("prefix", given["prefix"], "With what prefix?", typed(Prefix), "incoming/")
    labels = one("labels", given["labels"], "Which labels (separated by commas)?", each(Caption))
    people = one("annotators", given["annotators"], "Which CVAT users label (separated by commas)?", each(Person))
    default = f"datasets/{name}/"
    export = one("export-prefix", given["export_prefix"], "Which folder is for exports?", typed(Folder), default)
    return {
        "name": name,
        "sources": [{"bucket": bucket, "prefix": prefix}],
        "task": {"labels": parts(labels)},
        "annotators": parts(people),
        "export": {"prefix": export},
    }


def dataset_text(dataset: dict[str, Any]) -> str:
    """Return the text of a dataset file with the given fields and those that people change most often."""
    source, task, export = dataset["sources"][0], dataset["task"], dataset["export"]
    labels = "\n".join(f"    - {_yaml(label)}" for label in task["labels"])
    return f"""\
# A dataset of labelyard. docs/dataset-file.md explains every field; `labelyard schema` is for editors.
name: {_yaml(dataset["name"])}

sources:
  - bucket: {_yaml(source["bucket"])}
    prefix: {_yaml(source["prefix"])}

# A batch closes at the first of these conditions and becomes one CVAT task.
batch:
  max_objects: 100
  quiet: 2m
  max_age: 1h

task:
  labels:
{labels}
  segment_size: 25 # images per job

annotators: {_yaml(dataset["annotators"])}

export:
  prefix: {_yaml(export["prefix"])}
"""


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=2**20).removesuffix("...\n").strip()


def _validated(text: str, path: Path) -> DatasetSpec:
    try:
        return parse_spec(text.encode(), str(path))
    except SpecError as error:
        raise InputError(
            f"these answers are not a valid dataset file:\n{error.what}", next_step="labelyard init again"
        ) from None


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file atomically, with `mode` from the start."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def _ignore(names: Iterable[str]) -> list[str]:
    """Add names to .gitignore that it does not ignore yet, and return them."""
    gitignore = Path(".gitignore")
    lines = gitignore.read_text().splitlines() if gitignore.exists() else []
    missing = [name for name in names if not {name, f"/{name}"} & set(lines) or f"!{name}" in lines]
    if missing:
        gitignore.write_text("\n".join([*lines, *missing, ""]))
    return missing


def _show_next_commands(spec: DatasetSpec, path: Path) -> None:
    watch = _watch_settings()
    steps = dict(_steps(spec, path, watch))
    width = max(map(len, steps))
    click.echo("\nnext:\n" + "\n".join(f"  {step:{width}}  # {why}" for step, why in steps.items()))
    if watch.webhook:
        click.echo(_how_to_post(spec, watch))


def _watch_settings() -> WatchSettings:
    """Return the watcher's settings, of an older `.env` too, whose errors another command reports."""
    try:
        return load_settings().watch
    except SettingsError:
        return WatchSettings()


def _steps(spec: DatasetSpec, path: Path, watch: WatchSettings) -> Iterator[tuple[str, str]]:
    yield f"labelyard validate {path}", "after every change of the file"
    yield "labelyard db upgrade", "create the ledger"
    yield f"labelyard apply {path}", "store the dataset in it"
    if not (watch.webhook or watch.sweep_only):
        yield f"labelyard notifications {spec.name} --apply", "send the bucket's notifications to the queue"
    yield "labelyard doctor", "check everything; Prefect and the watcher start with the next step"
    yield "labelyard up", "run everything until Ctrl-C"


def _how_to_post(spec: DatasetSpec, watch: WatchSettings) -> str:
    """Return how MinIO and Ceph are told to post notifications. The token stays in `.env`."""
    source = spec.sources[0]
    url = f"http://{watch.host}:{watch.port}/notify"
    return (
        f"\nlet the store post what happens in {s3_url(source.bucket, source.prefix)} to {url} (or the address by\n"
        "which it reaches this machine), with the token LABELYARD_WATCH__WEBHOOK_TOKEN of .env. For MinIO:\n"
        f"  mc admin config set ALIAS notify_webhook:labelyard endpoint={url} auth_token=TOKEN\n"
        "  mc admin service restart ALIAS\n"
        f"  mc event add ALIAS/{source.bucket} arn:minio:sqs::labelyard:webhook --event put,delete"
        + (f" --prefix {source.prefix}" if source.prefix else "")
        + f"\nFor Ceph, which sends no headers: a topic with the push-endpoint {url}/TOKEN"
    )
