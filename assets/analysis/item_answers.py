"""Answers to the items of an instrument, scored as the codebook says, a row for each form.

What belongs here: reading answers from the warehouse, recoding and reversing. What does not: scales or any statistic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from assets.analysis.design_matrix import NotEstimableError
from codebook.instrument import Instrument

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

_SQL = """
    select
        assessment.assessment_id,
        assessment.patient_id,
        assessment.episode_id,
        assessment.version,
        assessment.occasion,
        assessment.months,
        response.item,
        response.value
    from harmonised.assessment as assessment
    inner join harmonised.item_response as response on assessment.assessment_id = response.assessment_id
    where assessment.instrument = ? and assessment.rater = ? and response.value is not null
"""
KEYS = ["patient_id", "episode_id", "assessment_id", "version", "occasion", "months"]


def item_answers(connection: duckdb.DuckDBPyConnection, instrument: Instrument, rater: str) -> pd.DataFrame:
    """Every form with any answer: the columns of KEYS, then one column for each item number, missing as NaN.

    Recoded items have their scored value and reversed ones are turned round, so that every item runs the way of its
    scale. Forms are ordered by patient, months and id.

    Raises:
        NotEstimableError: there is no answer at all, or a form has a version that the codebook lacks.
    """
    long = connection.execute(_SQL, [instrument.key, rater]).df()
    if long.empty:
        raise NotEstimableError(f"no form of {instrument.key} by the {rater} has any answer to an item")
    known = {version.key for version in instrument.versions}
    strange = sorted(set(long["version"]) - known)
    if strange:
        raise NotEstimableError(f"{instrument.key} has no version {', '.join(map(str, strange))}")
    long["value"] = _scored(long, instrument)
    wide = long.pivot(index="assessment_id", columns="item", values="value")
    wide.columns = wide.columns.astype(int)
    forms = long.drop_duplicates("assessment_id")[KEYS].merge(wide.reset_index(), on="assessment_id")
    return forms.sort_values(["patient_id", "months", "assessment_id"], kind="stable", ignore_index=True)


def _scored(long: pd.DataFrame, instrument: Instrument) -> pd.Series[float]:
    scored = long["value"].astype(float).copy()
    for key, rows in long.groupby(["version", "item"]).groups.items():
        version_key, item = cast("tuple[str, int]", key)
        version, number = instrument.version(version_key), int(item)
        recode = version.recode_of(number)
        if recode:
            scored.loc[rows] = scored.loc[rows].map(recode).astype(float)
        if number in instrument.reversed_items and number not in version.reversed_in_export:
            scored.loc[rows] = sum(version.scored_range(number)) - scored.loc[rows]
    return scored


def first_forms(forms: pd.DataFrame, occasion: str) -> pd.DataFrame:
    """One form a patient: the first of all (`first`), or the first at an occasion."""
    at = forms if occasion == "first" else forms.loc[forms["occasion"] == occasion]
    return at.drop_duplicates("patient_id")
