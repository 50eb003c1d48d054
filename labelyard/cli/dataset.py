"""`labelyard schema` and `validate`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from labelyard.config import DatasetSpec, read_spec
from labelyard.config.fields import format_duration
from labelyard.config.json_schema import json_schema
from labelyard.domain.formats import is_of_server
from labelyard.domain.objects import s3_url
from labelyard.domain.schedules import Verb
from labelyard.errors import SpecError


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
    """Check dataset files. Errors name file, line, field, and what to write instead.

    Of a file without errors it says what the formats of its exports drop: labels, kinds of shapes, attributes.
    The exit status is 1 if any file has errors. Only the files are read; nothing is connected to.
    """
    specs, wrong = read_all(files)
    for path, spec in specs.items():
        click.echo(f"{path}: ok: {summary(spec)}")
        for line in _losses(spec):
            click.echo(f"  {line}")
    for error in wrong:
        click.secho(error.happened, fg="red", err=True)
    if wrong:
        click.echo(f"labelyard: {len(wrong)} of {len(files)} files have errors", err=True)
        sys.exit(1)


def _losses(spec: DatasetSpec) -> Iterator[str]:
    """Yield what the formats of a dataset drop. Nothing for a format that holds everything."""
    from labelyard.formats import FORMATS  # noqa: PLC0415 - slow to import, and no other command of these needs it
    from labelyard.formats.losses import losses  # noqa: PLC0415

    labels = [label.label() for label in spec.task.labels]
    for name in spec.export.formats:
        if is_of_server(name):
            yield f"{name} is the server's own file: what it leaves out is not counted"
        else:
            yield from losses(FORMATS[name], labels).lines(name)


def read_all(files: Sequence[Path]) -> tuple[dict[Path, DatasetSpec], list[SpecError]]:
    """Return the dataset of each valid file, and the errors of the others."""
    named: dict[str, Path] = {}
    specs, wrong = {}, []
    for path in files:
        try:
            spec = read_spec(path)
            _require_unique_name(spec, path, named)
        except SpecError as error:
            wrong.append(error)
        else:
            specs[path] = spec
    return specs, wrong


def _require_unique_name(spec: DatasetSpec, path: Path, named: dict[str, Path]) -> None:
    first = named.setdefault(spec.name, path)
    if first is not path:
        raise SpecError(f"{first} has the name {spec.name!r} too: write each dataset in one file", where=str(path))


def summary(spec: DatasetSpec) -> str:
    """Describe a dataset in one line: sources, closing conditions, labels, annotators, destination."""
    sources = ", ".join(s3_url(source.bucket, source.prefix) for source in spec.sources)
    batch = spec.batch
    ends = [f"{batch.max_objects} objects", batch.max_bytes.human_readable()]
    ends += [f"{format_duration(batch.quiet)} of quiet"] if batch.quiet else []
    ends += [f"{format_duration(batch.max_age)} of age"] if batch.max_age else []
    ends += [batch.marker] if batch.marker else []
    ends += [f"{spec.schedule.timings()[Verb.INGEST]}"] if spec.schedule.ingest else []
    return (
        f"{spec.name}: {sources} → batches closed at {', '.join(ends)} → "
        f"{_count(len(spec.task.labels), 'label')}, {_count(len(spec.annotators), 'annotator')} → "
        + s3_url(spec.export_bucket, spec.export.prefix)
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
