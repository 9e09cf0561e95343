"""One answer per row becomes one row per form, and every row that arrived is still accounted for.

What belongs here: turning long rows into wide ones. What does not: what the answers mean (`assets.ingestion.forms`).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from assets.ingestion.columns import ROW_COLUMNS, export, exported
from checks.findings import ROW_DUPLICATE, ROW_KEY_CONFLICT
from codebook.site import Pivot

PLACE_OF = ("of_file", "of_row")
"""Columns that say into which wide row (called by its first) a row went."""
CLASHING = {"source_file": pl.String, "source_row": pl.Int64, "rule": pl.String}


@dataclass(frozen=True)
class Pivoted:
    """`frame`: a row per form, called by the place of its first row.

    `members`: source_file, source_row, of_file, of_row, and is_read: the row held an answer that a mapping reads.
    `clashing`: rows that went nowhere, with their rule.
    """

    frame: pl.DataFrame
    members: pl.DataFrame
    clashing: pl.DataFrame


def pivot_rows(rows: pl.DataFrame, declared: Pivot, identity: Sequence[str], names: Collection[str]) -> Pivoted:
    """Put the answers called `names` side by side.

    Rows without identity stay alone: nobody knows whose form they belong to. Rows that agree and of which no mapping
    reads an answer make no wide row. Of one answer given twice alike the first is taken; of one given twice differently
    neither.

    Args:
        rows: source_file, source_row and `export.` text columns.
        identity: columns that say who the patient is.
        names: answers that a mapping reads; the others are left out of the wide rows.
    """
    group = [exported(column) for column in declared.rows]
    nobody = pl.all_horizontal([export(column).is_null() for column in identity]) if identity else pl.lit(False)
    is_nobody = rows.select(nobody.alias("is_nobody"))["is_nobody"]
    alone, known = rows.filter(is_nobody), rows.filter(~is_nobody).sort(*ROW_COLUMNS)
    answer = [*group, exported(declared.names)]
    is_answer = export(declared.names).is_in(list(names)) & export(declared.values).is_not_null()
    known = known.with_columns(is_answer.fill_null(False).alias("is_read"))
    known = known.with_columns(
        pl.when("is_read").then(export(declared.values).n_unique().over([*answer, "is_read"])).alias("n_values"),
        pl.when("is_read").then(pl.int_range(pl.len()).over([*answer, "is_read"])).alias("nth"),
    )
    rule = (
        pl.when(pl.col("n_values") > 1)
        .then(pl.lit(ROW_KEY_CONFLICT))
        .when(pl.col("nth") > 0)
        .then(pl.lit(ROW_DUPLICATE))
    )
    known = known.with_columns(rule.alias("rule"))
    clashing = known.filter(pl.col("rule").is_not_null())
    known = known.filter(pl.col("rule").is_null()).filter(pl.col("is_read").any().over(group))
    wide = known.group_by(group, maintain_order=True).agg(
        *[pl.col(column).first() for column in ROW_COLUMNS],
        *[
            export(declared.values)
            .filter(pl.col("is_read") & (export(declared.names) == name))
            .first()
            .alias(exported(name))
            for name in sorted(names)
        ],
    )
    first = [pl.col(column).first().over(group).alias(of) for column, of in zip(ROW_COLUMNS, PLACE_OF, strict=True)]
    own = [pl.col(column).alias(of) for column, of in zip(ROW_COLUMNS, PLACE_OF, strict=True)]
    single = alone.select(
        *ROW_COLUMNS,
        *group,
        *[pl.when(export(declared.names) == n).then(export(declared.values)).alias(exported(n)) for n in sorted(names)],
    )
    return Pivoted(
        pl.concat([wide.select(single.columns), single]).sort(*ROW_COLUMNS),
        pl.concat(
            [
                known.select(*ROW_COLUMNS, *first, "is_read"),
                alone.select(*ROW_COLUMNS, *own, pl.lit(False).alias("is_read")),
            ]
        ),
        clashing.select(list(CLASHING)),
    )


def problem(
    rows: pl.DataFrame, columns: Collection[str], declared: Pivot, named: dict[str, str], source: str
) -> str | None:
    """Why these rows cannot be pivoted as declared: half a sentence that ends with what to do; None: they can.

    `columns`: what the files have; `named`: column → where the declaration names it.
    """
    loose = [c for c in named if c in columns and c not in declared.rows]
    for column in loose:
        if named[column] != "where":
            return (
                f"names the column '{column}' (source '{source}', {named[column]}), which can differ between the rows "
                "of one form; add it to pivot.rows"
            )
    wanted = [column for column in named if column not in columns]
    there = rows[exported(declared.names)].drop_nulls().unique().sort().to_list() if rows.height else []
    if wanted and there and not set(wanted) & set(there):
        close = next((match for name in wanted for match in difflib.get_close_matches(name, there, n=1)), None)
        hint = f"did you mean '{close}'?" if close else f"it holds {', '.join(there[:12])}"
        return (
            f"reads '{wanted[0]}' (source '{source}', {named[wanted[0]]}), and neither it nor any other answer stands "
            f"in the column '{declared.names}' (pivot.names); {hint}"
        )
    return None
