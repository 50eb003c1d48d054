"""`labelyard schema`, `labelyard validate` and `labelyard init`: dataset files before anything runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from labelyard.errors import SpecError
from labelyard.spec import DatasetSpec, read_spec
from labelyard.spec.schema import json_schema
from labelyard.spec.values import duration_words


@click.command()
def schema() -> None:
    """Print the JSON schema of dataset files, for editors.

    \b
    labelyard schema > datasets/dataset.schema.json
    and on top of a dataset file:
    # yaml-language-server: $schema=dataset.schema.json
    """
    click.echo(json.dumps(json_schema(), indent=2))


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
def validate(files: tuple[Path, ...]) -> None:
    """Check dataset files; each wrong place is named with file, line and field, and what to write instead.

    Ends with status 1 if any file is wrong. Nothing but the files is looked at.
    """
    named: dict[str, Path] = {}
    wrong = 0
    for path in files:
        try:
            spec = read_spec(path)
            _must_be_new(spec, path, named)
        except SpecError as error:
            wrong += 1
            click.secho(f"{error.where}: {error.what}" if error.where else error.what, fg="red", err=True)
        else:
            click.echo(f"{path}: ok: {summary(spec)}")
    if wrong:
        click.echo(f"labelyard: {wrong} of {len(files)} files are wrong", err=True)
        sys.exit(1)


def _must_be_new(spec: DatasetSpec, path: Path, named: dict[str, Path]) -> None:
    first = named.setdefault(spec.name, path)
    if first is not path:
        raise SpecError(f"{first} is called {spec.name!r} too: a dataset is one file", where=str(path))


def summary(spec: DatasetSpec) -> str:
    """A dataset in one line: what comes in, when it becomes a task, who labels it, where it goes."""
    sources = ", ".join(f"s3://{source.bucket}/{source.prefix}" for source in spec.sources)
    batch = spec.batch
    ends = [f"{batch.max_objects} objects", batch.max_bytes.human_readable()]
    ends += [f"{duration_words(batch.quiet)} of quiet"] if batch.quiet else []
    ends += [f"{duration_words(batch.max_age)} of age"] if batch.max_age else []
    ends += [batch.marker] if batch.marker else []
    return (
        f"{spec.name}: {sources} → batches closed at {', '.join(ends)} → "
        f"{_count(len(spec.task.labels), 'label')}, {_count(len(spec.annotators), 'annotator')} → "
        f"s3://{spec.export_bucket}/{spec.export.prefix}"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
