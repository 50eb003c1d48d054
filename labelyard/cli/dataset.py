"""`labelyard schema` and `validate`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click

from labelyard.blocks import complete
from labelyard.cli.json_output import json_option, print_json
from labelyard.config import DatasetSpec
from labelyard.config.fields import format_duration
from labelyard.config.json_schema import json_schema
from labelyard.config.loading import read_spec
from labelyard.config.server_needs import needs_of_cvat_2, reject_for_cvat_1
from labelyard.domain.formats import COUNTED_SERVER_FORMATS, is_of_server, server_name
from labelyard.domain.objects import s3_url
from labelyard.domain.schedules import Verb
from labelyard.errors import CvatError, PrefectUnreachable, SettingsError, SpecError
from labelyard.settings import load_settings

_TIMEOUT = 5.0
"""Seconds for a CVAT to say its version."""


@dataclass(frozen=True)
class ValidFile:
    """A dataset file without errors."""

    file: str
    dataset: str
    dropped: Sequence[str]
    """What the formats of its exports drop."""


@dataclass(frozen=True)
class ValidatedFiles:
    """What `validate` found; the exit status is 1 with an error."""

    valid: Sequence[ValidFile]
    errors: Sequence[str]
    """Each with file, line, field, and what to write instead."""


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
@json_option(ValidatedFiles)
def validate(files: tuple[Path, ...], *, as_json: bool) -> None:
    """Check dataset files. Errors name file, line, field, and what to write instead.

    Of a file without errors it says what the formats of its exports drop: labels, kinds of shapes, attributes.
    The exit status is 1 if any file has errors. Nothing is connected to, with one exception: if a file needs CVAT 2.x
    (projects, colors, …), the CVAT of the settings, as far as there is one, is asked for its version.
    """
    specs, wrong = read_all(files)
    wrong += reject_for_servers(specs)
    if as_json:
        valid = [ValidFile(str(path), spec.name, list(_losses(spec))) for path, spec in specs.items()]
        print_json(ValidatedFiles(valid, [line for error in wrong for line in error.happened.splitlines()]))
    else:
        _show(specs, wrong, len(files))
    sys.exit(1 if wrong else 0)


def _show(specs: Mapping[Path, DatasetSpec], wrong: Sequence[SpecError], files: int) -> None:
    for path, spec in specs.items():
        click.echo(f"{path}: ok: {summary(spec)}")
        for line in _losses(spec):
            click.echo(f"  {line}")
    for error in wrong:
        click.secho(error.happened, fg="red", err=True)
    if wrong:
        click.echo(f"labelyard: {len(wrong)} of {files} files have errors", err=True)


def reject_for_servers(specs: dict[Path, DatasetSpec]) -> list[SpecError]:
    """Remove the datasets from `specs` that need CVAT 2.x and have CVAT 1.0.0; return their errors."""
    wrong = []
    for path, spec in list(specs.items()):
        if any(needs_of_cvat_2(spec)) and _family_of(spec.cvat) == "v1":
            try:
                reject_for_cvat_1(path, spec)
            except SpecError as error:
                wrong.append(error)
                del specs[path]
    return wrong


def _family_of(cvat: str) -> str | None:
    """Return the API family of the CVAT in the settings, which is asked unless they say it; None if unknown."""
    from labelyard.cvat import connect  # noqa: PLC0415 - slow to import, and few files need it

    try:
        at = complete(load_settings()).cvat_named(cvat)
    except SettingsError:
        return None
    except PrefectUnreachable as error:
        click.echo(f"a file needs CVAT 2.x, and the block of {cvat} could not be read: {error.happened}", err=True)
        return None
    if at.dialect != "auto":
        return at.dialect
    try:
        with closing(connect(at.url, timeout=_TIMEOUT)) as client:
            return client.family
    except CvatError as error:
        click.echo(f"a file needs CVAT 2.x, and {cvat} could not be asked for its version: {error.happened}", err=True)
        return None


def _losses(spec: DatasetSpec) -> Iterator[str]:
    """Yield what the formats of a dataset drop. Nothing for a format that holds everything."""
    from labelyard.formats import FORMATS  # noqa: PLC0415 - slow to import, and no other command of these needs it
    from labelyard.formats.losses import losses  # noqa: PLC0415

    labels = [label.label() for label in spec.task.labels]
    for name in spec.export.formats:
        if (dropped := COUNTED_SERVER_FORMATS.get(server_name(name))) is not None:
            yield from (f"{name} drops {kind}" for kind in dropped)
        elif is_of_server(name):
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
