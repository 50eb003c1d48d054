"""The Markdown artifact of a release: what is in it, what is not and why, and what has changed."""

from __future__ import annotations

from labelyard.domain.released import Released
from labelyard.markdown import code, table


def release_markdown(released: Released) -> str:
    """Return the page of a release."""
    splits = [(code(split), f"{count:,}") for split, count in released.splits.items()]
    labels = [(code(label), f"{count:,}") for label, count in sorted(released.labels.items())]
    parts = [
        f"# {code(released.dataset)}, release {released.number}",
        f"{released.images:,} images, {released.annotations:,} annotations: {code(released.url)}",
        table(("split", "images"), splits),
        table(("label", "annotations"), labels),
    ]
    if released.quality:
        figures = [(name, code(str(value))) for name, value in released.quality.items()]
        parts += ["## Quality", table(("CVAT's quality reports", ""), figures)]
    if released.changes:
        rows = [(kind, *(f"{count:,}" for count in counts)) for kind, counts in _changes(released).items()]
        parts += ["## Changed since the release before", table(("", "images", "annotations"), rows)]
    if released.left_out:
        rows = [(code(reason), f"{count:,}") for reason, count in sorted(released.left_out.items())]
        parts += ["## Not in it", table(("reason", "images"), rows)]
    if released.warnings:
        parts += ["## Warnings", *(f"- {code(warning)}" for warning in released.warnings)]
    parts.append(f"**Next:** {code(f'labelyard fetch {released.dataset} --to FOLDER')}")
    return "\n\n".join(parts) + "\n"


def _changes(released: Released) -> dict[str, tuple[int, int]]:
    images, annotations = released.changes["images"], released.changes["annotations"]
    return {kind: (images[kind], annotations[kind]) for kind in ("added", "removed", "changed")}
