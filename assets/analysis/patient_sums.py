"""Sums over patients: all that a mixed model with random intercept and slope needs of its rows.

What belongs here: making the sums, from matrices or from other sums, and grouping patients who share Z'Z.
What does not: the likelihood (`likelihood`), the terms (`design_matrix`), or SQL (`warehouse_sums`).

For Z = [1, t] and A = [X, y] a patient enters the likelihood through Z'Z (n, Σt, Σt²), Z'A and A'A. Patients with equal
Z'Z share one 2 × 2 inverse, and then only the sum of their products (Z'A)(Z'A)' is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MANY_GROUPS = 20_000


@dataclass(frozen=True)
class PatientSums:
    """Sums over G groups of patients, of an orthonormal basis of X, the least-squares residual of y, and scaled Z.

    With one random effect the second column of Z is zero. Symmetric matrices are packed by their upper triangle.
    """

    n_rows: int
    n_patients: int
    n_fixed: int
    n_random: int
    count: Floats
    """G: patients in each group."""
    zz: Floats
    """3 × G: n, Σt, Σt² of one patient of the group."""
    products: Floats
    """3G × K, K = (p + 1)(p + 2) / 2: sums over the group's patients of a₁a₁', (a₁a₂' + a₂a₁') / 2, a₂a₂' with
    a = Z'[basis, residual], all of a₁a₁' first."""
    total: Floats
    """K: [basis, residual]'[basis, residual]."""
    z_scale: Floats
    """2: what the columns of Z were divided by."""
    r: Floats
    """p × p, upper triangular: X = basis · r."""
    projection: Floats
    """p: coordinates of y in the basis."""
    total_by_group: Floats | None = None
    """G × K, only where there are more than `MANY_GROUPS`: a search may then begin with some of them."""


def packing(size: int) -> tuple[Ints, Ints]:
    """Rows and columns of the packed upper triangle."""
    rows, columns = np.triu_indices(size)
    return rows, columns


def from_matrices(y: Floats, x: Floats, z: Floats, patient: Ints) -> PatientSums:
    """Sums of y (n), x (n × p, full rank), z (n × 1 or 2) and patients coded 0 … N−1.

    Columns of z are scaled to a mean square of one and x is orthonormalised: what follows does not depend on units.
    """
    basis, r = np.linalg.qr(x)
    projection: Floats = basis.T @ y
    joint = np.column_stack([basis, y - basis @ projection])
    scale = np.ones(2)
    scale[: z.shape[1]] = np.sqrt(np.mean(z * z, axis=0))
    n_patients = int(patient.max()) + 1
    t = z[:, 1] / scale[1] if z.shape[1] == 2 else np.zeros(len(y))
    first = np.bincount(patient, minlength=n_patients).astype(float)
    zz = np.vstack([first, np.bincount(patient, t, n_patients), np.bincount(patient, t * t, n_patients)])
    za = np.empty((2, n_patients, joint.shape[1]))
    for column, values in enumerate(joint.T):
        za[0, :, column] = np.bincount(patient, values, n_patients)
        za[1, :, column] = np.bincount(patient, values * t, n_patients)
    rows, columns = packing(joint.shape[1])
    count, shared, products, member = grouped(zz, za, rows, columns)
    by_group = None
    if len(count) > MANY_GROUPS:
        own = member[patient]
        pairs = zip(rows, columns, strict=True)
        by_group = np.column_stack([np.bincount(own, joint[:, i] * joint[:, j], len(count)) for i, j in pairs]).astype(
            float
        )
    total = (joint.T @ joint)[rows, columns]
    return PatientSums(
        n_rows=len(y),
        n_patients=n_patients,
        n_fixed=x.shape[1],
        n_random=z.shape[1],
        count=count,
        zz=shared,
        products=products,
        total=total,
        z_scale=scale,
        r=r,
        projection=projection,
        total_by_group=by_group,
    )


def grouped(zz: Floats, za: Floats, rows: Ints, columns: Ints) -> tuple[Floats, Floats, Floats, Ints]:
    """Patients with equal Z'Z (3 × N) joined: number, Z'Z, sums of products of za (2 × N × k), and each one's group."""
    shared, member, count = np.unique(zz, axis=1, return_inverse=True, return_counts=True)
    first, second = za[0], za[1]
    crossed = (first[:, rows] * second[:, columns] + second[:, rows] * first[:, columns]) / 2
    each = (first[:, rows] * first[:, columns], crossed, second[:, rows] * second[:, columns])
    if shared.shape[1] < zz.shape[1]:
        order = np.argsort(member.ravel(), kind="stable")
        starts = np.concatenate([[0], np.cumsum(count)[:-1]])
        products = np.vstack([np.add.reduceat(part[order], starts, axis=0) for part in each])
    else:
        products = np.vstack([part[np.argsort(member.ravel(), kind="stable")] for part in each])
    return count.astype(float), shared, products, member.ravel()
