"""`labelyard init`: a first dataset file and `.env`, from questions or flags."""

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

ENV = Path(".env")
_IGNORED = (".env", ".labelyard/")


_Check = Callable[[str], str]
"""Gives a text back as it will be written, or raises ValueError with what to write instead."""


def _typed(kind: Any) -> _Check:
    return TypeAdapter(kind).validate_python


def _each(kind: Any) -> _Check:
    def check(text: str) -> str:
        parts = _parts(text)
        if not parts:
            raise ValueError("write at least one")
        if twice := next((part for part in parts if parts.count(part) > 1), None):
            raise ValueError(f"{twice!r} stands twice: once is enough")
        return ",".join(map(_typed(kind), _parts(text)))

    return check


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


@dataclass
class _Answers:
    """Flags first, then questions; without questions the default, and an error where there is none."""

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
        """The value of a flag, asked for where the flag is not there."""
        if given is not None:
            return _checked(check, given, f"--{flag}")
        if not self.asking:
            if default is None:
                raise click.UsageError(f"--{flag} is missing: give it, or leave --no-questions out")
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
    except ValidationError as error:  # one of the ValueErrors, with more to say
        words = error.errors()[0]["msg"].removeprefix("Value error, ")
    except ValueError as error:
        words = str(error)
    raise click.BadParameter(words, param_hint=flag)


def _address(text: str) -> str:
    if text and not re.fullmatch(r"https?://[^\s/?#@]+/?", text):
        raise ValueError("write the address alone, such as https://cvat.example.com")
    return text.rstrip("/")


def _line(text: str) -> str:
    if any(ord(char) < 32 for char in text):
        raise ValueError("write one line, without control characters")
    return text


@click.command()
@click.option("--name", help="The dataset's name.")
@click.option("--bucket", help="The bucket that images are dropped into.")
@click.option("--prefix", help="What the keys of its images begin with.")
@click.option("--labels", help="The labels, with commas between.")
@click.option("--annotators", help="User names of CVAT, with commas between.")
@click.option("--export-prefix", help="The folder of the bucket that the dataset goes to.")
@click.option("--cvat-url", help="The address of CVAT.")
@click.option("--cvat-username", help="The account of CVAT that makes the tasks.")
@click.option("--store-url", help="The address of the object storage; empty for AWS.")
@click.option("--region", help="The region of the object storage.")
@click.option("--access-key-id", help="Of the object storage; empty for boto3's own sources (profile, role, …).")
@click.option(
    "--secrets",
    type=click.File(encoding="utf-8"),
    help="A file whose lines are CVAT's password and the object storage's secret key; - is the standard input.",
)
@click.option("--file", "path", type=click.Path(path_type=Path), help="The dataset file [default: datasets/NAME.yaml].")
@click.option("--no-questions", is_flag=True, help="Ask nothing: what no flag gives gets its default.")
@click.option("--force", is_flag=True, help="Overwrite the dataset file and .env.")
def init(*, path: Path | None, secrets: Any, no_questions: bool, force: bool, **given: str | None) -> None:
    """Write a first dataset file and .env, from questions or flags; then say what comes next.

    Nothing that is there is overwritten without --force. Passwords are asked for, or read from --secrets: a flag could
    be read by everybody on this machine.
    """
    answers = _Answers(asking=not no_questions)
    name = answers.one("name", given["name"], "What is the dataset called?", _typed(Name))
    path = path or Path("datasets") / f"{name}.yaml"
    _refuse_to_overwrite(path, force=force)
    text = dataset_text(_dataset(name, answers, given))
    spec = _proved(text, path)
    new_env = force or not ENV.exists()
    variables = _variables(answers, given, _lines_of(secrets)) if new_env else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, text, 0o644)
    if new_env:
        _write(ENV, env_text(variables), 0o600)
    ignored = _ignore(_IGNORED)
    click.echo(f"{path}: written")
    click.echo(f"{ENV}: {'written, for your eyes only (0600)' if new_env else 'was there, and stays as it is'}")
    click.echo(f".gitignore: {'now ignores ' + ', '.join(ignored) if ignored else 'ignores it'}")
    _say_what_is_next(spec, path)


def _refuse_to_overwrite(path: Path, *, force: bool) -> None:
    if path.exists() and not force:
        raise InputError(
            "is there already",
            where=str(path),
            next_step=f"labelyard validate {path}, or labelyard init --force to overwrite it",
        )


def _dataset(name: str, answers: _Answers, given: dict[str, str | None]) -> dict[str, Any]:
    one = answers.one
    bucket = one("bucket", given["bucket"], "Which bucket are images dropped into?", _typed(Bucket))
    prefix = one("prefix", given["prefix"], "What do their keys begin with?", _typed(Prefix), "incoming/")
    labels = one("labels", given["labels"], "Which labels (commas between)?", _each(Caption))
    people = one("annotators", given["annotators"], "Which users of CVAT label (commas between)?", _each(Person))
    context = f"datasets/{name}/"
    export = one(
        "export-prefix", given["export_prefix"], "Into which folder does the dataset go?", _typed(Folder), context
    )
    return {
        "name": name,
        "sources": [{"bucket": bucket, "prefix": prefix}],
        "task": {"labels": _parts(labels)},
        "annotators": _parts(people),
        "export": {"prefix": export},
    }


def _variables(answers: _Answers, given: dict[str, str | None], secrets: list[str]) -> dict[str, str]:
    """The variables of `.env`; those without a value are left out."""
    password, secret_key = (*secrets, None, None)[:2]
    url = answers.one("cvat-url", given["cvat_url"], "Where is CVAT?", _address, None if answers.asking else "")
    user = answers.one(
        "cvat-username", given["cvat_username"], "With which account?", _line, None if answers.asking else ""
    )
    password = answers.one("secrets", password, "Its password?", _line, "", hide=True)
    store = answers.one("store-url", given["store_url"], "Where is the object storage (nothing for AWS)?", _address, "")
    region = answers.one("region", given["region"], "In which region (or nothing)?", _line, "")
    key = answers.one("access-key-id", given["access_key_id"], "Access key id (nothing for boto3's own)?", _line, "")
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


# --- what is written --------------------------------------------------------------------------------------------------


def dataset_text(dataset: dict[str, Any]) -> str:
    """A dataset file for people to go on with: the fields given, and the ones most often wanted as comments."""
    source, task, export = dataset["sources"][0], dataset["task"], dataset["export"]
    labels = "\n".join(f"    - {_yaml(label)}" for label in task["labels"])
    return f"""\
# A dataset of labelyard; docs/dataset-file.md explains every field, `labelyard schema` is for your editor.
name: {_yaml(dataset["name"])}

sources:
  - bucket: {_yaml(source["bucket"])}
    prefix: {_yaml(source["prefix"])}

# A batch becomes one task of CVAT, at whichever of these comes first.
batch:
  max_objects: 100
  quiet: 2m
  max_age: 1h

task:
  labels:
{labels}
  segment_size: 25 # images in a job

annotators: {_yaml(dataset["annotators"])}

export:
  prefix: {_yaml(export["prefix"])}
"""


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=2**20).removesuffix("...\n").strip()


def _proved(text: str, path: Path) -> DatasetSpec:
    try:
        return parse_spec(text.encode(), str(path))
    except SpecError as error:
        raise InputError(
            f"these answers do not make a valid dataset file:\n{error.what}", next_step="labelyard init again"
        ) from None


def env_text(variables: dict[str, str]) -> str:
    """`.env` with these variables; one without a value stands there as a comment."""
    lines = [f"{name}={_quoted(value)}" if value else f"# {name}=" for name, value in variables.items()]
    return "\n".join(["# Secrets of this machine, not for git; docs/settings.md explains every variable.", *lines, ""])


def _quoted(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_./:@%+=-]+", value):
        return value
    # python-dotenv fills in ${NAME} even between single quotes: an unnamed variable whose default is $ stands for $.
    kept = value.replace("\\", "\\\\").replace("'", "\\'").replace("${", "${:-$}{")
    return f"'{kept}'"


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file as a whole, readable from its first moment by those of `mode` alone."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def _ignore(names: Iterable[str]) -> list[str]:
    """Add to .gitignore what it does not ignore yet; what was added."""
    gitignore = Path(".gitignore")
    lines = gitignore.read_text().splitlines() if gitignore.exists() else []
    missing = [name for name in names if not {name, f"/{name}"} & set(lines) or f"!{name}" in lines]
    if missing:
        gitignore.write_text("\n".join([*lines, *missing, ""]))
    return missing


def _say_what_is_next(spec: DatasetSpec, path: Path) -> None:
    steps = {
        f"labelyard validate {path}": "after every change of the file",
        "labelyard db upgrade": "make the ledger",
        f"labelyard apply {path}": "store the dataset in it",
        f"labelyard notifications {spec.name} --apply": "let the bucket tell of new files",
        "labelyard up": "run it all; in another shell: labelyard doctor",
    }
    width = max(map(len, steps))
    click.echo("\nnext:\n" + "\n".join(f"  {step:{width}}  # {why}" for step, why in steps.items()))
