"""`labelyard schema`, `validate` and `apply`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import click

from labelyard.config import DatasetSpec, read_spec
from labelyard.config.fields import format_duration
from labelyard.config.json_schema import json_schema
from labelyard.config.server_needs import needs_of_cvat_2, reject_for_cvat_1
from labelyard.cvat_names import server_of
from labelyard.domain.formats import COUNTED_SERVER_FORMATS, is_of_server, server_name
from labelyard.domain.objects import s3_url
from labelyard.errors import CvatError, SettingsError, SpecError
from labelyard.ledger import Ledger, datasets
from labelyard.settings import load_settings

_TIMEOUT = 5.0
"""Seconds for a CVAT to say its version."""


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
    The exit status is 1 if any file has errors. Nothing is connected to, with one exception: if a file needs CVAT 2.x
    (projects, colors, …), the CVAT of the settings, as far as there is one, is asked for its version.
    """
    specs, wrong = _read_all(files)
    wrong += _reject_for_servers(specs)
    for path, spec in specs.items():
        click.echo(f"{path}: ok: {summary(spec)}")
        for line in _losses(spec):
            click.echo(f"  {line}")
    for error in wrong:
        click.secho(error.happened, fg="red", err=True)
    if wrong:
        click.echo(f"labelyard: {len(wrong)} of {len(files)} files have errors", err=True)
        sys.exit(1)


def _reject_for_servers(specs: dict[Path, DatasetSpec]) -> list[SpecError]:
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
        at = load_settings().cvat_named(cvat)
    except SettingsError:
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


def _read_all(files: Sequence[Path]) -> tuple[dict[Path, DatasetSpec], list[SpecError]]:
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


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option(
    "--shared", is_flag=True, help="Allow a new dataset to share sources with another: its files become tasks twice."
)
def apply(files: tuple[Path, ...], shared: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Store dataset files in the ledger. They apply to batches that close from now on.

    All files are checked before any is stored. A file without changes makes no new version.
    """
    specs, wrong = _read_all(files)
    wrong += _reject_for_servers(specs)
    if wrong:
        raise SpecError(
            "\n".join(error.happened for error in wrong), next_step=f"labelyard validate {' '.join(map(str, files))}"
        )
    settings = load_settings()
    with closing(Ledger(settings.ledger)) as ledger, ledger.transaction() as tx:
        before = {spec.name for spec in datasets.current(tx)}
        stored = {path: datasets.apply(tx, spec) for path, spec in specs.items()}
        known = list(datasets.current(tx))
        for path, spec in specs.items():
            if spec.name not in before and not shared:
                _reject_shared(path, spec, known)
    for path, (version, new) in stored.items():
        click.echo(f"{path}: {specs[path].name} version {version}{'' if new else ', as before'}")
    for spec in specs.values():
        for address, other in _shared(spec, known):
            click.echo(f"{spec.name}: {address} is also a source of {other}: its objects become a task for each")
    for name in sorted(
        {_variable(server_of(spec.cvat)) for spec in specs.values()} - {_variable(name) for name in settings.cvat}
    ):
        click.echo(f"these settings have no CVAT called {name.lower()}; workers need LABELYARD_CVAT__{name}__URL")


def _reject_shared(path: Path, spec: DatasetSpec, known: Sequence[DatasetSpec]) -> None:
    for address, other in _shared(spec, known):
        what = f"{path}: {address} is also a source of {other}: its objects would become a task for each"
        replaces = f"labelyard retire {other} if {spec.name} replaces it"
        raise SpecError(what, next_step=f"{replaces}; labelyard apply --shared {path} if not")


def _shared(spec: DatasetSpec, known: Sequence[DatasetSpec]) -> Iterator[tuple[str, str]]:
    """Yield sources that overlap those of another dataset, with its name. Allowed, but often a mistake."""
    for source in spec.sources:
        for other in known:
            if other.name != spec.name and any(source.overlaps(one.bucket, one.prefix) for one in other.sources):
                yield s3_url(source.bucket, source.prefix), other.name


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


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
    return (
        f"{spec.name}: {sources} → batches closed at {', '.join(ends)} → "
        f"{_count(len(spec.task.labels), 'label')}, {_count(len(spec.annotators), 'annotator')} → "
        + s3_url(spec.export_bucket, spec.export.prefix)
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
