"""Answers to the items of an instrument, scored as the codebook says, a row for each form.

What belongs here: reading answers from the warehouse, recoding and reversing. What does not: scales or any statistic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.analysis.design_matrix import NotEstimableError
from codebook.instrument import Instrument

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

_SQL = """
    select
        assessment.patient_id,
        assessment.episode_id,
        assessment.assessment_id,
        assessment.version,
        assessment.occasion,
        assessment.months,
        {items}
    from harmonised.assessment as assessment
    inner join harmonised.item_response as response on assessment.assessment_id = response.assessment_id
    where assessment.instrument = ? and assessment.rater = ? and response.value is not null
    group by
        assessment.patient_id,
        assessment.episode_id,
        assessment.assessment_id,
        assessment.version,
        assessment.occasion,
        assessment.months
    order by assessment.patient_id, assessment.months, assessment.assessment_id
"""
KEYS = ("patient_id", "episode_id", "assessment_id", "version", "occasion", "months")


def item_answers(connection: duckdb.DuckDBPyConnection, instrument: Instrument, rater: str) -> pd.DataFrame:
    """Every form with any answer: the columns of KEYS, then one column for each item number, missing as NaN.

    Recoded items have their scored value and reversed ones are turned round, so that every item runs the way of its
    scale. Forms are ordered by patient, months and id.

    Raises:
        NotEstimableError: there is no answer at all, or a form has a version that the codebook lacks.
    """
    numbers = list(range(1, instrument.n_items + 1))
    items = ",\n        ".join(
        f"max(case when response.item = {n} then response.value end) as item_{n}" for n in numbers
    )
    forms = connection.execute(_SQL.format(items=items), [instrument.key, rater]).df() if numbers else None
    if forms is None or forms.empty:
        raise NotEstimableError(f"no form of {instrument.key} by the {rater} has any answer to an item")
    forms = forms.set_axis([*KEYS, *numbers], axis=1)
    known = {version.key for version in instrument.versions}
    strange = sorted(set(forms["version"]) - known)
    if strange:
        raise NotEstimableError(f"{instrument.key} has no version {', '.join(map(str, strange))}")
    forms[numbers] = forms[numbers].astype(float)
    for key, rows in forms.groupby("version").groups.items():
        version = instrument.version(str(key))
        for number in numbers:
            recode = version.recode_of(number)
            if recode:
                forms.loc[rows, number] = forms.loc[rows, number].map(recode)
            if number in instrument.reversed_items and number not in version.reversed_in_export:
                forms.loc[rows, number] = sum(version.scored_range(number)) - forms.loc[rows, number]
    return forms


def first_forms(forms: pd.DataFrame, occasion: str) -> pd.DataFrame:
    """One form a patient: the first of all (`first`), or the first at an occasion."""
    at = forms if occasion == "first" else forms.loc[forms["occasion"] == occasion]
    return at.drop_duplicates("patient_id")
