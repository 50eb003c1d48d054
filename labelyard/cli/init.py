"""`labelyard init`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import TypeAdapter, ValidationError

from labelyard.config import DatasetSpec, parse_spec
from labelyard.config.fields import Bucket, Caption, Folder, Name, Person, Prefix
from labelyard.errors import InputError, SpecError
from labelyard.settings import ADDRESS

ENV = Path(".env")
_IGNORED = (".env", ".labelyard/")


_Check = Callable[[str], str]
"""Return a text as it will be written, or raise ValueError with what to write instead."""


def _typed(kind: Any) -> _Check:
    return TypeAdapter(kind).validate_python


def _each(kind: Any) -> _Check:
    def check(text: str) -> str:
        parts = _parts(text)
        if not parts:
            raise ValueError("write at least one")
        if repeated := next((part for part in parts if parts.count(part) > 1), None):
            raise ValueError(f"{repeated!r} occurs twice: write it once")
        return ",".join(map(_typed(kind), _parts(text)))

    return check


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


@dataclass
class _Answers:
    """Values from flags, else from questions; without questions, defaults or an error."""

    asking: bool

    def one(
        self,
        flag: str,
        given: str | None,
        question: str,
        check: _Check,
        default: str | None = None,
        *,
        hide: bool = False,
    ) -> str:
        """Return the value of a flag, or ask for it."""
        if given is not None:
            return _checked(check, given, f"--{flag}")
        if not self.asking:
            if default is None:
                raise click.UsageError(f"--{flag} is missing: add it, or remove --no-questions")
            return default
        value: str = click.prompt(
            question,
            default=default,
            hide_input=hide,
            value_proc=lambda text: _checked(check, text),
            show_default=bool(default),
        )
        return value


def _checked(check: _Check, text: str, flag: str | None = None) -> str:
    try:
        return check(text)
    except ValidationError as error:  # a subclass of ValueError with a longer message
        words = error.errors()[0]["msg"].removeprefix("Value error, ")
    except ValueError as error:
        words = str(error)
    raise click.BadParameter(words, param_hint=flag)


def _address(text: str) -> str:
    if text and not re.fullmatch(ADDRESS, text):
        raise ValueError("write only the address, such as https://cvat.example.com")
    return text.rstrip("/")


def _line(text: str) -> str:
    if any(ord(char) < 32 for char in text):
        raise ValueError("write one line, without control characters")
    return text


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
    answers = _Answers(asking=not no_questions)
    name = answers.one("name", given["name"], "What is the dataset called?", _typed(Name))
    path = path or Path("datasets") / f"{name}.yaml"
    _require_new_file(path, force=force)
    text = dataset_text(_dataset(name, answers, given))
    spec = _validated(text, path)
    new_env = force or not ENV.exists()
    variables = _variables(answers, given, _lines_of(secrets)) if new_env else {}
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


def _dataset(name: str, answers: _Answers, given: dict[str, str | None]) -> dict[str, Any]:
    one = answers.one
    bucket = one("bucket", given["bucket"], "Which bucket receives the images?", _typed(Bucket))
    prefix = one("prefix", given["prefix"], "With what prefix?", _typed(Prefix), "incoming/")
    labels = one("labels", given["labels"], "Which labels (separated by commas)?", _each(Caption))
    people = one("annotators", given["annotators"], "Which CVAT users label (separated by commas)?", _each(Person))
    default = f"datasets/{name}/"
    export = one("export-prefix", given["export_prefix"], "Which folder is for exports?", _typed(Folder), default)
    return {
        "name": name,
        "sources": [{"bucket": bucket, "prefix": prefix}],
        "task": {"labels": _parts(labels)},
        "annotators": _parts(people),
        "export": {"prefix": export},
    }


def _variables(answers: _Answers, given: dict[str, str | None], secrets: list[str]) -> dict[str, str]:
    """Return the variables of `.env`."""
    password, secret_key = (*secrets, None, None)[:2]
    url = answers.one("cvat-url", given["cvat_url"], "Where is CVAT?", _address, None if answers.asking else "")
    user = answers.one(
        "cvat-username", given["cvat_username"], "With which account?", _line, None if answers.asking else ""
    )
    password = answers.one("secrets", password, "Its password?", _line, "", hide=True)
    store = answers.one("store-url", given["store_url"], "Where is the object storage (empty for AWS)?", _address, "")
    region = answers.one("region", given["region"], "In which region (may be empty)?", _line, "")
    key = answers.one(
        "access-key-id", given["access_key_id"], "Access key id (empty for boto3's own sources)?", _line, ""
    )
    secret_key = answers.one("secrets", secret_key, "Its secret key?", _line, "", hide=True) if key else ""
    return {
        "LABELYARD_CVAT__DEFAULT__URL": url,
        "LABELYARD_CVAT__DEFAULT__USERNAME": user,
        "LABELYARD_CVAT__DEFAULT__PASSWORD": password,
        "LABELYARD_STORE__ENDPOINT_URL": store,
        "LABELYARD_STORE__REGION": region,
        "LABELYARD_STORE__ACCESS_KEY_ID": key,
        "LABELYARD_STORE__SECRET_ACCESS_KEY": secret_key,
    }


def _lines_of(secrets: Any) -> list[str]:
    return [] if secrets is None else [_checked(_line, line.rstrip("\r\n"), "--secrets") for line in secrets][:2]


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


def env_text(variables: dict[str, str]) -> str:
    """Return the text of `.env`; variables without a value are comments."""
    lines = [f"{name}={_quoted(value)}" if value else f"# {name}=" for name, value in variables.items()]
    return "\n".join(
        ["# Secrets of this machine. Do not commit. docs/settings.md explains every variable.", *lines, ""]
    )


def _quoted(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_./:@%+=-]+", value):
        return value
    # python-dotenv expands ${NAME} even in single quotes: a nameless variable with the default $ gives $.
    kept = value.replace("\\", "\\\\").replace("'", "\\'").replace("${", "${:-$}{")
    return f"'{kept}'"


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
    steps = {
        f"labelyard validate {path}": "after every change of the file",
        "labelyard db upgrade": "create the ledger",
        f"labelyard apply {path}": "store the dataset in it",
        f"labelyard notifications {spec.name} --apply": "send the bucket's notifications to the queue",
        "labelyard up": "run everything; in another shell: labelyard doctor",
    }
    width = max(map(len, steps))
    click.echo("\nnext:\n" + "\n".join(f"  {step:{width}}  # {why}" for step, why in steps.items()))
