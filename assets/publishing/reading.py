"""The sentences around a result: “Read this as …” in two, “Doubt” in one, and the page's first sentence.

What belongs here: saying in words what the tables hold, from the same estimates. What does not: interpretation that
the declaration does not carry (what a predictor means, or whether a difference matters).
"""

from __future__ import annotations

from assets.publishing.estimates import INTERCEPT, SLOPE, Estimate, Fitted, Term, main_model
from assets.publishing.formatting import decimals_for, listing, number, p_value, plural, stars
from assets.publishing.result_tables import covariate_labels, term_words
from assets.publishing.statistics.table import Reading
from codebook.analysis import Analysis

MONTHS_A_YEAR = 12


def growth_models(fitted: list[Fitted]) -> list[Fitted]:
    """The model without predictors that speaks for change, per outcome, where it may be shown."""
    first = main_model(fitted, ())
    return [item for item in fitted if item.model == first and item.is_shown]


def key_models(analysis: Analysis, fitted: list[Fitted]) -> list[Fitted]:
    """The model that the figure is about (else the first with one predictor), per outcome, where it may be shown."""
    single = [item for item in fitted if item.predictors and item.is_simple and not item.model.where]
    if analysis.figure is not None:
        wanted = [item for item in single if item.predictors[0] == analysis.figure.group]
        single = wanted or single
    first = single[0].model if single else None
    return [item for item in single if item.model == first and item.is_shown]


def key_label(analysis: Analysis, item: Fitted) -> str:
    """What the predictor is called in a sentence: the figure's label of level 1, else the model's label, quoted."""
    if analysis.figure is not None and item.predictors[0] == analysis.figure.group and 1 in analysis.figure.labels:
        return f"“{analysis.figure.labels[1]}”"
    return f"“{item.model.label}”"


def slope_words(item: Fitted) -> str:
    """`Task rises by 0.021 points a month`, or that no change can be told from chance."""
    slope = item.estimates.get(SLOPE)
    if slope is None:
        return f"{item.outcome_label} has no slope in this model"
    if not stars(slope.p_value):
        return f"{item.outcome_label} shows no change that could be told from chance ({p_value(slope.p_value)})"
    verb = "rises" if slope.value > 0 else "falls"
    return f"{item.outcome_label} {verb} by {_size(slope)} points a month"


def read(analysis: Analysis, fitted: list[Fitted]) -> Reading:
    """Two sentences and a doubt; fewer where there is less to say, never none."""
    growth, key = growth_models(fitted), key_models(analysis, fitted)
    sentences = []
    if growth:
        sentences.append(_growth_sentence(growth))
    if key:
        sentences.append(_key_sentence(analysis, key))
    if not sentences:
        sentences += _several_sentences(analysis, fitted)
    if not sentences:
        reasons = sorted({item.note for item in fitted if item.note})
        why = f" ({'; '.join(reasons)})" if reasons else ""
        sentences.append(f"No model of this analysis has an estimate that can be shown{why}.")
    return Reading(tuple(sentences), _doubt(fitted, key or growth))


def _growth_sentence(growth: list[Fitted]) -> str:
    changed = [item for item in growth if (slope := item.estimates.get(SLOPE)) and stars(slope.p_value)]
    years = []
    for item in changed:
        slope = item.estimates[SLOPE]
        error = None if slope.std_error is None else slope.std_error * MONTHS_A_YEAR
        decimals = decimals_for([error], most=2)
        years.append(number(slope.value * MONTHS_A_YEAR, decimals, signed=True))
    text = listing([slope_words(item) for item in growth])
    if not years:
        return f"{text}."
    return f"{text}; over a year that is {listing(years)}{' respectively' if len(years) > 1 else ''}."


def _key_sentence(analysis: Analysis, key: list[Fitted]) -> str:
    subject = tuple(key[0].predictors[0].split(":"))
    parts = [
        text
        for text in (
            _effect(key, tuple(sorted((*subject, "months"))), "the slope", " a month"),
            _effect(key, tuple(sorted(subject)), "the level at the start", ""),
        )
        if text
    ]
    return f"With {key_label(analysis, key[0])}, {'; '.join(parts)}."


def _several_sentences(analysis: Analysis, fitted: list[Fitted]) -> list[str]:
    """For a model with several predictors: its slope, and which of its other effects stand out."""
    item = next((item for item in fitted if item.is_shown and not item.is_simple), None)
    if item is None:
        return []
    labels = covariate_labels(analysis)
    others = [(term, e) for term, e in item.estimates.items() if term not in (INTERCEPT, SLOPE)]
    clear = [
        f"{term_words(term, labels)} ({number(estimate.value, decimals_for([estimate.std_error]))})"
        for term, estimate in others
        if stars(estimate.p_value)
    ]
    unclear = [term_words(term, labels) for term, estimate in others if not stars(estimate.p_value)]
    first = f"With every predictor at nought, {slope_words(item)}." if SLOPE in item.estimates else ""
    parts = [f"beyond chance: {listing(clear)}"] if clear else []
    parts += [f"not beyond chance: {listing(unclear)}"] if unclear else []
    second = f"Of its {len(others)} other effects, {'; '.join(parts)}." if len(others) > 1 else ""
    return [sentence for sentence in (first, second) if sentence]


def _effect(key: list[Fitted], term: Term, what: str, unit: str) -> str:
    having = [(item.outcome_label, item.estimates[term]) for item in key if term in item.estimates]
    if not having:
        return ""
    clear = [
        f"{number(abs(estimate.value), decimals_for([estimate.std_error]))} points{unit} "
        f"{'higher' if estimate.value > 0 else 'lower'} for {label}"
        for label, estimate in having
        if stars(estimate.p_value)
    ]
    unclear = [label for label, estimate in having if not stars(estimate.p_value)]
    if not clear:
        which = "any of them" if len(unclear) > 1 else unclear[0]
        return f"{what} does not differ beyond chance for {which}"
    rest = f", not beyond chance for {listing(unclear)}" if unclear else ""
    return f"{what} is {listing(clear)}{rest}"


def _doubt(fitted: list[Fitted], key: list[Fitted]) -> str:
    shown = [item for item in fitted if item.is_shown]
    parts = []
    best = _strongest(key)
    if best is not None:
        item, term, estimate = best
        decimals = decimals_for([estimate.std_error])
        what = "change" if term == SLOPE else "difference in slope" if "months" in term else "level"
        if term not in (SLOPE, INTERCEPT) and "months" not in term:
            what = "difference in level"
        if estimate.low is not None and estimate.high is not None:
            parts.append(
                f"the 95 % interval of the {what} in {item.outcome_label} reaches from "
                f"{number(estimate.low, decimals)} to {number(estimate.high, decimals)}"
            )
    sizes = [item.n_patients for item in shown if item.n_patients is not None]
    if sizes:
        parts.append(f"the smallest model rests on {plural(min(sizes), 'patient')}")
    singular = sum(item.is_singular for item in shown)
    if singular:
        parts.append(f"{singular} of {len(shown)} fits {'is' if singular == 1 else 'are'} singular")
    unconverged = sum(item.is_unconverged for item in shown)
    if unconverged:
        parts.append(f"{unconverged} of {len(shown)} did not converge")
    hidden = len(fitted) - len(shown)
    if hidden:
        parts.append(f"{hidden} of {len(fitted)} models {'is' if hidden == 1 else 'are'} not shown")
    if not parts:
        return "There is no estimate to doubt."
    text = listing(parts)
    return f"{text[0].upper()}{text[1:]}."


def _strongest(items: list[Fitted]) -> tuple[Fitted, Term, Estimate] | None:
    """The estimate with the smallest p: the slope's effect where the model has one, else the level's."""
    found = []
    for item in items:
        subject = tuple(item.predictors[0].split(":")) if item.predictors else ()
        for term in (tuple(sorted((*subject, "months"))), tuple(sorted(subject))):
            if term in item.estimates:
                estimate = item.estimates[term]
                found.append((1.0 if estimate.p_value is None else estimate.p_value, item, term, estimate))
                break
    if not found:
        return None
    _, item, term, estimate = min(found, key=lambda entry: entry[0])
    return item, term, estimate


def _size(estimate: Estimate) -> str:
    return number(abs(estimate.value), decimals_for([estimate.std_error]))
