"""Power of the next trial by simulation: draw it many times, fit each draw, count.

What belongs here: the design, the loop and its Monte Carlo error. What does not: drawing (`simulation.growth`),
estimation (`assets.analysis`), or options (`power_cli`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulation.growth import Truth, Visits, draw_growth

TARGET = "month:group"


class PowerError(Exception):
    """The design cannot be simulated; the message says what to change."""


@dataclass(frozen=True)
class Power:
    """What the simulations of one sample size say."""

    patients: int
    """In all arms."""
    n_simulations: int
    n_fitted: int
    n_significant: int
    n_singular: int
    low: float
    high: float
    """Wilson's 95 % limits of the power, as shares."""
    mean_estimate: float
    mean_std_error: float

    @property
    def power(self) -> float | None:
        """Share of the fits with p below alpha."""
        return self.n_significant / self.n_fitted if self.n_fitted else None


def simulate(
    truth: Truth,
    visits: Visits,
    patients: int,
    *,
    simulations: int = 500,
    alpha: float = 0.05,
    group_share: float = 0.5,
    seed: int = 20201,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Power:
    """Power of the test of group × month in a random-slope model by REML with Satterthwaite's df.

    The same seed gives the same draws. `on_progress` is told how many are done.

    Raises:
        PowerError: a number out of range, or a design that no draw of which can be fitted.
    """
    import pandas as pd

    from assets.analysis.mixed_model import fit

    if patients < 4 or simulations < 1 or not 0 < alpha < 1 or not 0 < group_share < 1:
        raise PowerError("a trial needs at least 4 patients, a simulation, and shares between 0 and 1")
    estimates, errors, significant, singular, reason = [], [], 0, 0, ""
    for number in range(simulations):
        rng = np.random.default_rng([seed, patients, number])
        try:
            drawn = draw_growth(rng, truth, visits, patients, group_share)
        except ValueError as problem:
            raise PowerError(str(problem)) from None
        columns = {"patient": drawn.patient, "month": drawn.month, "group": drawn.group, "y": drawn.y}
        fitted = fit(pd.DataFrame(columns), "y", ["month", "group", TARGET], "patient", "month", method="REML")
        on_progress(number + 1)
        if fitted.reason is not None:
            reason = fitted.reason
            continue
        row = fitted.estimates.iloc[-1]
        estimates.append(float(row["estimate"]))
        errors.append(float(row["std_error"]))
        significant += bool(row["p_value"] < alpha)
        singular += bool(fitted.is_singular)
    if not estimates:
        raise PowerError(f"none of the {simulations} draws could be fitted: {reason}")
    low, high = wilson(significant, len(estimates))
    return Power(
        patients,
        simulations,
        len(estimates),
        significant,
        singular,
        low,
        high,
        float(np.mean(estimates)),
        float(np.mean(errors)),
    )


def wilson(count: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % limits of a share."""
    z = 1.959963984540054
    middle = (count + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * float(np.sqrt(count * (n - count) / n + z * z / 4))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def truth_like(warehouse: Path, name: str, effect: float | None) -> Truth:
    """Level, slope and variances of a fitted model of a sealed warehouse: `analysis/outcome/model`.

    `effect`: the difference in slope to be found; None: the one of the model's only product with months.

    Raises:
        PowerError: no such model, it was not fitted, or it has no such product.
    """
    import duckdb

    parts = name.split("/")
    if len(parts) != 3:
        raise PowerError(f"--like {name}: write ANALYSIS/OUTCOME/MODEL, as in alliance/task/poor_outcome")
    if not warehouse.is_file():
        raise PowerError(f"{warehouse}: there is no sealed warehouse; 'concord run' makes one")
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        where = "where analysis = ? and outcome = ? and model = ?"
        found = connection.execute(
            f"select var_intercept, var_slope, cov_intercept_slope, var_residual, reason from results.fit {where}",
            parts,
        ).fetchall()
        terms = dict(connection.execute("select term, estimate from results.estimate " + where, parts).fetchall())
    if not found:
        raise PowerError(f"--like {name}: there is no such model; see 'concord analyse'")
    level, slope, both, residual, reason = found[0]
    if reason or slope is None:
        raise PowerError(f"--like {name}: {reason or 'the model has no random slope'}")
    products = [term for term in terms if term.startswith("months:")]
    if effect is None and len(products) != 1:
        raise PowerError(f"--like {name}: its products with months are {products or 'none'}; say --effect")
    scale = (level * slope) ** 0.5
    return Truth(
        intercept=terms["intercept"],
        slope=terms["months"],
        group_level=0.0,
        group_slope=terms[products[0]] if effect is None else effect,
        sd_intercept=level**0.5,
        sd_slope=slope**0.5,
        correlation=min(max(both / scale, -1.0), 1.0) if scale > 0 else 0.0,
        sd_residual=residual**0.5,
    )
