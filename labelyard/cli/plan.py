"""`labelyard plan` and `apply`: what differs from the dataset files, and carrying it out."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelyard.cli.dataset import read_all, reject_for_servers
from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.links import with_links
from labelyard.config import DatasetSpec
from labelyard.cvat_names import server_of
from labelyard.domain.objects import s3_url
from labelyard.domain.plan import Action, Difference, Topic, diff
from labelyard.domain.schedules import Timing, Verb
from labelyard.errors import LabelyardError, PrefectUnreachable, SpecError
from labelyard.escaping import printable
from labelyard.ledger import Ledger, Transaction, datasets
from labelyard.settings import Settings, load_settings

if TYPE_CHECKING:
    from labelyard.operations.apply import Applied
    from labelyard.operations.dataset_files import Stored

_TARGETS = click.argument("targets", nargs=-1, metavar="[DATASET|FILE]…")
_DIFFERENT = 2


@dataclass(frozen=True)
class FoundPlan:
    """What `apply` would do."""

    differences: Sequence[Difference]
    not_compared: Mapping[str, str]
    """Why not, by what could not be compared; the exit status is 1 then."""


@dataclass(frozen=True)
class StoredFile:
    """A dataset file that is in the ledger now."""

    file: str
    dataset: str
    version: int
    is_new: bool
    """Whether the file has made this version."""
    differences: Sequence[Difference]


@dataclass(frozen=True)
class UndoneStep:
    """A step of the plan that was not done, and why."""

    step: Difference
    error: str


@dataclass
class AppliedPlan:
    """What `apply` has done, with files or with datasets."""

    files: list[StoredFile] = field(default_factory=list)
    schedules: list[Difference] = field(default_factory=list)
    """With files: what was changed in Prefect."""
    done: list[Difference] = field(default_factory=list)
    """With datasets: the steps that are done."""
    failed: list[UndoneStep] = field(default_factory=list)
    stopped: UndoneStep | None = None
    """The step before which reality had changed; those after it were not tried."""
    not_compared: dict[str, str] = field(default_factory=dict)
    """As in `plan`."""


@click.command()
@_TARGETS
@click.option("--exit-code", is_flag=True, help="Exit with 2 if anything differs.")
@json_option(FoundPlan, "Print JSON instead of the diff.")
def plan(targets: tuple[str, ...], *, exit_code: bool, as_json: bool) -> None:
    """Show what `labelyard apply` would do, and change nothing.

    \b
    FILE     what the file changes: labels, people, settings, schedules
    DATASET  what differs from the file that was applied: labels of the project and people in CVAT, schedules in
             Prefect, objects without a batch, tasks and jobs that are missing, foreign or changed by hand, exports
             that are missing or out of date

    By default every dataset. `!` marks what a person must decide. Exits with 1 if a server could not be compared.
    """
    files, names = _divide(targets)
    if files:
        found, errors = _plan_files(_read(files))
    else:
        found, errors = _plan_datasets(names)
    if as_json:
        print_json(FoundPlan(found, _texts(errors)))
    else:
        _show(found, errors)
        if any(one.action is not Action.REPORT for one in found):
            click.echo(f"carry it out with: labelyard apply {' '.join(targets)}".rstrip())
    sys.exit(1 if errors else _DIFFERENT if exit_code and found else 0)


@click.command()
@_TARGETS
@click.option(
    "--shared", is_flag=True, help="Allow a new dataset to share sources with another: its files become tasks twice."
)
@click.option("--allow-loss", is_flag=True, help="Also do what loses or replaces the work of annotators.")
@json_option(AppliedPlan)
def apply(targets: tuple[str, ...], *, shared: bool, allow_loss: bool, as_json: bool) -> None:
    """Store dataset files in the ledger, or carry out what `labelyard plan` shows of datasets.

    \b
    FILE     store the file; it applies to batches that close from now on. A file without changes makes no new version.
             Its schedules are created, changed or deleted in Prefect.
    DATASET  carry out the plan, step by step, by default of every dataset

    All files are checked before any is stored. What a plan saw is compared again before each step; where it has changed
    meanwhile, nothing more is done. Exits with 1 then, and if a step failed.
    """
    files, names = _divide(targets)
    if files:
        _apply_files(_read(files), shared=shared, allow_loss=allow_loss, as_json=as_json)
    else:
        _apply_datasets(names, allow_loss=allow_loss, as_json=as_json)


def _divide(targets: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Return the targets that are files, and those that are names of datasets."""
    files = [Path(one) for one in targets if one.endswith((".yaml", ".yml")) or "/" in one or Path(one).is_file()]
    if files and len(files) < len(targets):
        raise click.UsageError("write either files or names of datasets")
    return files, [] if files else list(targets)


def _read(files: Sequence[Path]) -> dict[Path, DatasetSpec]:
    specs, wrong = read_all(files)
    wrong += reject_for_servers(specs)
    if wrong:
        raise SpecError(
            "\n".join(error.happened for error in wrong), next_step=f"labelyard validate {' '.join(map(str, files))}"
        )
    return specs


def _show(found: Sequence[Difference], errors: Mapping[str, LabelyardError]) -> None:
    for line in diff(found):
        click.echo(with_links(printable(line)))
    for part, error in errors.items():
        click.secho(f"{part}: not compared: {error}", fg="yellow", err=True)
    if not found and not errors:
        click.echo("everything is as declared")


# --- datasets ---------------------------------------------------------------------------------------------------------


def _plan_datasets(names: Sequence[str]) -> tuple[list[Difference], dict[str, LabelyardError]]:
    from labelyard.cli.progress import progress_of_steps  # noqa: PLC0415 - slow to import
    from labelyard.context import open_context  # noqa: PLC0415
    from labelyard.operations.plan import plan_datasets  # noqa: PLC0415
    from labelyard.orchestration.dataset_schedules import PrefectSchedules  # noqa: PLC0415

    with open_context() as context, progress_of_steps() as show:
        found = plan_datasets(context, names, PrefectSchedules(context.settings), show)
    return found.differences, found.not_compared


def _apply_datasets(names: Sequence[str], *, allow_loss: bool, as_json: bool) -> None:
    from labelyard.cli.progress import progress_of_steps  # noqa: PLC0415 - slow to import
    from labelyard.context import open_context  # noqa: PLC0415
    from labelyard.operations.apply import carry_out  # noqa: PLC0415
    from labelyard.operations.plan import plan_datasets  # noqa: PLC0415
    from labelyard.orchestration.dataset_schedules import PrefectSchedules  # noqa: PLC0415

    with open_context() as context:
        schedules = PrefectSchedules(context.settings)
        with progress_of_steps() as show:
            found = plan_datasets(context, names, schedules, show)
        if not as_json:
            _show(found.differences, found.not_compared)
        with progress_of_steps() as show:
            applied = carry_out(context, found.steps, schedules, allow_loss=allow_loss, on_progress=show)
    if as_json:
        print_json(_applied_plan(applied, found.not_compared))
    _show_applied(applied, None if as_json else len(found.steps))
    sys.exit(1 if found.not_compared or applied.failed or applied.stopped else 0)


def _applied_plan(applied: Applied, not_compared: Mapping[str, LabelyardError]) -> AppliedPlan:
    return AppliedPlan(
        done=applied.done,
        failed=[UndoneStep(step, str(error)) for step, error in applied.failed],
        stopped=UndoneStep(applied.stopped[0], str(applied.stopped[1])) if applied.stopped else None,
        not_compared=_texts(not_compared),
    )


def _texts(errors: Mapping[str, LabelyardError]) -> dict[str, str]:
    return {part: str(error) for part, error in errors.items()}


def _show_applied(applied: Applied, steps: int | None) -> None:
    """Show what failed and, with the number of `steps`, how many are done. Raises PlanOutdated."""
    if steps:
        click.echo(f"{len(applied.done)} of {steps} steps are done; the watcher and the next sweep continue from there")
    for step, error in applied.failed:
        click.secho(printable(f"{step.dataset}: {step.where}: not done: {error}", keep="\n"), fg="yellow", err=True)
    if applied.stopped:
        raise applied.stopped[1]


# --- files ------------------------------------------------------------------------------------------------------------


def _plan_files(specs: Mapping[Path, DatasetSpec]) -> tuple[list[Difference], dict[str, LabelyardError]]:
    from labelyard.operations.dataset_files import plan_file  # noqa: PLC0415 - slow to import

    settings, errors = load_settings(), dict[str, LabelyardError]()
    with closing(Ledger(settings.ledger)) as ledger, ledger.read_only() as tx:
        found = {spec.name: plan_file(tx, spec) for spec in specs.values()}
        wanted = _schedules_of(tx, specs.values())
    try:
        for one in _compare_schedules(settings, wanted):
            found[one.dataset].append(one)
    except PrefectUnreachable as error:
        errors = {f"{', '.join(wanted)}: schedules": error}
    return [one for differences in found.values() for one in differences], errors


def _apply_files(specs: Mapping[Path, DatasetSpec], *, shared: bool, allow_loss: bool, as_json: bool) -> None:
    from labelyard.operations.dataset_files import store_file  # noqa: PLC0415 - slow to import

    settings = load_settings()
    with closing(Ledger(settings.ledger)) as ledger, ledger.transaction() as tx:
        before = {spec.name for spec in datasets.current(tx)}
        wanted = _schedules_of(tx, specs.values())
        stored = {path: store_file(tx, spec, allow_loss=allow_loss) for path, spec in specs.items()}
        known = list(datasets.current(tx))
        for path, spec in specs.items():
            if spec.name not in before and not shared:
                _reject_shared(path, spec, known)
    if not as_json:
        for path, one in stored.items():
            _show_stored(path, specs[path], one, is_new=specs[path].name not in before)
    _warn(settings, specs.values(), known, as_json=as_json)
    changed = apply_schedules(settings, wanted)
    if as_json:
        files = [
            StoredFile(str(path), specs[path].name, one.version, one.is_new, one.differences)
            for path, one in stored.items()
        ]
        print_json(AppliedPlan(files, changed))
    else:
        show_schedules(changed)


def _warn(settings: Settings, specs: Collection[DatasetSpec], known: Sequence[DatasetSpec], *, as_json: bool) -> None:
    """Say which sources are shared, and which CVAT the settings lack; on standard error if JSON is printed."""
    for spec in specs:
        for address, other in _shared(spec, known):
            what = f"{spec.name}: {address} is also a source of {other}: its objects become a task for each"
            click.echo(what, err=as_json)
    used = {_variable(server_of(spec.cvat)) for spec in specs}
    for name in sorted(used - {_variable(name) for name in settings.cvat}):
        what = f"these settings have no CVAT called {name.lower()}; workers need LABELYARD_CVAT__{name}__URL"
        click.echo(what, err=as_json)


def _show_stored(path: Path, spec: DatasetSpec, stored: Stored, *, is_new: bool) -> None:
    click.echo(f"{path}: {spec.name} version {stored.version}{'' if stored.is_new else ', as before'}")
    if not is_new:
        for line in diff(stored.differences):
            click.echo(printable(f"  {line}"))
        if spec.task.project and any(one.topic is Topic.LABELS for one in stored.differences):
            what = f"new batches wait until the project {spec.task.project!r} has these labels"
            click.echo(printable(f"{what}: labelyard apply {spec.name}"))


def _schedules_of(tx: Transaction, specs: Iterable[DatasetSpec]) -> dict[str, Mapping[Verb, Timing]]:
    """Return the timings of those files that have a schedule, or whose stored version has one.

    Prefect is not asked for the others: files can be applied before it runs.
    """
    stored = datasets.schedules(tx)
    return {spec.name: spec.schedule.timings() for spec in specs if spec.schedule.timings() or stored.get(spec.name)}


def _compare_schedules(settings: Settings, wanted: Mapping[str, Mapping[Verb, Timing]]) -> list[Difference]:
    if not wanted:
        return []
    from labelyard.orchestration.dataset_schedules import PrefectSchedules  # noqa: PLC0415 - slow to import

    return PrefectSchedules(settings).compare(wanted)


def apply_schedules(settings: Settings, wanted: Mapping[str, Mapping[Verb, Timing]]) -> list[Difference]:
    """Make the schedules of datasets in Prefect those that are wanted; return what was changed.

    Where Prefect does not answer it says so on standard error: `up` and `deploy` create them too.
    """
    if not wanted:
        return []
    from labelyard.orchestration.dataset_schedules import PrefectSchedules  # noqa: PLC0415 - slow to import

    try:
        return PrefectSchedules(settings).sync(wanted)
    except PrefectUnreachable as error:
        click.secho(f"the schedules are not in Prefect yet: {error.happened}", fg="yellow", err=True)
        click.secho("  next: labelyard up or labelyard deploy creates them too", fg="yellow", err=True)
        return []


def show_schedules(changed: Iterable[Difference]) -> None:
    """Print what was changed in Prefect's schedules."""
    for one in changed:
        click.echo(f"{one.dataset}: {one}")


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
