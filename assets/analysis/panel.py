"""The SQL of an analysis panel: from a declaration and the harmonised tables to `analysis.<panel>`.

What belongs here: which scores share a row, where a row is placed in time, and every kind of covariate.
What does not: models, or anything computed outside the database.

The SQL keeps to what DuckDB and PostgreSQL share, with one exception: an attribute used as a number needs `try_cast`.
Names come from checked declarations; values are quoted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codebook.panel import (
    AttributeCovariate,
    Cells,
    Covariate,
    Derived,
    EpisodeCovariate,
    FinalScore,
    FinalScoreAtLeast,
    Measure,
    Panel,
    PatientCovariate,
    ScoreAt,
)

if TYPE_CHECKING:
    import pyarrow as pa

KEY_COLUMNS = ("patient_id", "episode_id", "site_id", "months")
TAIL_COLUMNS = ("occasion", "assessment_id")
_INNER_COLUMNS = (
    *("instrument", "rater", "scale", "score", "source", "visit_key", "visit_repeat"),
    *("first_instrument", "last_instrument"),
)
DISCHARGE = "discharge"
UNSCHEDULED = "unscheduled"


def panel_columns(panel: Panel) -> tuple[str, ...]:
    """Columns of the panel in order.

    Raises:
        ValueError: a measure or covariate has a name that is taken.
    """
    columns = (*KEY_COLUMNS, *panel.measures, *panel.covariates, *TAIL_COLUMNS)
    twice = sorted(column for column in set(columns) if (*columns, *_INNER_COLUMNS).count(column) > 1)
    if twice:
        raise ValueError(f"panel '{panel.name}' cannot have a column called {', '.join(twice)}: the name is taken")
    return columns


def panel_schema(panel: Panel) -> pa.Schema:
    """Arrow types of the panel, the same whether it has rows or not. 1/0 and counts are integers, null is unknown."""
    import pyarrow as pa

    def type_of(column: str) -> pa.DataType:
        covariate = panel.covariates.get(column)
        if column == "months" or column in panel.measures:
            return pa.float64()
        if covariate is None or panel.is_text(column):
            return pa.string()
        return pa.float64() if _is_number(covariate) else pa.int64()

    return pa.schema([(column, type_of(column)) for column in panel_columns(panel)])


def panel_sql(panel: Panel) -> str:
    """One query: one row per episode and assessment that has any of the measures, in a fixed order of rows.

    Measures of the same instruments and rater share a row where they share the assessment. Measures of different
    instruments share one where they share episode and occasion; `months` is then their mean, a second assessment of an
    instrument at an occasion gets a row of its own, and so does every unscheduled one. `assessment_id` is null where a
    row has several.

    `discharge_at_months` places the discharge occasion, `after_months` (exclusive) and `max_months` (inclusive) then
    limit the rows; `n_assessments` and `version_group` count what remains.

    Raises:
        ValueError: a measure or covariate has a name that is taken.
    """
    columns = panel_columns(panel)
    sources = list(dict.fromkeys((measure.instruments, measure.rater) for measure in panel.measures.values()))
    wanted = " or ".join(dict.fromkeys(_is_measure(measure) for measure in panel.measures.values()))
    months = "months"
    if panel.discharge_at_months is not None:
        months = f"case when occasion = '{DISCHARGE}' then {panel.discharge_at_months!r} else months end"
    measured = ",\n        ".join(
        f"max(case when {_is_measure(measure)} then score end) as {name}" for name, measure in panel.measures.items()
    )
    source = " ".join(f"when {_is_from(*key)} then {number}" for number, key in enumerate(sources))
    merged = ",\n        ".join(f"max({name}) as {name}" for name in panel.measures)
    visit_key, repeat = "assessment_id", "1"
    if len(sources) > 1:
        visit_key = (
            f"case when occasion is null or occasion = '{UNSCHEDULED}' then 'assessment ' || assessment_id "
            "else 'occasion ' || occasion end"
        )
        repeat = (
            "row_number() over (partition by patient_id, episode_id, visit_key, source order by months, assessment_id)"
        )
    looked_up = {name: one for name, one in panel.covariates.items() if not isinstance(one, Cells)}
    limits = ["true"]
    if panel.after_months is not None:
        limits.append(f"months > {panel.after_months!r}")
    if panel.max_months is not None:
        limits.append(f"months <= {panel.max_months!r}")
    parts = [
        f"""form as (
    select
        assessment_id,
        episode_id,
        patient_id,
        site_id,
        instrument,
        case {source} end as source,
        occasion,
        {months} as months,
        {measured}
    from harmonised.scale_score
    where score is not null and ({wanted})
    group by assessment_id, episode_id, patient_id, site_id, instrument, rater, occasion, months
)""",
        f"keyed as (\n    select form.*, {visit_key} as visit_key from form\n)",
        f"visit as (\n    select keyed.*, {repeat} as visit_repeat from keyed\n)",
        f"""joined as (
    select
        patient_id,
        episode_id,
        min(site_id) as site_id,
        round(avg(months), 4) as months,
        {merged},
        min(occasion) as occasion,
        case when count(*) = 1 then min(assessment_id) end as assessment_id,
        visit_key,
        visit_repeat,
        min(instrument) as first_instrument,
        max(instrument) as last_instrument
    from visit
    group by patient_id, episode_id, visit_key, visit_repeat
)""",
        f"assessed as (\n    select * from joined where {' and '.join(limits)}\n)",
        *(f"{name}_value as (\n{_covariate_sql(covariate)}\n)" for name, covariate in looked_up.items()),
    ]
    chosen = ",\n    ".join(_column(column, panel) for column in columns)
    joins = "".join(f"\nleft join {name}_value on assessed.episode_id = {name}_value.episode_id" for name in looked_up)
    order = ", ".join(f"assessed.{column}" for column in ("patient_id", "episode_id", "months", "visit_key"))
    with_parts = ",\n\n".join(parts)
    return f"with {with_parts}\n\nselect\n    {chosen}\nfrom assessed{joins}\norder by {order}, assessed.visit_repeat\n"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _is_from(instruments: tuple[str, ...], rater: str) -> str:
    names = ", ".join(_quote(instrument) for instrument in instruments)
    return f"instrument in ({names}) and rater = {_quote(rater)}"


def _is_measure(measure: Measure) -> str:
    return f"({_is_from(measure.instruments, measure.rater)} and scale = {_quote(measure.scale)})"


def _is_number(covariate: Covariate) -> bool:
    if isinstance(covariate, AttributeCovariate):
        return covariate.is_value is None and covariate.below is None
    if isinstance(covariate, EpisodeCovariate):
        return covariate.column == "treatment_months" and covariate.below is None
    return isinstance(covariate, ScoreAt) or (isinstance(covariate, Derived) and covariate.kind == "age")


def _column(column: str, panel: Panel) -> str:
    """How the outermost query selects a column."""
    covariate = panel.covariates.get(column)
    if covariate is None:
        return f"assessed.{column}"
    if not isinstance(covariate, Cells):
        return f"{column}_value.value as {column}"
    when = " ".join(
        "when "
        + " and ".join(
            f"{part}_value.value = {_quote(value) if isinstance(value, str) else value}"
            for part, value in zip(covariate.of, values, strict=True)
        )
        + f" then {_quote(cell)}"
        for cell, values in covariate.cells.items()
    )
    return f"case {when} end as {column}"


def _covariate_sql(covariate: Covariate) -> str:
    """A query of episode_id and value, at most one row per episode."""
    if isinstance(covariate, FinalScore | FinalScoreAtLeast):
        test = f"< {covariate.below!r}" if isinstance(covariate, FinalScore) else f">= {covariate.at_least!r}"
        value = f"cast(case when score {test} then 1 else 0 end as bigint)"
        return _score_at(covariate.measure, covariate.occasion, value, "desc")
    if isinstance(covariate, ScoreAt):
        direction = "asc" if covariate.which == "first" else "desc"
        return _score_at(covariate.measure, covariate.occasion, _centred("score", covariate.centred_at), direction)
    if isinstance(covariate, AttributeCovariate):
        return _attribute(covariate)
    if isinstance(covariate, EpisodeCovariate):
        return f"    select episode_id, {_episode_value(covariate)} as value\n    from harmonised.episode"
    if isinstance(covariate, Derived):
        return _derived(covariate)
    assert isinstance(covariate, PatientCovariate), "cells are made of columns that are there"
    return (
        f"    select episode.episode_id, {_is_value(f'patient.{covariate.column}', covariate.is_value)} as value\n"
        "    from harmonised.episode as episode\n"
        "    inner join harmonised.patient as patient on episode.patient_id = patient.patient_id"
    )


def _derived(covariate: Derived) -> str:
    if not covariate.centred_at:
        return _DERIVED[covariate.kind]
    value = _centred("value", covariate.centred_at)
    return f"    select episode_id, {value} as value from (\n{_DERIVED[covariate.kind]}\n    ) as derived"


def _centred(value: str, centre: float) -> str:
    return f"{value} - {centre!r}" if centre else value


def _is_value(column: str, value: str) -> str:
    """1 or 0; null where nothing is known."""
    return f"cast(case when {column} = {_quote(value)} then 1 when {column} is not null then 0 end as bigint)"


def _is_below(column: str, limit: float) -> str:
    return f"cast(case when {column} < {limit!r} then 1 when {column} is not null then 0 end as bigint)"


def _episode_value(covariate: EpisodeCovariate) -> str:
    if covariate.is_value is not None:
        return _is_value(f"cast({covariate.column} as varchar)", covariate.is_value)
    if covariate.below is not None:
        return _is_below(covariate.column, covariate.below)
    kind = {"treatment_months": "double", "is_completed_as_planned": "bigint"}.get(covariate.column, "varchar")
    return f"cast({covariate.column} as {kind})"


def _score_at(measure: Measure, occasion: str, value: str, direction: str) -> str:
    """The first (asc) or last (desc) score at an occasion."""
    return f"""    select episode_id, {value} as value
    from (
        select episode_id, score, row_number() over (
            partition by episode_id order by months {direction} nulls last, assessment_id {direction}
        ) as place
        from harmonised.scale_score
        where score is not null and occasion = {_quote(occasion)} and {_is_measure(measure)}
    ) as placed
    where place = 1"""


def _attribute(covariate: AttributeCovariate) -> str:
    """1 where any row of the episode has the value, 0 where it has others only; or the latest row as a number."""
    where = f"where attribute = {_quote(covariate.attribute)} and value is not null"
    if covariate.is_value is not None:
        return (
            f"    select episode_id, cast(max(case when value = {_quote(covariate.is_value)} then 1 else 0 end) "
            f"as bigint) as value\n    from harmonised.attribute\n    {where}\n    group by episode_id"
        )
    number = "try_cast(value as double)"
    value = _centred(number, covariate.centred_at)
    if covariate.below is not None:
        value = _is_below(number, covariate.below)
    return f"""    select episode_id, {value} as value
    from (
        select episode_id, value, row_number() over (
            partition by episode_id order by value_date desc nulls last, value
        ) as place
        from harmonised.attribute
        {where}
    ) as placed
    where place = 1"""


# Age is the year of the anchor minus the year of birth: no birthday is stored. Other dates than the anchor that the
# months count from would move it against the panel's own zero.
_DERIVED = {
    "age": """    select
        episode.episode_id,
        cast(extract(year from case
            when anchor.months_anchor = 'admission' then episode.admission_date
            else coalesce(episode.treatment_start_date, episode.admission_date)
        end) - patient.birth_year as double) as value
    from harmonised.episode as episode
    inner join harmonised.patient as patient on episode.patient_id = patient.patient_id
    left join (
        select episode_id, min(months_anchor) as months_anchor from harmonised.assessment group by episode_id
    ) as anchor on episode.episode_id = anchor.episode_id""",
    "n_assessments": "    select episode_id, cast(count(*) as bigint) as value from assessed group by episode_id",
    "version_group": """    select
        episode_id,
        case when min(first_instrument) = max(last_instrument) then min(first_instrument) else 'both' end as value
    from assessed
    group by episode_id""",
}
