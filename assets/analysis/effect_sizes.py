"""Change between two occasions as declared: which patients, which samples, and a row for every variant.

What belongs here: pairs from the panel, drop-outs in and out, arms. What does not: formulas (`standardised`), or models
over all occasions.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.procedure import Found, Room
from assets.analysis.resampling import resampling_counts
from assets.analysis.standardised import (
    Effect,
    Floats,
    approximate_correction,
    between_effects,
    change_between_arms,
    exact_correction,
    paired_effects,
)
from codebook.procedures.pre_post import PrePost, PrePostArms

if TYPE_CHECKING:
    import pandas as pd

TABLE = "results.effect_size"
EVERYBODY = "all"


@dataclass(frozen=True)
class Occasions:
    """One measure at two occasions: a row for each course that has it at `before`, after null for drop-outs."""

    before: Floats
    after: Floats
    keys: pd.DataFrame
    """patient_id, episode_id and site_id of each row."""

    @property
    def is_pair(self) -> np.ndarray:
        """Whether a row has both."""
        return ~np.isnan(self.after)

    def pairs(self) -> tuple[Floats, Floats]:
        """Before and after of those with both."""
        return self.before[self.is_pair], self.after[self.is_pair]


def occasions(panel: pd.DataFrame, outcome: str, before: str, after: str) -> Occasions:
    """First value at `before` and last value at `after`, by course; courses without a first value are left out."""
    rows = panel.loc[panel[outcome].notna()].sort_values(["episode_id", "months"], kind="stable")
    first = rows.loc[rows["occasion"] == before].groupby("episode_id").first()
    last = rows.loc[rows["occasion"] == after].groupby("episode_id")[outcome].last()
    both = first.join(last.to_frame("_after"), how="left").reset_index()
    return Occasions(
        both[outcome].to_numpy(dtype=float),
        both["_after"].to_numpy(dtype=float),
        both[["patient_id", "episode_id", "site_id"]],
    )


def pre_post(declared: PrePost, room: Room) -> Found:
    """Change of each outcome, of those with both occasions and with the drop-outs' first values included."""
    found = Found(
        "patients with a value on both occasions (first before, last after), paired t test; beside them the drop-outs' "
        f"first values included, with percentile bootstrap over courses ({declared.n_resamples} resamples, seed "
        f"{declared.seed})"
    )
    seen: set[str] = set()
    without_after: set[str] = set()
    for outcome in declared.outcomes:
        for level, panel in _levels(room.panel, declared.by):
            at = occasions(panel, outcome, declared.before, declared.after)
            seen.update(at.keys.loc[at.is_pair, "patient_id"])
            without_after.update(at.keys.loc[~at.is_pair, "episode_id"])
            row = {"outcome": outcome, "label": room.analysis.outcomes.get(outcome, outcome), "group_level": level}
            try:
                _completers(found, row | {"is_primary": declared.drop_outs == "excluded"}, at, declared)
                _with_drop_outs(found, row | {"is_primary": declared.drop_outs == "included"}, at, declared)
            except NotEstimableError as problem:
                found.add(TABLE, **row, reason=str(problem))
    found.n_patients = len(seen)
    found.note = _still_open(room, without_after)
    return found


def _still_open(room: Room, episodes: set[str]) -> str | None:
    """Whether those without a value at the end are all drop-outs, or some may be in treatment still."""
    import duckdb

    if not episodes:
        return None
    try:
        known = room.connection.execute("select episode_id, discharge_date from harmonised.episode").df()
    except duckdb.CatalogException:
        return None
    # without the number, which could be one of a few
    if not known.loc[known["episode_id"].isin(episodes), "discharge_date"].isna().any():
        return None
    return "some courses without a value at the end have no discharge date and may be in treatment still"


def _levels(panel: pd.DataFrame, by: str | None) -> list[tuple[str, pd.DataFrame]]:
    parts = [(EVERYBODY, panel)]
    if by is not None:
        known = panel.loc[panel[by].notna()]
        parts += [(f"{by}={_text(level)}", rows) for level, rows in known.groupby(by, sort=True)]
    return parts


def _text(level: Any) -> str:
    return str(int(level)) if isinstance(level, float) and level.is_integer() else str(level)


def _completers(found: Found, row: dict[str, Any], at: Occasions, declared: PrePost) -> None:
    before, after = at.pairs()
    n = len(before)
    if n < 2:
        raise NotEstimableError(
            f"fewer than 2 courses have '{row['outcome']}' at {declared.before} and at {declared.after}"
        )
    shared = row | {"sample": "both_occasions", "n": n, "n_before": n, "n_after": n}
    shared |= _described(before, after) | _paired_test(before, after)
    for effect in paired_effects(before, after):
        found.add(TABLE, **shared, **asdict(effect))


def _described(before: Floats, after: Floats) -> dict[str, float | None]:
    change = after - before
    is_flat = np.ptp(before) == 0 or np.ptp(after) == 0
    return {
        "mean_before": float(before.mean()),
        "sd_before": float(before.std(ddof=1)),
        "mean_after": float(after.mean()),
        "sd_after": float(after.std(ddof=1)),
        "mean_change": float(change.mean()),
        "sd_change": float(change.std(ddof=1)),
        "correlation": None if is_flat else float(np.corrcoef(before, after)[0, 1]),
    }


def _paired_test(before: Floats, after: Floats) -> dict[str, float]:
    from scipy.stats import ttest_rel

    if np.ptp(after - before) == 0:
        return {}
    test = ttest_rel(after, before)
    return {"statistic": float(test.statistic), "df": float(test.df), "p_value": float(test.pvalue)}


def _with_drop_outs(found: Found, row: dict[str, Any], at: Occasions, declared: PrePost) -> None:
    """Means and SD before of everybody who began: d_av and d_pre. d_z and d_rm need pairs and are not there."""
    _, after = at.pairs()
    n, m = len(at.before), len(after)
    shared = row | {"sample": "with_drop_outs", "n": n, "n_before": n, "n_after": m}
    shared |= {"mean_before": float(at.before.mean()), "sd_before": float(at.before.std(ddof=1))}
    shared |= {"mean_after": float(after.mean()), "sd_after": float(after.std(ddof=1))}
    shared["mean_change"] = shared["mean_after"] - shared["mean_before"]
    for variant, estimate, low, high, reason in _open_effects(at, declared):
        method = None if low is None else f"percentile bootstrap, {declared.n_resamples} resamples"
        found.add(
            TABLE,
            **shared,
            variant=variant,
            estimate=estimate,
            ci_low=low,
            ci_high=high,
            ci_method=method,
            reason=reason,
        )


def _open_effects(at: Occasions, declared: PrePost) -> list[tuple[str, float | None, Any, Any, str | None]]:
    n, m = len(at.before), int(at.is_pair.sum())
    observed = _open_change(at, np.ones((1, n)))
    parts = [_open_change(at, counts) for counts in resampling_counts(n, declared.n_resamples, declared.seed)]
    resampled = {name: np.concatenate([part[name] for part in parts]) for name in observed}
    rows: list[tuple[str, float | None, Any, Any, str | None]] = []
    # the SD before rests on n courses, that of both occasions on the m pairs
    for name, df in (("change", 0), ("av", m - 1), ("pre", n - 1)):
        names = [("mean_change", 1.0)]
        if name != "change":
            exact = exact_correction(df) if df >= 2 else float("nan")
            names = [(f"d_{name}", 1.0), (f"g_{name}", exact), (f"g_{name}_approx", approximate_correction(df))]
        value = float(observed[name][0])
        finite = resampled[name][np.isfinite(resampled[name])]
        for variant, factor in names:
            if not np.isfinite(value) or not np.isfinite(factor):
                rows.append((variant, None, None, None, "there is no variance to standardise by, or too few courses"))
                continue
            low, high = np.quantile(factor * finite, [0.025, 0.975])
            rows.append((variant, factor * value, float(low), float(high), None))
    return rows


def _open_change(at: Occasions, counts: Floats) -> dict[str, Floats]:
    """Change of the means, raw and by either SD, for each row of resampling counts (resamples × courses)."""
    pair = at.is_pair.astype(float)
    centre = at.before.mean()

    def moments(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
        size = weights.sum(axis=1)
        mean = (weights @ values) / size
        return mean, np.maximum((weights @ values**2 - size * mean**2) / (size - 1), 0.0)

    with np.errstate(all="ignore"):
        mean1, var1 = moments(at.before - centre, counts)
        mean2, var2 = moments(np.where(at.is_pair, at.after - centre, 0.0), counts * pair)
        change = mean2 - mean1
        both, first = np.sqrt((var1 + var2) / 2), np.sqrt(var1)
        return {
            "change": change,
            "av": change / np.where(both > 1e-12, both, np.nan),
            "pre": change / np.where(first > 1e-12, first, np.nan),
        }


def pre_post_arms(declared: PrePostArms, room: Room) -> Found:
    """Two arms: Hedges' g at the end, and Morris' d_ppc2 of the difference in change."""
    found = Found(
        "treated − reference: independent t test at the end (equal variances), Hedges' g, and d_ppc2 of Morris (2008) "
        "of those with both occasions"
    )
    seen: set[str] = set()
    for outcome in declared.outcomes:
        row = {"outcome": outcome, "label": room.analysis.outcomes.get(outcome, outcome)}
        row["group_level"] = f"{declared.arm}={declared.treated} − " + (
            "others" if declared.reference is None else str(declared.reference)
        )
        try:
            arms = _arms(room.panel, declared)
            seen.update(*(set(part.loc[part[outcome].notna(), "patient_id"]) for part in arms))
            _at_the_end(found, row, arms, outcome, declared)
        except NotEstimableError as problem:
            found.add(TABLE, **row, reason=str(problem))
    found.n_patients = len(seen)
    return found


def _arms(panel: pd.DataFrame, declared: PrePostArms) -> tuple[pd.DataFrame, pd.DataFrame]:
    known = panel.loc[panel[declared.arm].notna()]
    level = known[declared.arm].map(_text)
    treated = level == str(declared.treated)
    reference = ~treated if declared.reference is None else level == str(declared.reference)
    return known.loc[treated], known.loc[reference]


def _at_the_end(
    found: Found, row: dict[str, Any], arms: tuple[pd.DataFrame, pd.DataFrame], outcome: str, declared: PrePostArms
) -> None:
    paired = [occasions(part, outcome, declared.before, declared.after).pairs() for part in arms]
    everybody = [_last(part, outcome, declared.after) for part in arms]
    samples = (("both_occasions", [after for _, after in paired]), ("all_after", everybody))
    for sample, ends in samples:
        shared = row | {"sample": sample, "is_primary": sample == "both_occasions", "n": sum(map(len, ends))}
        shared |= {"n_treated": len(ends[0]), "n_reference": len(ends[1])}
        if min(map(len, ends)) < 2:
            reason = f"an arm has fewer than 2 courses with '{outcome}' ({sample})"
            found.add(TABLE, **shared, reason=reason)
            continue
        test = _independent_test(ends[0], ends[1])
        for effect in between_effects(ends[0], ends[1]):
            found.add(TABLE, **shared, **test, **asdict(effect))
        if sample == "both_occasions":
            change: Effect = change_between_arms(paired[0], paired[1])
            found.add(TABLE, **shared, **asdict(change))


def _last(panel: pd.DataFrame, outcome: str, after: str) -> Floats:
    rows = panel.loc[panel[outcome].notna() & (panel["occasion"] == after)]
    rows = rows.sort_values(["episode_id", "months"], kind="stable")
    return rows.groupby("episode_id")[outcome].last().to_numpy(dtype=float)


def _independent_test(treated: Floats, reference: Floats) -> dict[str, float]:
    from scipy.stats import ttest_ind

    if np.ptp(treated) == 0 and np.ptp(reference) == 0:
        return {}
    test = ttest_ind(treated, reference)
    return {"statistic": float(test.statistic), "df": float(test.df), "p_value": float(test.pvalue)}
