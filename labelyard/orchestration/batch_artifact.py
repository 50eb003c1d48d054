"""The artifact of one batch: its objects, its task with a link, its jobs, its exports, what was drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelyard.context import Context
from labelyard.domain.objects import s3_url
from labelyard.ledger import batches, exports, jobs, tasks
from labelyard.ledger.tables import Batch, Export, Job, Object, Task
from labelyard.markdown import code, link, table
from labelyard.orchestration.artifacts import publish_markdown
from labelyard.orchestration.best_effort import best_effort

_MOST_OBJECTS = 500


def update_batch_artifact(context: Context, batch_id: str) -> None:
    """Write the artifact `batch-<id>` from the ledger."""
    with best_effort(f"updating the artifact of {batch_id}"):
        with context.ledger.read_only() as tx:
            batch, task = batches.get(tx, batch_id), tasks.current(tx, batch_id)
            written = exports.of_batch(tx, batch_id)
            parts = [
                _head(batch),
                _task(task, jobs.of_batch(tx, batch_id)),
                _objects(batches.members(tx, batch_id)),
                _exports(written),
                _account(written),
            ]
        publish_markdown(f"batch-{batch_id}", "\n\n".join(filter(None, parts)), f"{batch_id}: {batch.state}")


def _head(batch: Batch) -> str:
    lines = [f"### {code(batch.id)}", f"{batch.objects} objects, {batch.bytes:,} bytes, **{batch.state}**"]
    if batch.close_reason:
        lines.append(f"Closed: {code(batch.close_reason)}")
    if batch.warning:
        lines.append(f"⚠ {code(batch.warning)}")
    return "\n\n".join(lines)


def _task(task: Task | None, rows: Sequence[Job]) -> str:
    if task is None or task.server_id is None:
        return "No task yet."
    url = task.url or ""
    jobs_of_task = table(("job", "frames", "assignee", "status", "reason"), (_job(row, url) for row in rows))
    return f"**Task** {link(f'{task.server_id} {task.name}', url)}\n\n{jobs_of_task}"


def _job(row: Job, task_url: str) -> tuple[str, ...]:
    return (
        link(str(row.server_id), f"{task_url}/jobs/{row.server_id}" if task_url else ""),
        f"{row.start_frame}-{row.stop_frame}",
        code(row.assignee or "nobody"),
        row.status.value,
        "assigned by a person" if row.manual else code(row.choice_reason or ""),
    )


def _objects(members: Sequence[Object]) -> str:
    shown = members[:_MOST_OBJECTS]
    more = f"\n\n… and {len(members) - len(shown)} more" if len(members) > len(shown) else ""
    rows = table(("object", "name in CVAT", "pixels", "state"), (_object(row) for row in shown))
    return f"**Objects**\n\n{rows}{more}"


def _object(row: Object) -> tuple[str, ...]:
    return (
        code(s3_url(row.bucket, row.key)),
        code(row.upload_name or ""),
        f"{row.width}×{row.height}" if row.width else "-",  # noqa: RUF001 - the multiplication sign
        f"quarantined: {code(row.quarantine_reason)}" if row.quarantine_reason else "in the task",
    )


def _exports(rows: Sequence[Export]) -> str:
    if not rows:
        return ""
    shown = (
        (
            code(row.format),
            str(row.images) if row.account else "",
            str(row.annotations) if row.account else "",
            "current" if row.current else "",
            code(s3_url(row.bucket, row.key)),
        )
        for row in rows
    )
    return f"**Exports**\n\n{table(('format', 'images', 'objects', '', 'file'), shown)}"


def _account(rows: Sequence[Export]) -> str:
    """Return what became of everything that was drawn, for each format of the current export."""
    return "\n\n".join(_account_of(row.format, row.account) for row in reversed(rows) if row.current and row.account)


def _account_of(format_name: str, account: Mapping[str, Any]) -> str:
    kinds = (
        (kind, label, str(drawn), str(account["in_file"].get(kind, {}).get(label, 0)))
        for kind, labels in account["drawn"].items()
        for label, drawn in labels.items()
    )
    rows = table(("kind", "label", "drawn", "in the file"), ((k, code(label), d, i) for k, label, d, i in kinds))
    left_out = "\n".join(
        f"- {one['count']} {one['kind']} {code(one['label'])}, {code(one['reason'])}: {code(one['examples'][0])}"
        for one in account["left_out"]
    )
    return f"**Drawn, and in {code(format_name)}**\n\n{rows}" + (f"\n\nLeft out:\n\n{left_out}" if left_out else "")
