"""The methods section of an analysis, written from what was run and not from what was meant.

What belongs here: sentences from the declaration, the fits and the procedures. What does not: results (`reading`), or
definitions that hold for the whole site (`templates/public.html.j2`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl

from assets.publishing.estimates import Fitted
from assets.publishing.formatting import count, listing, plural
from assets.publishing.statistics.records import Procedure
from codebook.analysis import Analysis
from codebook.library import Library

ANCHORS = {"admission": "admission", "treatment_start": "the start of treatment", "discharge": "discharge"}
RANDOM = {
    "intercept_and_slope": "random intercepts and slopes by patient (unstructured covariance)",
    "intercept": "random intercepts by patient",
}
_PROGRAM = re.compile(r"\b([A-Za-z][A-Za-z0-9]+ \d+(?:\.\d+)+\w*)")


def methods(
    library: Library,
    analysis: Analysis,
    panel_sentence: str,
    fitted: Sequence[Fitted],
    found: Sequence[Procedure],
    results: Mapping[str, pl.DataFrame],
    code_version: str,
) -> tuple[str, ...]:
    """Paragraphs in journal English; only what was done is said.

    Args:
        library: schedules, for the zero of time, and the network's rule of suppression.
        analysis: the declaration.
        panel_sentence: what a row of the panel is.
        fitted: the declared models, suppressed.
        found: the declared procedures, suppressed.
        results: every results table.
        code_version: of Concord.
    """
    paragraphs = [_sample(library, panel_sentence)]
    if fitted:
        paragraphs.append(_models(analysis, fitted, results))
    if found:
        paragraphs.append(_procedures(found))
    paragraphs.append(_software(library, analysis, fitted, found, results, code_version))
    return tuple(paragraphs)


def _sample(library: Library, panel_sentence: str) -> str:
    anchors = {
        str(schedule.root_anchor(occasion))
        for schedule in library.schedules.values()
        for occasion in schedule.occasions
        if occasion.kind != "unscheduled"
    } - {"discharge"}
    words = listing([ANCHORS.get(name, name.replace("_", " ")) for name in sorted(anchors)])
    zero = f" Time was coded in months, counted from {words} as the schedule of assessments says." if words else ""
    return f"{panel_sentence}{zero}"


def _models(analysis: Analysis, fitted: Sequence[Fitted], results: Mapping[str, pl.DataFrame]) -> str:
    how = "maximum likelihood (ML)" if analysis.estimation == "ML" else "restricted maximum likelihood (REML)"
    randoms = listing([RANDOM[name] for name in dict.fromkeys(item.model.random for item in fitted)])
    outcomes = listing(list(dict.fromkeys(item.outcome_label for item in fitted)))
    text = [f"Change in {outcomes} was modelled by linear mixed models with {randoms}, fitted by {how}."]
    shown = [item for item in fitted if item.is_shown]
    text += _rows_used(fitted, shown)
    if any(item.model.reference for item in fitted):
        text.append(
            "Models with a predictor were compared with the model without it, refitted on the same rows, by AIC and by "
            "the share of the variance of levels and slopes that the predictor removed."
        )
    text += _tests(analysis, results)
    singular, unconverged = (
        [item for item in shown if item.is_singular],
        [item for item in shown if item.is_unconverged],
    )
    if shown:
        went = [f"{count(len(shown) - len(unconverged))} of {count(len(shown))} fits converged"]
        if singular:
            went.append(f"{count(len(singular))} had a singular covariance of the random effects "
                        f"({listing([_name(item) for item in singular[:4]])}"
                        f"{'' if len(singular) <= 4 else f' and {len(singular) - 4} more'})")  # fmt: skip
        else:
            went.append("none was singular")
        text.append(f"{listing(went)}.")
    missing = [item for item in fitted if not item.is_shown]
    if missing:
        text.append(f"Not shown: {listing([f'{_name(item)} ({item.problem})' for item in missing[:4]])}"
                    f"{'' if len(missing) <= 4 else f' and {len(missing) - 4} more'}.")  # fmt: skip
    return " ".join(text)


def _rows_used(fitted: Sequence[Fitted], shown: Sequence[Fitted]) -> list[str]:
    sizes = [(item.n_patients, item.n_observations) for item in shown if item.n_patients is not None]
    if not sizes:
        return []
    patients, rows = [n for n, _ in sizes], [n for _, n in sizes if n is not None]
    text = f"The models rest on {_range(patients)} patients"
    text += f" with {_range(rows)} assessments." if rows else "."
    whole = [item for item in shown if not item.model.where]
    dropped = [int(n) for item in whole if (n := item.fit.get("n_rows_dropped")) is not None]
    if dropped:
        text += (
            f" Rows with a missing value in the outcome or a predictor were left out ({_range(dropped)} by model); the "
            "likelihood uses every row that remains, so patients with few assessments count."
        )
    strata = len({item.model.name for item in shown if item.model.where})
    if strata:
        text += f" {plural(strata, 'model')} {'was' if strata == 1 else 'were'} fitted to one stratum alone."
    return [text]


def _tests(analysis: Analysis, results: Mapping[str, pl.DataFrame]) -> list[str]:
    estimates = results.get("results.estimate")
    if estimates is None or "df" not in estimates.columns:
        return []
    own = estimates.filter(pl.col("analysis") == analysis.name)
    if own.is_empty():
        return []
    if own["df"].null_count() == own.height:
        return ["Fixed effects were tested by Wald z; intervals are 95 %."]
    named = [kind for kind in ("Satterthwaite", "Kenward-Roger") if own["method"].str.contains(kind).any()]
    by = f"{named[0]}’s degrees of freedom" if named else "estimated degrees of freedom"
    return [f"Fixed effects were tested by t with {by}; intervals are 95 %."]


def _procedures(found: Sequence[Procedure]) -> str:
    text = []
    for item in found:
        if item.reason and not item.tables:
            text.append(f"{item.title}: not estimated ({item.reason.rstrip('.')}).")
            continue
        size = ""
        if item.n_patients is not None:
            size = f" (n = {count(item.n_patients)}"
            size += f", {plural(item.n_observations, 'observation')})" if item.n_observations is not None else ")"
        how = (item.method or item.kind.replace("_", " ")).rstrip(".")
        text.append(f"{item.title}{size}: {how}.")
    return " ".join(text)


def _software(
    library: Library,
    analysis: Analysis,
    fitted: Sequence[Fitted],
    found: Sequence[Procedure],
    results: Mapping[str, pl.DataFrame],
    code_version: str,
) -> str:
    said = [*(str(item.fit.get("method") or "") for item in fitted), *(item.method for item in found)]
    programs = sorted({program for text in said for program in _PROGRAM.findall(text)})
    text = [f"Computed by {listing([f'Concord {code_version}', *programs])}."]
    checks = results.get("results.reference_check")
    if checks is not None and checks.height:
        own = checks.filter(pl.col("analysis") == analysis.name)
        if own.height:
            statuses = own.group_by("status").len().sort("len", descending=True).iter_rows()
            names = listing(list(dict.fromkeys(str(name) for name in own["reference"])))
            text.append(
                f"Fits were checked against {names}: {listing([_checked(n, status) for status, n in statuses])}."
            )
    text.append(
        f"Numbers that rest on fewer than {library.network.privacy.minimum_cell_count} patients are suppressed."
    )
    return " ".join(text)


def _name(item: Fitted) -> str:
    return f"{item.outcome_label}, {item.model.label}"


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return count(low) if low == high else f"{count(low)} to {count(high)}"


def _checked(n: int, status: str) -> str:
    return f"{count(n)} {str(status).replace('_', ' ')}"
