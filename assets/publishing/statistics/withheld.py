"""Rows of `results.*` with what may not leave the network taken out, cell by cell.

What belongs here: which columns count patients, and what goes with a count that is too small. What does not: the rule
itself (`disclosure`), or layout.

A row whose number of patients is below the minimum loses all its numbers. A part of a whole takes others with it that
would give it away by subtraction: of the categories of one group so many, smallest first, that two are hidden and hold
the minimum together; of a variable that is printed for everybody and by group, all of it, and its test. Everybody's
numbers go where everybody is few more than the groups together, and a sample's where it is few more or fewer than the
primary one. Where only the number of missing values is small, the number of valid ones is not printed, and a share is
rounded to whole per cent. Minima and maxima are single patients' values and are never published.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from assets.publishing.disclosure import Disclosure

PATIENTS = ("n", "n_patients", "n_subjects", "n_treated", "n_reference", "n_from", "n_to", "n_both")
"""Columns that count the patients (or other persons) a row rests on."""
OF_PERSONS = ("minimum", "maximum")
NOT_OF_PATIENTS = ("universe", "at_months", "threshold", "cutoff", "n_items", "n_raters", "n_resamples", "minimum_n")
"""Numbers that a declaration or an instrument gives; they stay where a row is held back."""
PARTS = {
    "results.description": (("count", "n_valid"),),
    "results.reliable_change": (("n", "n_total"),),
    "results.agreement": (("n_positive", "n"), ("n_both", "n_positive"), ("n_agree", "n")),
    "results.rate": (("n_events", "n_events_total"),),  # few events are of few patients
}
"""Tables whose rows are parts of a whole: columns of the part and of the whole."""
WHOLES = {
    "results.agreement": ("procedure",),
    "results.description": ("procedure", "variable", "occasion"),
    "results.rate": ("procedure", "outcome", "measure"),
    "results.reliable_change": ("procedure", "outcome", "method", "classification", "cutoff_kind"),
}
"""What the parts of one whole have in common, over all groups."""
MARK = "is_suppressed"


def withheld(table: str, frame: pl.DataFrame, rule: Disclosure) -> pl.DataFrame:
    """The same rows with `is_suppressed`, numbers of small groups null.

    Args:
        table: `results.<name>`.
        frame: rows of one procedure.
        rule: the network's minimum.
    """
    frame = frame.drop(name for name in OF_PERSONS if name in frame.columns)
    is_small = pl.lit(value=False)
    for name in PATIENTS:
        if name in frame.columns:
            is_small |= _is_small(pl.col(name), rule)
    if table in PARTS:
        for part, whole in PARTS[table]:
            is_small |= _is_small(pl.col(part), rule) | _is_small(pl.col(whole) - pl.col(part), rule)
        if "n_valid" in frame.columns:
            is_small |= _is_small(pl.col("n_valid"), rule)
        frame = frame.with_columns(is_small.fill_null(value=False).alias(MARK))
        if table == "results.reliable_change":
            return _without_numbers(_complemented(frame, rule), pl.col(MARK))
        frame = _spread(frame, [name for name in WHOLES[table] if name in frame.columns])
    else:
        frame = frame.with_columns(is_small.fill_null(value=False).alias(MARK))
    if table == "results.effect_size":
        frame = _near_samples(frame, rule)
    if table == "results.description":
        frame = _near_totals(frame, rule)
    frame = _without_numbers(frame, pl.col(MARK))
    return _valid_counts(frame, rule) if "n_valid" in frame.columns and "n_total" in frame.columns else frame


def tests_of_hidden(tests: pl.DataFrame, described: pl.DataFrame) -> pl.DataFrame:
    """Tests between groups without the numbers of variables whose description is held back."""
    hidden = described.filter(pl.col(MARK))["variable"].unique().to_list()
    is_hidden = pl.col(MARK) | pl.col("variable").is_in(hidden)
    return _without_numbers(tests, is_hidden).with_columns(is_hidden.alias(MARK))


def _spread(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Hidden parts hide the other parts of their whole; the same parts of other groups where everybody is printed too.

    Without everybody's numbers, one group's cannot be found by subtraction from another's.
    """
    if "group_level" not in frame.columns:
        return frame.with_columns(pl.col(MARK).any().over(keys).alias(MARK))
    level = pl.col("group_level")
    has_total = (level.is_null().any() & level.is_not_null().any()).over(keys)
    everywhere, here = pl.col(MARK).any().over(keys), pl.col(MARK).any().over([*keys, "group_level"])
    return frame.with_columns(pl.when(has_total).then(everywhere).otherwise(here).alias(MARK))


def _complemented(frame: pl.DataFrame, rule: Disclosure) -> pl.DataFrame:
    """Categories of reliable change: as few others hidden as keep the small ones from being found by subtraction."""
    keys = [name for name in WHOLES["results.reliable_change"] if name in frame.columns]
    groups: dict[tuple[object, ...], list[int]] = {}
    rows = frame.to_dicts()
    for place, row in enumerate(rows):
        groups.setdefault(tuple(row[name] for name in keys), []).append(place)
    hidden = [bool(row[MARK]) for row in rows]
    for places in groups.values():
        own = {place for place in places if hidden[place]}
        kind = rows[places[0]].get("classification")
        if not own or kind == "standing":
            continue  # shares of two occasions, not parts of one whole
        sizes = {place: rows[place]["n"] or 0 for place in places}
        if kind == "clinical_significance":
            own = _with_partners(own, {rows[place]["category"]: place for place in places}, sizes, rule)
        rest = sorted((place for place in places if place not in own), key=lambda place: sizes[place])
        while rest and (len(own) < 2 or sum(sizes[place] for place in own) < rule.minimum):
            own.add(rest.pop(0))
        for place in own:
            hidden[place] = True
    return frame.with_columns(pl.Series(MARK, hidden, dtype=pl.Boolean))


PARTNERS = (("recovered", "reliably_improved"), ("crossed_not_reliably", "unchanged"))
"""Categories of clinical significance whose sum the table of change beyond error gives, as it gives who got worse."""


def _with_partners(own: set[int], by_name: dict[str, int], sizes: dict[int, int], rule: Disclosure) -> set[int]:
    """The hidden categories with those that share a known sum with them; everything where a sum is small itself."""
    found = set(own)
    if by_name.get("reliably_deteriorated") in own:
        found |= {by_name[name] for name in PARTNERS[1] if name in by_name}
    for pair in PARTNERS:
        places = {by_name[name] for name in pair if name in by_name}
        if places & found:
            found |= places
            if 0 < sum(sizes[place] for place in places) < rule.minimum:
                return set(sizes)
    return found


def _near_samples(frame: pl.DataFrame, rule: Disclosure) -> pl.DataFrame:
    """A sample that is few more or fewer than the primary one would give those few away."""
    if not {"sample", "is_primary", "n"} <= set(frame.columns):
        return frame
    keys = ["procedure", "outcome", "group_level"]
    primary = pl.col("n").filter(pl.col("is_primary")).max().over(keys)
    is_near = _is_small((pl.col("n") - primary).abs(), rule) & ~pl.col("is_primary").fill_null(value=True)
    return frame.with_columns((pl.col(MARK) | is_near.fill_null(value=False)).alias(MARK))


def _near_totals(frame: pl.DataFrame, rule: Disclosure) -> pl.DataFrame:
    """Everybody's numbers, where only few are in no group."""
    keys, level = ["procedure", "variable", "category", "occasion"], pl.col("group_level")
    grouped = pl.col("n_valid").filter(level.is_not_null()).sum().over(keys)
    has_groups = level.is_not_null().any().over(keys)
    is_near = level.is_null() & has_groups & _is_small(pl.col("n_valid") - grouped, rule)
    return frame.with_columns((pl.col(MARK) | is_near.fill_null(value=False)).alias(MARK))


def _is_small(n: pl.Expr, rule: Disclosure) -> pl.Expr:
    return (n > 0) & (n < rule.minimum)


def _without_numbers(frame: pl.DataFrame, is_hidden: pl.Expr) -> pl.DataFrame:
    numbers = [n for n, kind in frame.schema.items() if kind.is_numeric() and n not in NOT_OF_PATIENTS]
    return frame.with_columns(pl.when(is_hidden).then(None).otherwise(pl.col(name)).alias(name) for name in numbers)


def _valid_counts(frame: pl.DataFrame, rule: Disclosure) -> pl.DataFrame:
    """Without the number of valid values where the number of missing ones is small."""
    few_missing = _is_small(pl.col("n_total") - pl.col("n_valid"), rule).fill_null(value=False)
    hidden: Sequence[str] = [name for name in ("n_valid", "count") if name in frame.columns]
    changed = [pl.when(few_missing).then(None).otherwise(pl.col(name)).alias(name) for name in hidden]
    if "pct" in frame.columns:
        changed.append(pl.when(few_missing).then(pl.col("pct").round(0)).otherwise(pl.col("pct")).alias("pct"))
    return frame.with_columns(changed)
