"""`labelyard schema`, `validate` and `apply`: dataset files, before anything runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from labelyard.config import DatasetSpec, read_spec
from labelyard.config.fields import duration_words
from labelyard.config.json_schema import json_schema
from labelyard.domain.objects import s3_url
from labelyard.errors import SpecError
from labelyard.ledger import Ledger, datasets
from labelyard.settings import load_settings


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
            click.secho(error.happened, fg="red", err=True)
        else:
            click.echo(f"{path}: ok: {summary(spec)}")
    if wrong:
        click.echo(f"labelyard: {wrong} of {len(files)} files are wrong", err=True)
        sys.exit(1)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option(
    "--shared", is_flag=True, help="A new dataset may share sources with another: files there become tasks twice."
)
def apply(files: tuple[Path, ...], shared: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Store dataset files in the ledger; batches that are closed later follow them.

    All of the files are checked before any is stored. A file that says nothing new makes no new version.
    """
    named: dict[str, Path] = {}
    specs = {path: read_spec(path) for path in files}
    for path, spec in specs.items():
        _must_be_new(spec, path, named)
    settings = load_settings()
    ledger = Ledger(settings.ledger)
    try:
        with ledger.transaction() as tx:
            before = {spec.name for spec, _ in datasets.current(tx)}
            stored = {path: datasets.apply(tx, spec) for path, spec in specs.items()}
            known = [spec for spec, _ in datasets.current(tx)]
            for path, spec in specs.items():
                if spec.name not in before and not shared:
                    _refuse_shared(path, spec, known)
    finally:
        ledger.close()
    for path, (version, new) in stored.items():
        click.echo(f"{path}: {specs[path].name} version {version}{'' if new else ', as before'}")
    for spec in specs.values():
        for context, other in _shared(spec, known):
            click.echo(f"{spec.name}: {context} is a source of {other} too: what lies there becomes a task for each")
    for name in sorted({_variable(spec.cvat) for spec in specs.values()} - {_variable(name) for name in settings.cvat}):
        click.echo(
            f"the settings here know no CVAT called {name.lower()}: whoever runs this needs LABELYARD_CVAT__{name}__URL"
        )


def _refuse_shared(path: Path, spec: DatasetSpec, known: Sequence[DatasetSpec]) -> None:
    for context, other in _shared(spec, known):
        what = f"{path}: {context} is a source of {other} too: what lies there would become a task for each"
        replaces = f"labelyard retire {other} if {spec.name} takes its place"
        raise SpecError(what, next_step=f"{replaces}; labelyard apply --shared {path} if not")


def _shared(spec: DatasetSpec, known: Sequence[DatasetSpec]) -> Iterator[tuple[str, str]]:
    """Sources that overlap another dataset's, with its name: allowed, and easily a mistake."""
    for source in spec.sources:
        for other in known:
            if other.name != spec.name and any(source.overlaps(one.bucket, one.prefix) for one in other.sources):
                yield s3_url(source.bucket, source.prefix), other.name


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def _must_be_new(spec: DatasetSpec, path: Path, named: dict[str, Path]) -> None:
    first = named.setdefault(spec.name, path)
    if first is not path:
        raise SpecError(f"{first} is called {spec.name!r} too: a dataset is one file", where=str(path))


def summary(spec: DatasetSpec) -> str:
    """A dataset in one line: what comes in, when it becomes a task, who labels it, where it goes."""
    sources = ", ".join(s3_url(source.bucket, source.prefix) for source in spec.sources)
    batch = spec.batch
    ends = [f"{batch.max_objects} objects", batch.max_bytes.human_readable()]
    ends += [f"{duration_words(batch.quiet)} of quiet"] if batch.quiet else []
    ends += [f"{duration_words(batch.max_age)} of age"] if batch.max_age else []
    ends += [batch.marker] if batch.marker else []
    return (
        f"{spec.name}: {sources} → batches closed at {', '.join(ends)} → "
        f"{_count(len(spec.task.labels), 'label')}, {_count(len(spec.annotators), 'annotator')} → "
        + s3_url(spec.export_bucket, spec.export.prefix)
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
