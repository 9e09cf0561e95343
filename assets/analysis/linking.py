"""Linking as declared: WAI-S scores on the scale of the WAI-SR through the items that both forms share.

What belongs here: forms, anchors, resampling, rows. What does not: formulas (`linear_linking`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from assets.analysis.design_matrix import NotEstimableError
from assets.analysis.item_answers import first_forms, item_answers
from assets.analysis.linear_linking import Floats, Moments, link, moments
from assets.analysis.procedure import Found, Room
from assets.analysis.resampling import resampling_counts
from codebook.instrument import Instrument, Scale
from codebook.procedures.linking import Linking, anchor_items

if TYPE_CHECKING:
    import pandas as pd

TABLE = "results.linking"
MEANS = ("mean", "sum")


def linking(declared: Linking, room: Room) -> Found:
    """Slope, intercept and linked scores of each scale by each method, with bootstrap standard errors.

    Raises:
        NotEstimableError: a form is not in the codebook, was not answered, or shares no item with the other.
    """
    known = room.library.instruments
    for key in (declared.from_instrument, declared.to_instrument):
        if key not in known:
            raise NotEstimableError(f"the codebook has no instrument '{key}'")
    first, second = known[declared.from_instrument], known[declared.to_instrument]
    anchor = anchor_items(first, second)
    if not anchor:
        raise NotEstimableError(f"the codebook declares no items that {first.key} and {second.key} share")
    forms_x, version_x = _forms(room, first, declared, declared.from_version)
    forms_y, version_y = _forms(room, second, declared, declared.to_version)
    points = [instrument.version(v) for instrument, v in ((first, version_x), (second, version_y))]
    if len({(version.minimum, version.maximum) for version in points}) > 1:
        raise NotEstimableError(
            f"{version_x} and {version_y} have different answer points, so their items are not alike"
        )
    which = "first form" if declared.occasion == "first" else f"form at {declared.occasion}"
    found = Found(
        f"linear linking through common items (internal anchor), {which} of each patient; "
        f"bootstrap over patients ({declared.n_resamples} resamples, seed {declared.seed})",
        n_patients=len({*forms_x["patient_id"], *forms_y["patient_id"]}),
        n_observations=len(forms_x) + len(forms_y),
    )
    for name in declared.scales:
        row = {"scale": name, "from_instrument": first.key, "to_instrument": second.key}
        try:
            scale_x, scale_y = _scale(first, version_x, name), _scale(second, version_y, name)
            row["label"] = scale_x.label
            items = tuple(item for item in anchor if item in scale_x.items and item in scale_y.items)
            row["anchor_items"] = ", ".join(map(str, items))
            if not items:
                raise NotEstimableError("no item that both forms share belongs to this scale in both")
            pair = (_scored(forms_x, scale_x, items), _scored(forms_y, scale_y, items))
            _link_scale(found, row, pair, scale_x, declared)
        except NotEstimableError as problem:
            found.add(TABLE, **row, reason=str(problem))
    return found


def _forms(room: Room, instrument: Instrument, declared: Linking, wanted: str | None) -> tuple[pd.DataFrame, str]:
    forms = item_answers(room.connection, instrument, declared.rater)
    if wanted is not None:
        forms = forms.loc[forms["version"] == wanted]
    versions = sorted(set(forms["version"]))
    if len(versions) != 1:
        what = f"none of version {wanted}" if not versions else f"of versions {', '.join(versions)}; declare one"
        raise NotEstimableError(f"the forms of {instrument.key} are {what}")
    return first_forms(forms, declared.occasion), versions[0]


def _scale(instrument: Instrument, version: str, name: str) -> Scale:
    for scale in instrument.scales_of(version):
        if scale.key == name:
            if scale.aggregate not in MEANS:
                raise NotEstimableError(f"{instrument.key}.{name} is neither a mean nor a sum of items")
            return scale
    raise NotEstimableError(f"{instrument.key} has no scale '{name}'")


def _scored(forms: pd.DataFrame, scale: Scale, anchor: tuple[int, ...]) -> pd.DataFrame:
    """Score and anchor of the complete forms, by patient."""
    answers = forms.set_index("patient_id").reindex(columns=list(scale.items)).dropna()
    total = answers.mean(axis=1) if scale.aggregate == "mean" else answers.sum(axis=1)
    part = answers[list(anchor)]
    own = part.mean(axis=1) if scale.aggregate == "mean" else part.sum(axis=1)
    return total.to_frame("score").assign(anchor=own)


def _link_scale(
    found: Found, row: dict[str, Any], pair: tuple[pd.DataFrame, pd.DataFrame], scale: Scale, declared: Linking
) -> None:
    n_from, n_to = (len(frame) for frame in pair)
    n_both = len(pair[0].index.intersection(pair[1].index))
    row = row | {"n_from": n_from, "n_to": n_to, "n_both": n_both}
    if min(n_from, n_to) < declared.minimum_n:
        forms = f"{declared.from_instrument} or of {declared.to_instrument}"
        found.add(TABLE, **row, reason=f"fewer than {declared.minimum_n} complete forms of {forms}")
        return
    flat = [name for frame in pair for name in ("score", "anchor") if float(np.ptp(frame[name])) == 0]
    if flat:
        raise NotEstimableError(f"the {flat[0]} of one form is the same for everyone")
    observed = [_moments(frame, np.ones((1, len(frame)))) for frame in pair]
    row |= {
        "anchor_correlation_from": float(observed[0].correlation[0]),
        "anchor_correlation_to": float(observed[1].correlation[0]),
    }
    drawn = _resampled(pair, declared)
    points = declared.at_scores or tuple(float(x) for x in range(int(scale.minimum), int(scale.maximum) + 1))
    for method in declared.methods:
        slope, intercept = link(method, observed[0], observed[1], declared.weight_from)
        slopes, intercepts = drawn[method]
        shared = row | {"method": method}
        if not np.isfinite(slope[0]):
            found.add(TABLE, **shared, reason="the anchor's relation to the score gives no slope by this method")
            continue
        _add(found, shared | {"quantity": "slope"}, float(slope[0]), slopes)
        _add(found, shared | {"quantity": "intercept"}, float(intercept[0]), intercepts)
        for x in points:
            value = float(intercept[0] + slope[0] * x)
            _add(found, shared | {"quantity": "linked_score", "at_score": x}, value, intercepts + slopes * x)


def _moments(frame: pd.DataFrame, counts: Floats) -> Moments:
    return moments(frame["score"].to_numpy(dtype=float), frame["anchor"].to_numpy(dtype=float), counts)


def _resampled(pair: tuple[pd.DataFrame, pd.DataFrame], declared: Linking) -> dict[str, tuple[Floats, Floats]]:
    """Slopes and intercepts of each method; patients are drawn, so that both forms of one are drawn together."""
    patients = pair[0].index.union(pair[1].index)
    places = [patients.get_indexer(frame.index) for frame in pair]
    found: dict[str, list[tuple[Floats, Floats]]] = {method: [] for method in declared.methods}
    for counts in resampling_counts(len(patients), declared.n_resamples, declared.seed):
        first, second = (_moments(frame, counts[:, place]) for frame, place in zip(pair, places, strict=True))
        for method in declared.methods:
            found[method].append(link(method, first, second, declared.weight_from))
    return {
        method: (np.concatenate([slope for slope, _ in parts]), np.concatenate([level for _, level in parts]))
        for method, parts in found.items()
    }


def _add(found: Found, row: dict[str, Any], value: float, resampled: Floats) -> None:
    finite = resampled[np.isfinite(resampled)]
    limits: dict[str, Any] = {"n_resamples": len(finite)}
    if len(finite) >= 50:
        low, high = np.quantile(finite, [0.025, 0.975])
        limits |= {"std_error": float(finite.std(ddof=1)), "ci_low": float(low), "ci_high": float(high)}
        limits["ci_method"] = "percentile bootstrap over patients"
    found.add(TABLE, **row, estimate=value, **limits)
