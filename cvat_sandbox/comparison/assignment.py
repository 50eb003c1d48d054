"""The assignment problem: which row takes which column, so that the sum of the costs is the least."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FREE = -1


def assign(costs: np.ndarray) -> list[int]:
    """Return the column of each row of a square matrix. Among equal solutions, lower columns go to earlier rows."""
    search = _Search(costs, np.zeros(len(costs)), np.zeros(len(costs)))
    rows, columns = np.full(len(costs), FREE), np.full(len(costs), FREE)
    for row in range(len(costs)):
        column, before = search.shortest_path(row, rows)
        while True:  # shift the rows along the path by one column
            mover = before[column]
            rows[column] = mover
            columns[mover], column = column, columns[mover]
            if mover == row:
                break
    return [int(column) for column in columns]


@dataclass
class _Search:
    """Shortest augmenting paths (Jonker and Volgenant). The potentials keep all reduced costs at 0 or more."""

    costs: np.ndarray
    row_potential: np.ndarray
    column_potential: np.ndarray

    def shortest_path(self, row: int, rows: np.ndarray) -> tuple[int, np.ndarray]:
        """Return the free column where the shortest path from a row ends, and the row before each column.

        rows: the row that has each column, or FREE.
        """
        size = len(self.costs)
        distance, before = np.full(size, np.inf), np.full(size, FREE)
        visited, way, length, current = np.zeros(size, dtype=bool), [row], 0.0, row
        while True:
            reached = length + self.costs[current] - self.row_potential[current] - self.column_potential
            shorter = ~visited & (reached < distance)
            distance[shorter], before[shorter] = reached[shorter], current
            length = float(distance[~visited].min())
            nearest = np.flatnonzero(~visited & (distance == length))
            free = nearest[rows[nearest] == FREE]
            if free.size:
                self._raise_potentials(way, rows, distance, visited, length)
                return int(free[0]), before
            visited[nearest[-1]] = True
            current = int(rows[nearest[-1]])
            way.append(current)

    def _raise_potentials(
        self, way: list[int], rows: np.ndarray, distance: np.ndarray, visited: np.ndarray, length: float
    ) -> None:
        gain = length - distance[visited]
        self.row_potential[way[0]] += length
        self.row_potential[rows[visited]] += gain
        self.column_potential[visited] -= gain
