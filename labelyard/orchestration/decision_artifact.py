"""The page of a run that a person has started: what was done, what happens next, where to look."""

from __future__ import annotations

from collections.abc import Sequence

from labelyard.context import Context
from labelyard.markdown import code
from labelyard.orchestration.artifacts import publish_markdown
from labelyard.orchestration.page_updates import update_pages


def publish_decision(
    context: Context,
    subject: str,
    done: str,
    *,
    next_step: str,
    batches: Sequence[str] = (),
    details: Sequence[str] = (),
) -> None:
    """Create the artifact `decision-<subject>` of the run, and update the pages.

    `done` and `next_step` are sentences; `details` are lines of a list, in Markdown.
    """
    update_pages(context)
    parts = [f"### {done}", "\n".join(f"- {line}" for line in details), f"**Next:** {next_step}"]
    if batches:
        pages = ", ".join(code(f"batch-{batch}") for batch in batches)
        parts.append(f"**The page of each batch**, among the artifacts: {pages}")
    publish_markdown(f"decision-{subject}", "\n\n".join(filter(None, parts)) + "\n", done)
