"""Parts that a Gaussian covariance is built of, and the rows of each cluster laid out for them.

What belongs here: a part's groups and columns, the usual parts by name, and equal-sized stacks of clusters.
What does not: any likelihood (`likelihood`), or what a part means to a study.

The covariance of two rows is the sum over parts of z_i' Ψ z_j where both rows are in the same group of that part. A
random intercept and slope by patient, an effect of the occasion and every residual structure are parts of this kind:
a homogeneous residual has each row as its own group and one column of ones; a residual that differs by category has one
0/1 column for each category and a diagonal Ψ; an unstructured one has the assessment (or patient) as its group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from assets.analysis.design_matrix import NotEstimableError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """One part of the covariance: Ψ (q × q) over the columns of `z`, within each group."""

    name: str
    group: Ints
    """n, codes 0 … G−1."""
    z: Floats
    """n × q; time in years."""
    columns: tuple[str, ...]
    """What each column of z is called in results."""
    months_power: tuple[int, ...]
    """How many times time is a factor of each column: variances per month are those per year / 12^(sum of two)."""
    is_residual: bool = False
    """Kept positive definite; every row must belong to one residual part."""
    is_diagonal: bool = False

    @property
    def q(self) -> int:
        """Number of columns."""
        return int(self.z.shape[1])

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.group.max()) + 1

    @property
    def n_parameters(self) -> int:
        """Free elements of Ψ."""
        return self.q if self.is_diagonal else self.q * (self.q + 1) // 2

    def cells(self) -> tuple[Ints, Ints]:
        """Rows and columns of the free elements of a lower triangular factor of Ψ."""
        if self.is_diagonal:
            return np.arange(self.q), np.arange(self.q)
        rows, columns = np.tril_indices(self.q)
        return rows.astype(np.int64), columns.astype(np.int64)


def codes(values: Sequence[object] | NDArray[np.generic]) -> Ints:
    """Codes 0 … G−1 of values, in sorted order."""
    return np.unique(np.asarray(values), return_inverse=True)[1].astype(np.int64)


def random_effects(
    name: str, group: Ints, columns: Sequence[tuple[str, Floats, int]], *, is_diagonal: bool = False
) -> Block:
    """Random effects by `group`; each column is its name, its values (n) and its power of time."""
    z = np.column_stack([values for _, values, _ in columns]).astype(float)
    names, powers = tuple(label for label, _, _ in columns), tuple(power for _, _, power in columns)
    return Block(name, group, z, names, powers, is_diagonal=is_diagonal)


def residual(n: int) -> Block:
    """Independent errors of one variance."""
    return Block("residual", np.arange(n), np.ones((n, 1)), ("residual",), (0,), is_residual=True)


def residual_by_category(category: Sequence[object] | NDArray[np.generic]) -> Block:
    """Independent errors with a variance for each category."""
    levels, place = np.unique(np.asarray(category), return_inverse=True)
    names, n = tuple(str(level) for level in levels), len(place)
    dummies = np.eye(len(levels))[place]
    return Block("residual", np.arange(n), dummies, names, (0,) * len(names), is_residual=True, is_diagonal=True)


def unstructured_residual(
    category: Sequence[object] | NDArray[np.generic], unit: Ints, names: Sequence[str] | None = None
) -> Block:
    """Errors correlated across the categories (scales, visits) of a unit (assessment, patient), any covariance.

    With `names`, `category` is a place among them; else the names are its values in sorted order.

    Raises:
        NotEstimableError: a unit has one category twice, or no unit has two of the categories together.
    """
    levels, place = np.unique(np.asarray(category), return_inverse=True)
    if names is not None:
        levels, place = np.array(names, dtype=object), np.asarray(category)
    seen = np.zeros((int(unit.max()) + 1, len(levels)))
    np.add.at(seen, (unit, place), 1.0)
    if seen.max() > 1:
        twice = ", ".join(str(level) for level in levels[(seen > 1).any(axis=0)])
        raise NotEstimableError(f"an unstructured residual needs one row for each category; {twice} occurs twice")
    never = np.argwhere(np.triu(seen.T @ seen == 0))
    if len(never):
        first, second = levels[never[0]]
        raise NotEstimableError(f"nobody has both {first} and {second}; their covariance cannot be estimated")
    labels = tuple(str(level) for level in levels)
    return Block("residual", unit, np.eye(len(levels))[place], labels, (0,) * len(labels), is_residual=True)


@dataclass(frozen=True)
class Stack:
    """Clusters of one size: m rows each (and k columns of effects that cross clusters)."""

    rows: Ints
    """B × m, places in the table."""
    pattern: Ints
    """B, which of the U distinct covariance patterns."""
    counts: Floats
    """U, clusters with each pattern."""
    z: list[Floats]
    """For each inner part: U × m × q."""
    same: list[NDArray[np.bool_]]
    """For each inner part: U × m × m, whether two rows share a group."""
    outer_z: Floats
    """B × m × k."""
    outer_place: Ints
    """B × k, places among all outer columns."""


@dataclass(frozen=True)
class Layout:
    """Blocks apart by whether their groups lie within one cluster, and the clusters in stacks."""

    inner: list[int]
    outer: list[int]
    stacks: list[Stack]
    n_clusters: int
    outer_offset: dict[int, int] = field(default_factory=dict)
    """Where the columns of each outer part begin among all outer columns."""
    n_outer: int = 0


def lay_out(blocks: Sequence[Block], cluster: Ints) -> Layout:
    """Sort parts into inner (each group within one cluster) and outer ones, and stack the clusters.

    Clusters are independent but for the outer parts, which may be nested above them (patients in sites) or crossed with
    them (a patient treated by two therapists): either way the covariance is a block-diagonal matrix plus one of low
    rank.
    """
    inner = [number for number, block in enumerate(blocks) if _is_within(block.group, cluster)]
    outer = [number for number in range(len(blocks)) if number not in inner]
    offset, total = {}, 0
    for number in outer:
        offset[number] = total
        total += blocks[number].n_groups * blocks[number].q
    order = np.argsort(cluster, kind="stable")
    bounds = np.flatnonzero(np.diff(cluster[order])) + 1
    sized: dict[tuple[int, int], list[tuple[Ints, Ints, Floats]]] = {}
    for rows in np.split(order, bounds):
        place, local = _local_outer([blocks[number] for number in outer], [offset[number] for number in outer], rows)
        sized.setdefault((len(rows), len(place)), []).append((rows, place, local))
    stacks = [_stack([blocks[number] for number in inner], members) for _, members in sorted(sized.items())]
    return Layout(inner, outer, stacks, len(bounds) + 1, offset, total)


def _is_within(group: Ints, cluster: Ints) -> bool:
    pairs = np.unique(np.column_stack([group, cluster]), axis=0)
    return len(pairs) == int(group.max()) + 1


def _local_outer(blocks: list[Block], offsets: list[int], rows: Ints) -> tuple[Ints, Floats]:
    """Outer columns that are not zero in these rows: their places, and their values (m × k)."""
    places: list[Ints] = [np.empty(0, dtype=np.int64)]
    values: list[Floats] = [np.empty((len(rows), 0))]
    for block, start in zip(blocks, offsets, strict=True):
        for group in np.unique(block.group[rows]):
            places.append(start + group * block.q + np.arange(block.q))
            values.append(block.z[rows] * (block.group[rows] == group)[:, None])
    return np.concatenate(places), np.column_stack(values)


def _stack(inner: list[Block], members: list[tuple[Ints, Ints, Floats]]) -> Stack:
    rows = np.stack([member[0] for member in members])
    z = [block.z[rows] for block in inner]
    same = [block.group[rows][:, :, None] == block.group[rows][:, None, :] for block in inner]
    flat = [part.reshape(len(rows), -1).astype(float) for part in (*z, *same)]
    signature = np.ascontiguousarray(np.column_stack(flat) + 0.0)  # no negative zero
    view = signature.view(np.dtype((np.void, signature.dtype.itemsize * signature.shape[1]))).ravel()
    _, first, pattern, counts = np.unique(view, return_index=True, return_inverse=True, return_counts=True)
    return Stack(
        rows,
        pattern.astype(np.int64),
        counts.astype(float),
        [part[first] for part in z],
        [part[first] for part in same],
        np.stack([member[2] for member in members]),
        np.stack([member[1] for member in members]),
    )
