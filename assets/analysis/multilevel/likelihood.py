"""The likelihood of y = Xb + e with e ~ N(0, V) and V a sum of declared parts: value, gradient, information.

What belongs here: V, its inverse by cluster, generalised least squares and derivatives by every Ψ. What does not:
optimisation and what is reported (`model`), or the parts themselves (`blocks`).

V = V₀ + Z Λ Λ' Z', V₀ block-diagonal by cluster, Z the outer effects; by Woodbury's identity in the form
V⁻¹ = V₀⁻¹ − V₀⁻¹ZΛ (I + Λ'Z'V₀⁻¹ZΛ)⁻¹ Λ'Z'V₀⁻¹, which holds where Λ is singular (Bates et al. 2015, J. Stat. Softw.
67). REML as Patterson & Thompson (1971), with lme4's constant, (n − p) log 2π. Derivatives: Lindstrom & Bates (1988),
JASA 83.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from assets.analysis.multilevel.blocks import Block, Floats, Ints, Stack, lay_out

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Evaluation:
    """The model at one set of Ψ, for scaled y, orthonormal X and scaled columns of Z."""

    deviance: float
    """−2 log-likelihood, ML or REML, constant included."""
    scale: float
    """s² by which every Ψ is to be multiplied; 1 where it was not profiled."""
    effects: Floats
    """p, to add to the least-squares ones"""
    inverse: Floats
    """p × p: (X'V⁻¹X)⁻¹ before multiplying by s²."""
    gradients: list[Floats]
    """For each part, q × q: derivative of the deviance by Ψ."""
    grouped: list[Floats]
    """For each part, G × q × (p + 1): Z'V⁻¹[X y] of each group."""


class MarginalLikelihood:
    """Prepared once for y, X and the parts; evaluated for many Ψ."""

    def __init__(self, y: Floats, x: Floats, blocks: Sequence[Block], cluster: Ints, *, is_reml: bool) -> None:
        """Take y (n), x (n × p, full rank), parts, and clusters coded 0 … C−1 within which most parts lie."""
        from scipy import sparse

        self.n, self.p = x.shape
        self.is_reml = is_reml
        self.freedom = self.n - self.p if is_reml else self.n
        basis, self.r = np.linalg.qr(x)
        self.projection: Floats = basis.T @ y
        left = y - basis @ self.projection
        self.y_scale = float(np.sqrt(left @ left / self.n))
        self.log_det_r = float(np.sum(np.log(np.abs(np.diag(self.r)))))
        self._a: Floats = np.column_stack([basis, left / self.y_scale])
        self.z_scale: list[Floats] = [_rms(block.z) for block in blocks]
        self.blocks = [
            Block(b.name, b.group, b.z / scale, b.columns, b.months_power, b.is_residual, b.is_diagonal)
            for b, scale in zip(blocks, self.z_scale, strict=True)
        ]
        self.layout = lay_out(self.blocks, cluster)
        self._sums: list[Any] = []
        for block in self.blocks:
            row = np.repeat(np.arange(self.n), block.q)
            place = (block.group[:, None] * block.q + np.arange(block.q)).ravel()
            shape = (block.n_groups * block.q, self.n)
            self._sums.append(sparse.csr_matrix((block.z.ravel(), (place, row)), shape=shape))

    def evaluate(self, factors: Sequence[Floats], *, is_profiled: bool) -> Evaluation:
        """Everything at Ψ = ΛΛ' of `factors`, in scaled units; `is_profiled` puts the best common s² in.

        Raises:
            numpy.linalg.LinAlgError: V is not positive definite, or too nearly not.
        """
        psi = [factor @ factor.T for factor in factors]
        inner = self.layout.inner
        p = self.p
        weighted = np.empty_like(self._a)  # V₀⁻¹[X y], then V⁻¹[X y]
        within = [np.zeros_like(one) for one in psi]  # Σ over groups of Z'V⁻¹Z
        log_det = 0.0
        crossed = np.zeros((self.layout.n_outer, self.layout.n_outer))
        crossed_a = np.zeros((self.layout.n_outer, p + 1))
        inverses: list[tuple[Stack, Floats, Floats]] = []
        for stack in self.layout.stacks:
            v = sum(
                np.where(same, z @ psi[number] @ z.transpose(0, 2, 1), 0.0)
                for number, z, same in zip(inner, stack.z, stack.same, strict=True)
            )
            triangle = np.linalg.cholesky(np.asarray(v))
            log_det += 2 * float(stack.counts @ np.log(np.diagonal(triangle, axis1=1, axis2=2)).sum(axis=1))
            inverse = np.linalg.inv(np.asarray(v))
            for number, z, same in zip(inner, stack.z, stack.same, strict=True):
                product = (np.where(same, inverse, 0.0) @ z) * stack.counts[:, None, None]
                within[number] += z.reshape(-1, z.shape[2]).T @ product.reshape(-1, z.shape[2])
            each = inverse[stack.pattern]
            own = each @ self._a[stack.rows]
            weighted[stack.rows.ravel()] = own.reshape(-1, p + 1)
            if self.layout.outer:
                u = each @ stack.outer_z
                place = stack.outer_place
                np.add.at(crossed, (place[:, :, None], place[:, None, :]), stack.outer_z.transpose(0, 2, 1) @ u)
                np.add.at(crossed_a, place, stack.outer_z.transpose(0, 2, 1) @ own)
                inverses.append((stack, each, u))
        if self.layout.outer:
            log_det += self._outer(factors, crossed, crossed_a, inverses, weighted, within)
        joint = self._a.T @ weighted
        information, right = joint[:p, :p], joint[:p, p]
        inverse_information = np.linalg.inv(information)
        effects: Floats = inverse_information @ right
        square = float(joint[p, p] - right @ effects)
        if not square > 0:
            raise np.linalg.LinAlgError("the residuals vanish")
        scale = square / self.freedom if is_profiled else 1.0
        deviance = log_det + self.freedom * math.log(2 * math.pi * scale) + square / scale
        if self.is_reml:
            deviance += float(np.linalg.slogdet(information)[1])
        gradients, grouped = [], []
        for number, block in enumerate(self.blocks):
            sums = np.asarray(self._sums[number] @ weighted).reshape(block.n_groups, block.q, p + 1)
            left = sums[:, :, p] - sums[:, :, :p] @ effects
            slope = within[number] - left.T @ left / scale
            if self.is_reml:
                fixed = sums[:, :, :p]
                slope = slope - np.tensordot(fixed @ inverse_information, fixed, axes=([0, 2], [0, 2]))
            gradients.append((slope + slope.T) / 2)
            grouped.append(sums)
        return Evaluation(deviance, scale, effects, np.asarray(inverse_information, dtype=float), gradients, grouped)

    def _outer(
        self,
        factors: Sequence[Floats],
        crossed: Floats,
        crossed_a: Floats,
        inverses: list[tuple[Stack, Floats, Floats]],
        weighted: Floats,
        within: list[Floats],
    ) -> float:
        """Add the outer parts to V⁻¹[X y] and to Σ Z'V⁻¹Z, in place; returns their share of log|V|."""
        layout = self.layout
        whole = np.zeros_like(crossed)
        for number in layout.outer:
            block = self.blocks[number]
            for group in range(block.n_groups):
                span = slice(
                    layout.outer_offset[number] + group * block.q, layout.outer_offset[number] + (group + 1) * block.q
                )
                whole[span, span] = factors[number]
        middle = np.eye(len(whole)) + whole.T @ crossed @ whole
        log_det = 2 * float(np.log(np.diag(np.linalg.cholesky(middle))).sum())
        shrink = whole @ np.linalg.inv(middle) @ whole.T
        correction = shrink @ crossed_a
        for stack, _, u in inverses:
            place = stack.outer_place
            local = shrink[place[:, :, None], place[:, None, :]]
            weighted[stack.rows.ravel()] -= (u @ correction[place]).reshape(-1, weighted.shape[1])
            taken = u @ local @ u.transpose(0, 2, 1)
            for number, z, same in zip(layout.inner, stack.z, stack.same, strict=True):
                each = z[stack.pattern]
                product = np.where(same[stack.pattern], taken, 0.0) @ each
                within[number] -= each.reshape(-1, each.shape[2]).T @ product.reshape(-1, each.shape[2])
        total = crossed - crossed @ shrink @ crossed
        for number in layout.outer:
            block, start = self.blocks[number], layout.outer_offset[number]
            for group in range(block.n_groups):
                span = slice(start + group * block.q, start + (group + 1) * block.q)
                within[number] += total[span, span]
        return log_det

    def variance_gradient(self, at: Evaluation, weights: Floats) -> list[Floats]:
        """For each part, q × q: derivative by Ψ of the variance of `weights`'b (weights on orthonormal X)."""
        direction = at.inverse @ weights
        out = []
        for sums in at.grouped:
            projected = sums[:, :, : self.p] @ direction
            out.append(projected.T @ projected)
        return out

    def redundant_parts(self) -> list[tuple[str, str, str]]:
        """Elements of Ψ that the rows cannot tell from the others: (part, column, column), empty where all can be.

        Elements are told apart by the derivatives of V; those of outer parts show only across clusters, and are not
        looked at.
        """
        labels: list[tuple[str, str, str]] = []
        pieces: list[list[Floats]] = []
        for place, number in enumerate(self.layout.inner):
            block = self.blocks[number]
            for i, j in zip(*block.cells(), strict=True):
                labels.append((block.name, block.columns[j], block.columns[i]))
                pieces.append([_element(stack, place, int(i), int(j)) for stack in self.layout.stacks])
        matrix = np.stack([np.concatenate(one) for one in pieces], axis=1)
        triangle = np.abs(np.diag(np.linalg.qr(matrix.T @ matrix, mode="r")))
        lengths = np.diag(matrix.T @ matrix)
        return [
            label for label, own, length in zip(labels, triangle, lengths, strict=True) if own <= 1e-9 * max(length, 1)
        ]


def hessian(gradient: Callable[[Floats], Floats], at: Floats) -> Floats:
    """Symmetric matrix of second derivatives by central differences of an exact gradient."""
    size = len(at)
    out = np.empty((size, size))
    for k in range(size):
        step = np.zeros(size)
        step[k] = 1e-4 * max(1.0, abs(float(at[k])))
        out[k] = (gradient(at + step) - gradient(at - step)) / (2 * step[k])
    return (out + out.T) / 2


def _rms(z: Floats) -> Floats:
    """Root mean square of what is not zero in each column; 1 where all is."""
    filled = np.maximum((z != 0).sum(axis=0), 1)
    scale: Floats = np.sqrt((z * z).sum(axis=0) / filled)
    return np.where(scale > 0, scale, 1.0)


def _element(stack: Stack, place: int, i: int, j: int) -> Floats:
    z, same = stack.z[place], stack.same[place]
    product = z[:, :, i, None] * z[:, None, :, j]
    if i != j:
        product = product + product.transpose(0, 2, 1)
    weight: Floats = np.sqrt(stack.counts)
    return (np.where(same, product, 0.0) * weight[:, None, None]).ravel()
