"""release_dataset as a Prefect task, with the artifact of the release."""

from dataclasses import asdict
from typing import Any

from labelyard.context import open_context
from labelyard.orchestration.artifacts import publish_markdown
from labelyard.orchestration.release_artifact import release_markdown
from labelyard.orchestration.steps import step_task
from labelyard.pipeline import release_dataset as step


@step_task("release_dataset", "release {dataset}")
def release_dataset(dataset: str) -> dict[str, Any]:
    """Merge the current exports of a dataset into a release. Return its number, its address and its counts."""
    with open_context() as context:
        released = step.release_dataset(context, dataset)
    publish_markdown(f"release-{dataset}", release_markdown(released), f"{dataset}: the newest release")
    return asdict(released)
