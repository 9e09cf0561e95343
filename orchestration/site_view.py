"""A preview on the screen, the answer first: would it be taken, how many rows, what is not mapped, what would be found.

What belongs here: layout. What does not: what is shown (`assets.ingestion.preview`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby

import polars as pl
import typer

from assets.ingestion.preview import FindingCount, FormCount, Preview
from orchestration.tables import print_table

MOST_NAMED = 25
MOST_COLUMNS = 10


def print_preview(preview: Preview) -> None:
    """Everything a person needs to correct a declaration, in the order in which one would ask."""
    held = preview.would_be_held
    verdict = "would be HELD: " + "; ".join(check.message for check in held) if held else "would be accepted"
    typer.echo(f"{preview.site}, delivery {preview.delivery}: {verdict}.")
    typer.echo(
        f"{preview.n_landed} rows in {preview.n_files} files: {preview.n_accepted} would be accepted "
        f"({preview.n_unused} of them feed nothing), {preview.n_quarantined} held back."
    )
    _heading("Assessments", f"{sum(form.n_assessments for form in preview.forms)}")
    if preview.forms:
        print_table(
            ("instrument", "version", "rater", "assessments", "items answered", "occasions"), _form_lines(preview.forms)
        )
    _heading("Findings it would raise", f"{sum(finding.n for finding in preview.findings)}")
    if preview.findings:
        print_table(
            ("n", "rule", "severity", "first", "what is wrong"),
            [(found.n, found.rule, found.severity, _place(found), found.message) for found in preview.findings],
        )
    _heading("Columns used", f"{len(preview.mapped)}")
    used: dict[tuple[str, str], list[str]] = defaultdict(list)
    for source, column, where in preview.mapped:
        used[source, where].append(column)
    print_table(
        ("source", "used as", "columns"), [(source, where, _named(names)) for (source, where), names in used.items()]
    )
    _list("Dropped (identifiers)", preview.dropped)
    _list("Not mapped, not stored", preview.unmapped)
    _list("Files and sheets that no source names", preview.unused_files)
    _list("Notes", preview.notes)
    for name, frame in preview.first_rows.items():
        _heading(f"First rows of {name}", f"{frame.width} columns with values")
        _print_frame(frame)
    typer.echo("\nNothing was written.")


def _form_lines(forms: Iterable[FormCount]) -> Iterator[list[object]]:
    """One line per form, its occasions in one cell."""
    for (instrument, version, rater), group in groupby(
        forms, key=lambda form: (form.instrument, form.version, form.rater)
    ):
        members = list(group)
        n = sum(form.n_assessments for form in members)
        answered = _share(sum(form.n_answered for form in members), sum(form.n_items for form in members))
        occasions = ", ".join(f"{form.occasion or 'by date'} {form.n_assessments}" for form in members)
        yield [instrument, version, rater, n, answered, occasions]


def _place(found: FindingCount) -> str:
    return f"{found.source_file}:{found.source_row}" if found.source_row else found.source_file


def _heading(title: str, count: str) -> None:
    typer.echo(f"\n{title}: {count}")


def _list(title: str, names: tuple[str, ...]) -> None:
    if names:
        _heading(title, f"{len(names)}")
        typer.echo(f"  {_named(list(names))}")


def _named(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "n/a"


def _print_frame(frame: pl.DataFrame) -> None:
    """The first columns of a few rows; items joined into one cell."""
    items = [column for column in frame.columns if column.startswith("item_")]
    shown = frame.select(pl.all().exclude(items).cast(pl.String))
    if items:
        answers = pl.concat_str([pl.col(item).cast(pl.String).fill_null("·") for item in items], separator=" ")
        shown = shown.with_columns(frame.select(answers.alias("items"))["items"])
    columns = [column for column in shown.columns if column != "content_hash"]
    kept = columns[:MOST_COLUMNS] + [column for column in ("items",) if column in columns[MOST_COLUMNS:]]
    print_table(kept, [list(row) for row in shown.select(kept).iter_rows()])
