"""Changes that an export itself records (audit trails), as the lake keeps them.

What belongs here: the audit table. What does not: reading audit records (`assets.ingestion.readers`), and the history
that comes from comparing deliveries (SQL).
"""

from __future__ import annotations

import polars as pl

from assets.ingestion.context import Context
from assets.ingestion.facts import table_columns
from assets.ingestion.fields import parsed_times
from assets.ingestion.rows import NTH, ROW, IdentifiedSource
from checks.findings import DATE_UNREADABLE, found


def read_history(
    rows: IdentifiedSource, rejected: pl.DataFrame, context: Context
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Audit records about accepted rows, and the findings about them.

    Users become keyed hashes; a time that is none is voided.
    """
    history = rows.source.history
    if not history.height:
        return pl.DataFrame(schema=table_columns("audit")), []
    own = [column for column in rows.ids.columns if column in rows.frame.columns]
    owners = rows.frame.select(*ROW, NTH, "patient_id", *own)
    if rows.source.members is not None:
        owners = owners.rename({"source_file": "of_file", "source_row": "of_row"}).join(
            rows.source.members.drop("is_read"), on=["of_file", "of_row"], how="inner"
        )
    lines = history.join(owners, on=ROW, how="inner", maintain_order="left")
    lines = lines.join(rejected.select(ROW).unique(), on=ROW, how="anti", maintain_order="left")
    times = parsed_times(lines["changed_at"])
    is_unread = lines["changed_at"].is_not_null() & times.is_null()
    unread = found(
        _named(rows, lines.filter(is_unread)),
        DATE_UNREADABLE,
        item="audit_changed_at",
        field="changed_at",
        form="2013-05-01T12:30:00",
    )
    users = context.pseudonyms.ids("user", lines, [pl.lit(context.site.site), pl.col("changed_by")])
    is_known = pl.col("changed_by").is_not_null()
    table = lines.with_columns(times.alias("changed_at"), pl.when(is_known).then(users).alias("user_id"))
    return table.select(list(table_columns("audit"))).unique(maintain_order=True), [unread]


def _named(rows: IdentifiedSource, lines: pl.DataFrame) -> pl.DataFrame:
    return rows.ids.name(lines).with_columns(
        pl.concat_str("row_entity", "column", "changed_at", separator=" ", ignore_nulls=True).alias("entity")
    )
