"""Consensus: the annotations that the replicas of a job have in common, and those that only one of them has.

Annotations of several replicas in one place become the one that is closest to their mean, on top of all of them. Each
replica adds at most one to a place. There is no quorum: what only one replica has remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from cvat_sandbox.comparison.instances import groups_of
from cvat_sandbox.comparison.matching import match
from cvat_sandbox.comparison.pairing import Pairing, have_same_label
from cvat_sandbox.comparison.reading import Candidate, JobAnnotations
from cvat_sandbox.comparison.settings import Parameters
from cvat_sandbox.comparison.similarity import Box, Size, pixels
from cvat_sandbox.formats import masks

Cluster = list[Candidate]
SHAPES = ("mask", "points", "polygon", "polyline", "bbox", "skeleton", "ellipse")
Close = dict[tuple[Candidate, Candidate], float]


def merged(replicas: Sequence[JobAnnotations], threshold: float) -> dict[str, list[dict[str, Any]]]:
    """Return the tags and shapes of the parent job, as the API holds them, without ids.

    threshold: the least similarity of two annotations that are one.
    """
    tags: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    for frames in zip(*(replica.frames for replica in replicas), strict=True):
        sources = [frame.candidates for frame in frames]
        merge = _FrameMerge(replicas[0], frames[0].size, threshold)
        tags += [_item(candidate, frames[0].number) for candidate in merge.tags(sources)]
        chosen = merge.shapes(sources)
        groups = {id(c): group for group, members in enumerate(_shared_groups(chosen), 1) for c in members}
        shapes += [{**_item(c, frames[0].number), "group": groups.get(id(c), 0)} for c in chosen]
    return {"tags": tags, "shapes": shapes}


def _shared_groups(chosen: Sequence[Candidate]) -> list[Cluster]:
    return [group for group in groups_of(chosen) if len(group) > 1]


def _item(candidate: Candidate, frame: int) -> dict[str, Any]:
    """Return an annotation as one that is new. Shapes of tracks become loose ones."""
    origin = candidate.annotation.origin
    dropped = {"track_id", "source_track_id", "keyframe", "id"}
    item = {name: value for name, value in origin.items() if name not in dropped}
    elements = [{k: v for k, v in element.items() if k not in dropped} for element in origin.get("elements", [])]
    fresh = {"id": None, "frame": frame, "group": 0, "source": "consensus"}
    if candidate.annotation.kind == "label":
        return {**item, **fresh}
    shown = [{"score": 1.0, **element, **fresh, "elements": []} for element in elements]
    return {**item, **fresh, "score": 1.0, "elements": shown}


class _FrameMerge:
    """The merge of one frame of all replicas."""

    def __init__(self, job: JobAnnotations, size: Size, threshold: float) -> None:
        self._labels, self._size, self._threshold = job.labels, size, threshold
        self._pairing = Pairing(Parameters(iou_threshold=threshold), size, self._sublabels)

    def _sublabels(self, position: int) -> list[int]:
        parent = self._labels[position].id
        return [number for number, label in enumerate(self._labels) if label.parent_id == parent]

    @staticmethod
    def tags(sources: Sequence[Cluster]) -> Cluster:
        """Return one tag of each label."""
        tags = [c for source in sources for c in source if c.annotation.kind == "label"]
        return list({tag.annotation.label: tag for tag in reversed(tags)}.values())[::-1]

    def shapes(self, sources: Sequence[Cluster]) -> Cluster:
        """Return the shapes that the replicas agree on, and the others."""
        found: Cluster = []
        for kind in SHAPES:
            chosen = [[c for c in source if c.annotation.kind == kind] for source in sources]
            if any(chosen):
                found += [self._best(cluster) for cluster in self._clusters(kind, chosen, sources)]
        return found

    def _clusters(self, kind: str, sources: Sequence[Cluster], every: Sequence[Cluster]) -> list[Cluster]:
        """Return the shapes of a kind that belong together. Each is close to all others of its cluster."""
        partners, close = self._partners(kind, sources, every)
        source_of = {c: number for number, source in enumerate(sources) for c in source}
        clusters: list[Cluster] = []
        visited: set[Candidate] = set()
        for start in source_of:
            if start in visited:
                continue
            cluster: Cluster = []
            waiting = [start]
            while waiting:
                current = waiting.pop(0)
                if current in visited:
                    continue
                cluster.append(current)
                visited.add(current)
                taken = {source_of[member] for member in (*cluster, *waiting)}
                waiting += [
                    other for other in partners[current]
                    if other not in visited and other not in waiting and source_of[other] not in taken
                    and all(close.get((member, other), 0.0) >= self._threshold for member in cluster)
                ]  # fmt: skip
            clusters.append(cluster)
        return clusters

    def _partners(
        self, kind: str, sources: Sequence[Cluster], every: Sequence[Cluster]
    ) -> tuple[dict[Candidate, Cluster], Close]:
        """Return the matches of each shape in the later sources, and the similarities of all pairs."""
        found: dict[Candidate, Cluster] = {c: [] for source in sources for c in source}
        close: Close = {}
        for one, other in combinations(range(len(sources)), 2):
            first, second = sources[one], sources[other]
            values = self._pairing.similarities(kind, (first, second), (every[one], every[other]))
            for a, b in match(first, second, values, self._threshold, have_same_label).matched:
                found[a].append(b)
            for row, column in np.argwhere(values > 0):
                value = float(values[row, column])
                close |= {(first[row], second[column]): value, (second[column], first[row]): value}
        return found, close

    def _best(self, cluster: Cluster) -> Candidate:
        """Return the shape that is closest to the mean box of its cluster."""
        if len(cluster) == 1:
            return cluster[0]
        mean = np.mean([candidate.annotation.box for candidate in cluster], axis=0)
        wanted = self._drawn_box(tuple(mean.tolist()))
        overlaps = [masks.overlap(wanted, self._drawn(candidate)) for candidate in cluster]
        best, top = cluster[int(np.argmax(overlaps))], max(candidate.annotation.z_order for candidate in cluster)
        return Candidate(replace(best.annotation, origin={**best.annotation.origin, "z_order": top}), best.job_id)

    def _drawn(self, candidate: Candidate) -> masks.Mask:
        annotation = candidate.annotation
        if annotation.kind in {"points", "polyline", "skeleton"}:
            return self._drawn_box(annotation.box)
        return pixels(annotation, self._size)

    def _drawn_box(self, box: Box) -> masks.Mask:
        x, y, width, height = box
        corners = [x, y, x + width, y, x + width, y + height, x, y + height]
        return masks.draw([corners], self._size.height, self._size.width)
