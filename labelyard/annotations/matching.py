"""Maximum matching in a bipartite graph, by augmenting paths."""

from __future__ import annotations

from collections.abc import Sequence


def unmatched(candidates: Sequence[Sequence[int]]) -> tuple[list[int], set[int]]:
    """Match each left item with one of its candidates, as many as possible.

    `candidates[i]` are the right items that fit the left item i. Return the left items without a match, and the right
    items that have one.
    """
    matches: dict[int, int] = {}  # right item -> left item
    alone = [left for left in range(len(candidates)) if not _match(left, candidates, matches)]
    return alone, set(matches)


def _match(start: int, candidates: Sequence[Sequence[int]], matches: dict[int, int]) -> bool:
    """Match `start`, rematching others if that frees a candidate. Return False if no candidate can be freed."""
    reached_from: dict[int, int] = {}  # right item -> left item that would take it
    current: dict[int, int] = {}  # left item on the path -> right item that it has now
    to_visit = [start]
    while to_visit:
        left = to_visit.pop()
        for right in candidates[left]:
            if right in reached_from:
                continue
            reached_from[right] = left
            if right not in matches:
                _apply_path(right, reached_from, current, matches)
                return True
            current[matches[right]] = right
            to_visit.append(matches[right])
    return False


def _apply_path(free: int, reached_from: dict[int, int], current: dict[int, int], matches: dict[int, int]) -> None:
    right: int | None = free
    while right is not None:
        left = matches[right] = reached_from[right]
        right = current.get(left)
