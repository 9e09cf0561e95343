"""Agreement between raters as declared: which ratings, and a row for each coefficient.

What belongs here: reading ratings, pairs of raters, the choice of coefficients that a design allows. What does not: the
coefficients (`intraclass`, `rating_components`, `kappa`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.intraclass import MeanSquares, intraclass, mean_squares, mean_squares_of
from assets.analysis.kappa import pearson, weighted_kappa
from assets.analysis.procedure import Found, Room
from assets.analysis.rating_components import Components, RatingDesign
from codebook.instrument import Instrument
from codebook.procedures.agreement import Agreement, Ratings

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

TABLE = "results.reliability"
MOST_PAIRS = 15
"""Pairs of raters that are compared one by one: six raters."""

_SQL = """
    select
        score.score,
        score.version,
        score.rater,
        score.patient_id,
        score.episode_id,
        score.site_id,
        score.occasion,
        score.months,
        score.assessment_id,
        assessment.sequence,
        assessment.assessment_date
    from harmonised.scale_score as score
    inner join harmonised.assessment as assessment on score.assessment_id = assessment.assessment_id
    where score.score is not null and score.instrument = ? and score.scale = ?
"""


@dataclass(frozen=True)
class Rated:
    """Ratings as a table of objects × raters, NaN where a rater did not rate; and how many ratings were second ones."""

    table: pd.DataFrame
    n_repeated: int
    is_crossed: bool

    @property
    def complete(self) -> np.ndarray:
        """The objects that all raters rated."""
        found: np.ndarray = self.table.dropna().to_numpy(dtype=float)
        return found

    def design(self) -> tuple[RatingDesign, np.ndarray]:
        """Every rating with its object and rater; objects that nobody rated are not there."""
        values = self.table.to_numpy(dtype=float)
        objects, raters = np.nonzero(~np.isnan(values))
        return RatingDesign(objects, raters, is_nested=not self.is_crossed), values[objects, raters]


def agreement(declared: Agreement, room: Room) -> Found:
    """Intraclass correlations, Pearson and weighted kappa of each two raters, and generalizability, scale by scale."""
    crossed = "nested in" if declared.raters == "unknown" else "crossed with"
    found = Found(
        f"objects: {' × '.join(declared.objects)}; raters ({declared.raters}) {crossed} objects; components by REML, "
        f"their intervals by parametric bootstrap ({declared.n_resamples} resamples, seed {declared.seed})"
    )
    notes, n_ratings = [], 0
    for ratings in declared.ratings:
        measure = f"{ratings.instrument}.{ratings.scale}"
        row: dict[str, Any] = {"measure": measure}
        try:
            instrument = room.library.instruments.get(ratings.instrument)
            if instrument is None or ratings.scale not in instrument.scale_keys:
                raise NotEstimableError(f"the codebook has no scale '{measure}'")
            label = next(scale.label for scale in instrument.scales if scale.key == ratings.scale)
            row["label"] = f"{instrument.name}: {label}"
            rated, version = _read(room.connection, ratings, declared)
            n_ratings += int(rated.table.notna().to_numpy().sum())
            if rated.n_repeated:
                notes.append(f"{measure}: {rated.n_repeated} second ratings by one rater are left out")
            _rows(found, row, rated, declared, _categories(instrument, version, ratings.scale))
        except NotEstimableError as problem:
            found.add(TABLE, **row, reason=str(problem))
    found.n_observations = n_ratings
    found.note = "; ".join(notes) or None
    return found


def _read(connection: duckdb.DuckDBPyConnection, ratings: Ratings, declared: Agreement) -> tuple[Rated, str]:
    frame = connection.execute(_SQL, [ratings.instrument, ratings.scale]).df()
    frame = frame[frame["rater"].isin(ratings.by)]
    keys = list(declared.objects)
    frame = frame.dropna(subset=keys)
    if declared.raters == "sequence":
        frame = frame.dropna(subset=["sequence"])
    if frame.empty:
        what = "with a number (sequence) " if declared.raters == "sequence" else ""
        raise NotEstimableError(f"there is no rating {what}by {', '.join(ratings.by)}")
    if frame["version"].nunique() > 1:
        raise NotEstimableError("the ratings are of more than one version of the instrument")
    frame = frame.sort_values([*keys, "months", "assessment_id"], kind="stable", ignore_index=True)
    frame["object"] = frame.groupby(keys).ngroup()
    if declared.raters == "unknown":
        frame["who"] = frame.groupby("object").cumcount() + 1
    else:
        frame["who"] = frame[declared.raters].map(lambda value: value if isinstance(value, str) else int(value))
    once = frame.drop_duplicates(["object", "who"])
    table: pd.DataFrame = once.pivot(index="object", columns="who", values="score")
    rated = Rated(table, len(frame) - len(once), declared.raters != "unknown")
    rated_twice = int((table.notna().sum(axis=1) >= 2).sum())
    if rated_twice < declared.minimum_objects:
        raise NotEstimableError(f"fewer than {declared.minimum_objects} objects have two ratings or more")
    return rated, str(frame["version"].iloc[0])


def _categories(instrument: Instrument, version: str, scale: str) -> np.ndarray | None:
    """Every value that a rating can have, lowest first; None where there are too many for a table."""
    chosen = next(each for each in instrument.scales_of(version) if each.key == scale)
    step = instrument.version(version).step
    values = np.arange(chosen.minimum, chosen.maximum + step / 2, step)
    return values if 2 <= len(values) <= 21 else None


def _rows(found: Found, row: dict[str, Any], rated: Rated, declared: Agreement, categories: np.ndarray | None) -> None:
    _intraclass_rows(found, row, rated)
    if rated.is_crossed:
        _pair_rows(found, row, rated, categories)
    _component_rows(found, row, rated, declared)


def _intraclass_rows(found: Found, row: dict[str, Any], rated: Rated) -> None:
    complete = rated.complete
    n, k = len(complete), rated.table.shape[1]
    shared = row | {"n_subjects": n, "n_raters": k, "method": "analysis of variance, objects rated by all raters"}
    if not rated.is_crossed:
        shared["method"] = "one-way analysis of variance, objects with the largest number of ratings"
    shared["n_ratings"] = complete.size
    try:
        _add_forms(found, shared, mean_squares(complete), rated.is_crossed, has_interval=True)
    except NotEstimableError as problem:
        found.add(TABLE, **shared, coefficient="ICC", reason=str(problem))


def _add_forms(
    found: Found, shared: dict[str, Any], squares: MeanSquares, is_crossed: bool, has_interval: bool
) -> None:
    for form in intraclass(squares):
        if not is_crossed and not form.form.startswith("ICC1"):
            continue
        limits = {}
        if has_interval:
            limits = {"ci_low": form.ci_low, "ci_high": form.ci_high, "ci_method": "F (Shrout and Fleiss 1979)"}
            limits |= {"statistic": form.f, "df": form.df, "df_error": form.df_error, "p_value": form.p_value}
        found.add(TABLE, **shared, coefficient=form.form, estimate=form.estimate, **limits)


def _pair_rows(found: Found, row: dict[str, Any], rated: Rated, categories: np.ndarray | None) -> None:
    pairs = list(combinations(rated.table.columns, 2))
    if len(pairs) > MOST_PAIRS:
        found.add(TABLE, **row, coefficient="pairs", reason=f"{len(pairs)} pairs of raters are too many to list")
        return
    for one, other in pairs:
        both = rated.table[[one, other]].dropna().to_numpy(dtype=float)
        shared = row | {"raters": f"{one} and {other}", "n_subjects": len(both), "n_raters": 2}
        shared["n_ratings"] = both.size
        try:
            r = pearson(both[:, 0], both[:, 1])
            found.add(TABLE, **shared, coefficient="pearson", method="Pearson", **r)
        except NotEstimableError as problem:
            found.add(TABLE, **shared, coefficient="pearson", reason=str(problem))
        for weights in ("linear", "quadratic"):
            name = f"kappa_{weights}"
            try:
                if categories is None:
                    raise NotEstimableError("the scale has more than 21 values; an intraclass correlation suits it")
                kappa = weighted_kappa(both[:, 0], both[:, 1], categories, weights)
                found.add(TABLE, **shared, coefficient=name, method=f"Cohen's kappa, {weights} weights", **kappa)
            except NotEstimableError as problem:
                found.add(TABLE, **shared, coefficient=name, reason=str(problem))


def _component_rows(found: Found, row: dict[str, Any], rated: Rated, declared: Agreement) -> None:
    design, values = rated.design()
    n, k = design.counts.shape[0], rated.table.shape[1]
    shared = row | {"n_subjects": n, "n_raters": k, "n_ratings": design.n}
    shared["method"] = "variance components (REML), all ratings, raters " + (
        "crossed with objects" if rated.is_crossed else "nested in objects"
    )
    try:
        fitted = design.fit(values)
    except NotEstimableError as problem:
        found.add(TABLE, **shared, coefficient="g", reason=str(problem))
        return
    drawn = design.resampled(fitted, declared.n_resamples, declared.seed)
    is_complete = bool(rated.table.notna().to_numpy().all())
    if rated.is_crossed:
        squares = mean_squares_of(fitted.objects, fitted.raters, fitted.residual, n, k)
        _add_forms(found, shared, squares, is_crossed=True, has_interval=is_complete)
    said = {"ci_method": f"parametric bootstrap, {len(drawn)} resamples", "n_resamples": len(drawn)}

    def add(name: str, values_of: Any, n_raters: int | None, method: str = "") -> None:
        values = np.array([values_of(one) for one in drawn])
        low, high = np.nanquantile(values, [0.025, 0.975])
        line = shared | {"n_raters": n_raters, "method": shared["method"] + method} | said
        limits = {"ci_low": float(low), "ci_high": float(high)}
        found.add(TABLE, **line, coefficient=name, estimate=values_of(fitted), **limits)

    add("variance_object", lambda c: c.objects, k)
    if rated.is_crossed:
        add("variance_rater", lambda c: c.raters, k)
    add("variance_residual", lambda c: c.residual, k)
    per_object = design.counts.sum(axis=1)
    usual = float(len(per_object) / (1 / per_object).sum())
    predicted: list[tuple[str, float, int | None, str]] = [("", m, m, "") for m in declared.raters_in_use]
    predicted.append(("_as_rated", usual, None, f"; harmonic mean of ratings per object {usual:.2f}"))
    for suffix, m, shown, method in predicted:
        if rated.is_crossed:
            add(f"g_relative{suffix}", _coefficient(Components.relative, m), shown, method)
        add(f"g_absolute{suffix}", _coefficient(Components.absolute, m), shown, method)


def _coefficient(of: Any, n_raters: float) -> Any:
    return lambda components: of(components, n_raters)
