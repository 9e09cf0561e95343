"""Expectations about the network's data: SQL counts per site and instrument, great-expectations judges the counts.

What belongs here: what is counted, against which threshold, and the rows of `quality.expectation`. What does not: rules
about single values (`checks.rules`), and when expectations run (`orchestration`).

great-expectations sees one small frame per suite, with a row for each site and measure, so that its cost does not
grow with the number of sites or assessments. Nothing to check is `not_applicable`, never passed or failed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from codebook.library import Library

if TYPE_CHECKING:
    import duckdb
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.data_context import EphemeralDataContext

FILE_NAME = "quality.expectation.parquet"

SCHEMA: dict[str, pl.DataType] = {
    "suite": pl.String(),
    "expectation": pl.String(),
    "site_id": pl.String(),
    "status": pl.String(),
    "n_failed": pl.Int64(),
    "n_checked": pl.Int64(),
    "threshold": pl.Float64(),
    "measure": pl.String(),
    "instrument": pl.String(),
    "observed": pl.Float64(),
    "message": pl.String(),
}
"""Columns of `quality.expectation`; one row per expectation and site. `expectation` is `<instrument>_<measure>`."""

_MEASURED: dict[str, pl.DataType] = {
    "suite": pl.String(),
    "measure": pl.String(),
    "direction": pl.String(),
    "site_id": pl.String(),
    "instrument": pl.String(),
    "label": pl.String(),
    "n_checked": pl.Int64(),
    "n_failed": pl.Int64(),
    "threshold": pl.Float64(),
    "error": pl.String(),
}
_COUNTS = {name: _MEASURED[name] for name in ("site_id", "instrument", "n_checked", "n_failed")}


@dataclass(frozen=True)
class Measure:
    """What is counted per site and instrument. `things` and `fault` say it in the field's words.

    `at_most`: the failing share may not exceed the threshold; `at_least`: the share that does not fail must reach it.
    """

    name: str
    suite: str
    direction: Literal["at_most", "at_least"]
    things: str
    fault: str


MEASURES: tuple[Measure, ...] = (
    Measure("out_of_range_rate", "ranges", "at_most", "answers", "lie outside their range"),
    Measure(
        "outside_version_period_rate", "versions", "at_most", "dated assessments", "lie outside their version's period"
    ),
    Measure("repeated_assessment_id_rate", "uniqueness", "at_most", "assessments", "repeat the key of another"),
    Measure(
        "repeated_occasion_rate", "uniqueness", "at_most", "assessments", "repeat the rater and occasion of another"
    ),
    Measure("received_rate", "completeness", "at_least", "expected assessments", "have come"),
    Measure("answered_rate", "completeness", "at_least", "items", "are answered"),
)
_BY_NAME = {measure.name: measure for measure in MEASURES}


def thresholds(library: Library) -> dict[str, float]:
    """Threshold of every measure, a share 0–1; what must never happen has 0."""
    quality = library.network.quality
    return dict.fromkeys(_BY_NAME, 0.0) | {
        "out_of_range_rate": quality.max_out_of_range_rate,
        "received_rate": quality.min_received_rate,
        "answered_rate": quality.min_answered_rate,
    }


def measure_sql(library: Library) -> dict[str, str]:
    """SQL of every measure: site_id, instrument, n_checked, n_failed.

    An answer that was voided counts among those checked. Where an assessment has no occasion, its date (or months)
    tells it from the others of the same rater. A version's `valid_until` is the first day on which it is outside.
    """
    return {
        "out_of_range_rate": """
            select site_id, instrument, sum(n_answered) + sum(n_voided) as n_checked, sum(n_voided) as n_failed
            from (
                select site_id, instrument, n_answered, 0 as n_voided from harmonised.assessment
                union all
                select site_id, instrument, 0 as n_answered, 1 as n_voided from quality.finding
                where rule like '%-range-%' and status not in ('resolved', 'accepted')
            ) as answer
            group by site_id, instrument""",
        "outside_version_period_rate": f"""
            select
                assessment.site_id,
                assessment.instrument,
                count(*) as n_checked,
                sum(case
                    when assessment.assessment_date < version.valid_from then 1
                    when assessment.assessment_date >= version.valid_until then 1
                    else 0
                end) as n_failed
            from harmonised.assessment as assessment
            inner join ({_version_periods(library)}) as version
                on assessment.instrument = version.instrument and assessment.version = version.version
            where assessment.assessment_date is not null
            group by assessment.site_id, assessment.instrument""",
        "repeated_assessment_id_rate": """
            select
                site_id, instrument,
                count(*) as n_checked, sum(case when copy_number > 1 then 1 else 0 end) as n_failed
            from (
                select
                    site_id, instrument,
                    row_number() over (partition by assessment_id order by site_id) as copy_number
                from harmonised.assessment
            ) as numbered
            group by site_id, instrument""",
        "repeated_occasion_rate": """
            select site_id, instrument, sum(n_rows) as n_checked, sum(n_rows - 1) as n_failed
            from (
                select site_id, instrument, count(*) as n_rows
                from harmonised.assessment
                group by
                    site_id, instrument, episode_id, rater, sequence,
                    coalesce(occasion, cast(assessment_date as varchar), cast(months as varchar))
            ) as taken
            group by site_id, instrument""",
        "received_rate": """
            select site_id, instrument, sum(n_expected) as n_checked, sum(n_expected - n_received) as n_failed
            from quality.completeness
            group by site_id, instrument""",
        "answered_rate": """
            select
                site_id, instrument,
                sum(n_items_expected) as n_checked, sum(n_items_expected - n_items_answered) as n_failed
            from quality.completeness
            group by site_id, instrument""",
    }


def _version_periods(library: Library) -> str:
    """SELECT of instrument, version, valid_from, valid_until for the versions that have a limit."""
    limited = [
        f"select '{instrument.key}', '{version.key.replace(chr(39), chr(39) * 2)}', "
        f"{_date(version.valid_from)}, {_date(version.valid_until)}"
        for instrument in library.instruments.values()
        for version in instrument.versions
        if version.valid_from or version.valid_until
    ]
    typed = (
        "select cast(null as varchar) as instrument, cast(null as varchar) as version, "
        "cast(null as date) as valid_from, cast(null as date) as valid_until where 1 = 0"
    )
    return " union all ".join([typed, *limited])


def _date(day: str | None) -> str:
    return f"cast('{day}' as date)" if day else "cast(null as date)"


def measures(connection: duckdb.DuckDBPyConnection, library: Library) -> pl.DataFrame:
    """Counts of every measure, for each site with each instrument that it delivers or should deliver.

    Args:
        connection: to the build's warehouse (read-only is enough).
        library: the network's declarations, for sites, periods and thresholds.

    Returns:
        suite, measure, direction, site_id, instrument, label, n_checked, n_failed, threshold, error: a measure that
        cannot be computed has rows with its reason in `error`.
    """
    import duckdb

    known = {(site.site, instrument) for site in library.sites.values() for instrument in site.instruments_used()}
    grid = pl.DataFrame(sorted(known), schema={"site_id": pl.String, "instrument": pl.String}, orient="row")
    limits, frames = thresholds(library), [pl.DataFrame(schema=_MEASURED)]
    names = {key: instrument.name for key, instrument in library.instruments.items()}
    for name, sql in measure_sql(library).items():
        error = None
        counted = pl.DataFrame(schema=_COUNTS)
        try:
            counted = connection.execute(sql).pl().select(pl.col(c).cast(t) for c, t in _COUNTS.items())
        except duckdb.Error as problem:
            error = f"could not be counted ({type(problem).__name__})"
        pairs = pl.concat([grid, counted.select(grid.columns)]).unique().sort(grid.columns)
        frames.append(
            pairs.join(counted, on=grid.columns, how="left")
            .with_columns(
                pl.col("n_checked", "n_failed").fill_null(0),
                label=pl.col("instrument").replace(names),
                suite=pl.lit(_BY_NAME[name].suite),
                measure=pl.lit(name),
                direction=pl.lit(_BY_NAME[name].direction),
                threshold=pl.lit(limits[name]),
                error=pl.lit(error, dtype=pl.String),
            )
            .select(list(_MEASURED))
        )
    return pl.concat(frames)


def judge(measured: pl.DataFrame, context: EphemeralDataContext | None = None) -> pl.DataFrame:
    """Rows of `quality.expectation` from the counts of `measures`, judged by great-expectations.

    A suite that great-expectations cannot judge gets status `error` with the reason; the others are judged all the
    same. `context`: None makes one in memory, if there is anything to judge.
    """
    frame = measured.with_columns(
        expectation=pl.concat_str("instrument", "measure", separator="_"),
        observed=pl.when(pl.col("n_checked") > 0).then(
            pl.when(pl.col("direction") == "at_most")
            .then(pl.col("n_failed"))
            .otherwise(pl.col("n_checked") - pl.col("n_failed"))
            / pl.col("n_checked")
        ),
    )
    judged = [pl.DataFrame(schema=SCHEMA)]
    for (suite, direction), rows in sorted(frame.group_by("suite", "direction"), key=lambda group: str(group[0])):
        to_judge = rows.filter(pl.col("error").is_null() & pl.col("observed").is_not_null())
        failed: set[tuple[str, str]] = set()
        reason = None
        if not to_judge.is_empty():
            try:
                context = context or _context()
                failed = _failing(context, str(suite), str(direction), to_judge)
            except Exception as problem:  # whatever the library raises, the run goes on and says so
                reason = f"could not be judged ({type(problem).__name__}: {str(problem).partition(chr(10))[0][:200]})"
        judged.append(_with_status(rows, failed, reason))
    return pl.concat(judged).sort("suite", "expectation", "site_id")


def _context() -> EphemeralDataContext:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _failing(context: EphemeralDataContext, suite: str, direction: str, rows: pl.DataFrame) -> set[tuple[str, str]]:
    """(expectation, site_id) of the rows whose observed share is on the wrong side of the threshold.

    Raises:
        RuntimeError: great-expectations met a problem of its own, or did not look at every row.
    """
    import great_expectations as gx
    from great_expectations.expectations import ExpectColumnPairValuesAToBeGreaterThanB

    larger, smaller = ("threshold", "observed") if direction == "at_most" else ("observed", "threshold")
    place = ["expectation", "site_id"]
    name = f"{suite}_{direction}"
    batch = (
        context.data_sources.add_pandas(name)
        .add_dataframe_asset(name)
        .add_batch_definition_whole_dataframe(name)
        .get_batch(batch_parameters={"dataframe": rows.select(*place, "observed", "threshold").to_pandas()})
    )
    outcome = batch.validate(
        gx.ExpectationSuite(
            name=name,
            expectations=[
                ExpectColumnPairValuesAToBeGreaterThanB(
                    column_A=larger, column_B=smaller, or_equal=True, ignore_row_if="neither"
                )
            ],
        ),
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": place},
    )
    result: ExpectationValidationResult = outcome.results[0]
    problem = _exception_message(result.exception_info)
    if problem:
        raise RuntimeError(problem)
    if result.result["element_count"] != rows.height:
        raise RuntimeError(f"{result.result['element_count']} of {rows.height} rows were looked at")
    return {(str(row["expectation"]), str(row["site_id"])) for row in result.result.get("unexpected_index_list") or ()}


def _exception_message(info: dict[str, Any] | None) -> str | None:
    """The first message in an `exception_info`, which holds either one exception or one for each metric."""
    if not info:
        return None
    found: Iterable[Any] = [info] if "raised_exception" in info else info.values()
    return next((str(item["exception_message"]) for item in found if item.get("raised_exception")), None)


def _with_status(rows: pl.DataFrame, failed: set[tuple[str, str]], reason: str | None) -> pl.DataFrame:
    """Rows of one suite with status and message."""
    told = []
    for row in rows.iter_rows(named=True):
        error = row["error"] or (reason if row["n_checked"] > 0 else None)
        if error:
            status = "error"
        elif row["n_checked"] == 0:
            status = "not_applicable"
        else:
            status = "fail" if (row["expectation"], row["site_id"]) in failed else "pass"
        told.append(row | {"status": status, "message": _message(row, error)})
    return pl.DataFrame(told, schema_overrides=SCHEMA).select(list(SCHEMA))


def _message(row: dict[str, Any], error: str | None) -> str:
    """A sentence such as `WAI-SR: 3 of 40 answers lie outside their range (7.5 %; at most 0 %).`"""
    measure = _BY_NAME[row["measure"]]
    if error:
        return f"{row['label']}: {measure.things} {error}."
    if row["n_checked"] == 0:
        return f"{row['label']}: no {measure.things} to check."
    n_told = row["n_failed"] if measure.direction == "at_most" else row["n_checked"] - row["n_failed"]
    limit = f"{measure.direction.replace('_', ' ')} {row['threshold'] * 100:.3g} %"
    share = f"{row['observed'] * 100:.3g} %"
    return f"{row['label']}: {n_told} of {row['n_checked']} {measure.things} {measure.fault} ({share}; {limit})."


def judge_warehouse(database: Path, library: Library) -> pl.DataFrame:
    """Rows of `quality.expectation` for a warehouse file, opened read-only.

    Raises:
        duckdb.Error: the file cannot be opened.
    """
    import duckdb

    with duckdb.connect(str(database), read_only=True) as connection:
        measured = measures(connection, library)
    return judge(measured)


def write_expectations(frame: pl.DataFrame, folder: Path) -> Path:
    """Write the rows to `<folder>/quality.expectation.parquet`, with every column typed even where there are none."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    pl.concat([pl.DataFrame(schema=SCHEMA), frame.select(list(SCHEMA))]).write_parquet(path)
    return path
