"""How counts are judged: great-expectations holds what was observed against the threshold, one small frame per suite.

What belongs here: the library's calls, and the status of every row. What does not: counting (`counts`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import polars as pl

from checks.expectations.messages import message

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.data_context import EphemeralDataContext

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
    "scale": pl.String(),
    "waiver": pl.String(),
    "held_delivery": pl.String(),
}
"""Columns of `quality.expectation`; one row per expectation and site.

`expectation` is `[<instrument>_][<scale>_]<measure>`. `n_failed` is null for `scale_drift`, which judges a mean and not
single scores. `waiver`: reason, owner and end of a loosened threshold. `held_delivery`: the unit's newest delivery
where the gate holds it, so that what is judged is its last accepted one; filled in by `suites`.
"""


def judge(measured: pl.DataFrame, context: EphemeralDataContext | None = None) -> pl.DataFrame:
    """Rows of `quality.expectation` from the counts of `counts.measures`, judged by great-expectations.

    A suite that great-expectations cannot judge gets status `error` with the reason; the others are judged all the
    same. `context`: None makes one in memory, if there is anything to judge.
    """
    frame = _observed(measured)
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


def _observed(measured: pl.DataFrame) -> pl.DataFrame:
    """With each expectation's name, and the share or difference that is judged: null where there is too little."""
    is_enough = (pl.col("n_checked") > 0) & (pl.col("n_basis") >= pl.col("minimum"))
    share = pl.when(pl.col("direction") == "at_most").then(pl.col("n_failed")).otherwise(
        pl.col("n_checked") - pl.col("n_failed")
    ) / pl.col("n_checked")
    return measured.with_columns(
        expectation=pl.concat_str("instrument", "scale", "measure", separator="_", ignore_nulls=True),
        observed=pl.when(is_enough).then(pl.coalesce(pl.col("difference").abs(), share)),
    )


def _context() -> EphemeralDataContext:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _failing(context: EphemeralDataContext, suite: str, direction: str, rows: pl.DataFrame) -> set[tuple[str, str]]:
    """(expectation, site_id) of the rows whose observed value is on the wrong side of the threshold.

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
        error = row["error"] or (reason if row["observed"] is not None else None)
        if error:
            status = "error"
        elif row["observed"] is None:
            status = "not_applicable"
        else:
            status = "fail" if (row["expectation"], row["site_id"]) in failed else "pass"
        judged = row | {"status": status}
        told.append(judged | {"message": message(judged, error), "held_delivery": None})
    return pl.DataFrame(told, schema_overrides=SCHEMA, infer_schema_length=None).select(list(SCHEMA))
