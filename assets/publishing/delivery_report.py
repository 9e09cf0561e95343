"""What became of one delivery, for the person who sent it: counts, what was held back or not used, what changed.

What belongs here: gathering it. What does not: layout (`templates/delivery.html.j2`), and the list of what is open
(`assets.publishing.worklist`). It goes into the unit's own folder only, so it may name the unit's own patient numbers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from assets.publishing import words
from assets.publishing.formatting import NO_BREAK_SPACE, count, listing, plural
from assets.publishing.sources import Warehouse
from assets.publishing.units import ACCEPTED
from assets.publishing.worklist import item_words, sentence
from checks.catalogue import rule_of
from codebook.library import Library

PLACES = 8
"""So many rows are named on the page; the CSV names all."""
OUTCOMES = {"reject_row": "row held back", "void_value": "value set to missing", "flag": "kept, marked"}
NOT_MAPPED = "not used"
LIST_COLUMNS = ("outcome", "what is wrong", "what to do", "patient", "form", "item", "file", "row", "finding_id")


@dataclass(frozen=True)
class Kind:
    """One rule: what was found how often, where, and what to do about it."""

    what: str
    n: int
    places: str
    remedy: str


@dataclass(frozen=True)
class Report:
    """Everything that the page says about one delivery. `change` is None for a delivery that was held."""

    site: str
    unit: str
    name: str
    date: dt.date | None
    received: dt.datetime | None
    data_through: dt.date | None
    is_estimated: bool
    is_accepted: bool
    gate: str
    n_files: int
    n_landed: int
    n_accepted: int
    n_quarantined: int
    n_unused: int | None
    unused_files: tuple[str, ...]
    unmapped: tuple[str, ...]
    notes: tuple[str, ...]
    held: tuple[Kind, ...]
    voided: tuple[Kind, ...]
    marked: tuple[Kind, ...]
    change: Mapping[str, Any] | None
    listed: pl.DataFrame

    @property
    def answer(self) -> str:
        """The page's first sentence."""
        if not self.is_accepted:
            return f"Nothing of this delivery is used yet: {self.gate}."
        n_void = sum(kind.n for kind in self.voided)
        n_marked = sum(kind.n for kind in self.marked)
        taken = (
            f"All {plural(self.n_landed, 'row')} were taken"
            if not self.n_quarantined
            else f"{count(self.n_accepted)} of {plural(self.n_landed, 'row')} were taken, "
            f"{count(self.n_quarantined)} held back"
        )
        voided = f"{plural(n_void, 'value was', 'values were')} set to missing" if n_void else "no value was voided"
        marked = f", {plural(n_marked, 'thing')} marked for a look" if n_marked else ""
        return f"{taken}; {voided}{marked}."

    @property
    def is_exact(self) -> bool:
        """No row is unaccounted for."""
        return self.n_landed == self.n_accepted + self.n_quarantined


def reports(
    warehouse: Warehouse, library: Library, site: str, refs: Mapping[str, str], deliveries: pl.DataFrame
) -> list[Report]:
    """One report per delivery of a unit, oldest first. `deliveries`: quality.delivery, any units."""
    own = deliveries.filter(pl.col("site_id") == site).sort("delivery")
    changes: dict[str, dict[str, Any]] = {}
    if warehouse.has("quality.delivery_change"):
        frame = warehouse.table("quality.delivery_change", "site_id, delivery").filter(pl.col("site_id") == site)
        changes = {row["delivery"]: row for row in frame.iter_rows(named=True)}
    return [_report(library, site, refs, row, changes.get(row["delivery"])) for row in own.iter_rows(named=True)]


def _report(
    library: Library, site: str, refs: Mapping[str, str], row: Mapping[str, Any], change: Mapping[str, Any] | None
) -> Report:
    is_accepted = (row["gate"] or ACCEPTED) == ACCEPTED
    findings = _stored(library.folder.lake, "finding", site, row["delivery"], is_accepted)
    held = _stored(library.folder.lake, "quarantine", site, row["delivery"], is_accepted)
    unmapped, unused = _parts(row["unmapped_columns"], "; "), _parts(row.get("unused_files"), "; ")
    return Report(
        site=site,
        unit=words.site_name(library, site),
        name=row["delivery"],
        date=row["delivery_date"],
        received=row["received_at"],
        data_through=row["data_through_date"],
        is_estimated=bool(row["is_data_through_estimated"]),
        is_accepted=is_accepted,
        gate=words.gate_words(row["gate"] or ACCEPTED),
        n_files=int(row["n_files"] or 0),
        n_landed=int(row["n_rows_landed"] or 0),
        n_accepted=int(row["n_rows_accepted"] or 0),
        n_quarantined=int(row["n_rows_quarantined"] or 0),
        n_unused=row.get("n_rows_unused"),
        unused_files=unused,
        unmapped=unmapped,
        notes=_parts(row.get("notes"), " | "),
        held=_kinds(library, site, held),
        voided=_kinds(library, site, _marked(findings, "void_value")),
        marked=_kinds(library, site, _marked(findings, "flag")),
        change=change,
        listed=_listed(findings, refs, unmapped, unused),
    )


def _parts(text: str | None, separator: str) -> tuple[str, ...]:
    return tuple(part for part in (text or "").split(separator) if part)


def _stored(lake: Path, table: str, site: str, delivery: str, is_accepted: bool) -> pl.DataFrame:
    """What was found or held back in one delivery; of one that the gate held, that much is kept beside the lake."""
    place = lake / ("accepted" if is_accepted else "held") / table / f"site={site}" / f"delivery={delivery}"
    file = place / "part.parquet"
    if not file.is_file():
        return pl.DataFrame()
    return pl.read_parquet(file, hive_partitioning=False)


def _marked(findings: pl.DataFrame, severity: str) -> pl.DataFrame:
    return findings.filter(pl.col("severity") == severity) if findings.width else findings


def _kinds(library: Library, site: str, rows: pl.DataFrame) -> tuple[Kind, ...]:
    """`rows` (rule, source_file, source_row) by rule, most first."""
    if not rows.width:
        return ()
    frame = rows.sort("source_file", "source_row", nulls_last=True)
    kinds = []
    for (code,), group in frame.group_by(["rule"], maintain_order=True):
        rule = rule_of(str(code))
        what = words.rule_sentence(library, site, str(code), group.height)
        kinds.append(Kind(what, group.height, _places(group), rule.remedy if rule else ""))
    return tuple(sorted(kinds, key=lambda kind: (-kind.n, kind.what)))


def _places(group: pl.DataFrame) -> str:
    """`forms.csv rows 3, 7 and 12`; the first few, by file."""
    texts = []
    known = group.filter(pl.col("source_row").is_not_null()).unique(["source_file", "source_row"], maintain_order=True)
    for (file,), rows in known.head(PLACES).group_by(["source_file"], maintain_order=True):
        numbers = [str(number) for number in rows["source_row"]]
        texts.append(f"{file} {'row' if len(numbers) == 1 else 'rows'}{NO_BREAK_SPACE}{listing(numbers)}")
    more = known.height - PLACES
    return "; ".join(texts) + (f"; {count(more)} more in the CSV" if more > 0 else "")


def _listed(
    findings: pl.DataFrame, refs: Mapping[str, str], unmapped: Sequence[str], unused: Sequence[str]
) -> pl.DataFrame:
    """Every finding of the delivery and everything that was not used, one line each, as text and row numbers."""
    rows: list[dict[str, Any]] = []
    if findings.width:
        ordered = findings.sort("severity", "source_file", "source_row", "finding_id", nulls_last=True)
        for row in ordered.iter_rows(named=True):
            rule = rule_of(row["rule"])
            rows.append(
                {
                    "outcome": OUTCOMES[row["severity"]],
                    "what is wrong": sentence(row["message"]),
                    "what to do": rule.remedy if rule else None,
                    "patient": refs.get(row["patient_id"] or ""),
                    "form": words.short_name(row["instrument"]) if row["instrument"] else None,
                    "item": item_words(row["item"]),
                    "file": row["source_file"],
                    "row": row["source_row"],
                    "finding_id": row["finding_id"],
                }
            )
    for what, parts in (("Column that no mapping names", unmapped), ("File or sheet that no source names", unused)):
        rows.extend({"outcome": NOT_MAPPED, "what is wrong": f"{what}.", "file": part} for part in parts)
    schema = {name: pl.Int64() if name == "row" else pl.String() for name in LIST_COLUMNS}
    return pl.DataFrame([{name: row.get(name) for name in LIST_COLUMNS} for row in rows], schema=schema, orient="row")
