"""`labelyard labels`."""

from __future__ import annotations

import sys

import click

from labelyard.context import open_context
from labelyard.operations.project_labels import ProjectLabels, apply_project_labels, compare_project_labels


@click.command()
@click.argument("dataset")
@click.option("--apply", "apply_changes", is_flag=True, help="Add and change the labels in CVAT. Nothing is deleted.")
def labels(dataset: str, apply_changes: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Compare the labels of DATASET's project in CVAT with its dataset file; --apply changes the project.

    Batches wait while the two differ. A label, an attribute or a point of a skeleton that the file lacks is never
    deleted here, because CVAT deletes with it what people drew. The exit status is 1 if differences are left.
    """
    with open_context() as context:
        found = compare_project_labels(context, dataset)
        left = apply_project_labels(context, dataset) if apply_changes else found
    click.echo(_described(found, left))
    if left.url and left.changes:
        sys.exit(1)


def _described(found: ProjectLabels, left: ProjectLabels) -> str:
    if not found.url:
        return f"there is no project {found.project!r} yet: the first batch creates it"
    if not found.changes:
        return f"{found.url}: {found.project!r} has the labels of the dataset file"
    lines = [f"{found.url}: {found.project!r}"]
    done = [line for line in found.changes.to_apply if line not in left.changes.to_apply]
    lines += [f"  changed   {line}" for line in done]
    lines += [f"  to change {line}" for line in left.changes.to_apply]
    lines += [f"  manually  {line}" for line in left.changes.removals]
    if left.changes.to_apply:
        lines.append("next: the same command with --apply")
    elif left.changes.removals:
        lines.append("next: delete it in CVAT, with what people drew, or add it to the file and labelyard apply FILE")
    return "\n".join(lines)
