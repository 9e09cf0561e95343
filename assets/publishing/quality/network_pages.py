"""The coordinator's folder: one page per question, a page per unit, and the tables behind them.

What belongs here: which pages there are, and what each is given. What does not: what is counted (`ledger`), how a unit
stands (`assets.publishing.units`), or layout (`templates/quality`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from assets.publishing import words, worklist_life
from assets.publishing.formatting import count, month, quarter, share
from assets.publishing.quality import ledger, sentences
from assets.publishing.quality.attention import attention
from assets.publishing.quality.charts import QUARTERS, bars
from assets.publishing.quality.heat import SHADES, by_year, heat_maps
from assets.publishing.quality.judged import Judged, judged, not_met, tally
from assets.publishing.quality.rules import rule_counts, rules
from assets.publishing.quality.series import (
    MONTH_COUNTS,
    month_counts,
    multiples,
    network_months,
    overview_counts,
    quarters,
)
from assets.publishing.quality.unit_page import UnitDetail, details
from assets.publishing.quality.week import Compared, Week, compared, first_sentence, weeks
from assets.publishing.quality.workbook import week_table, write_week
from assets.publishing.rendering import compact, render, write_table
from assets.publishing.sources import RunSummary, Warehouse
from assets.publishing.units import Unit
from codebook.library import Library

MENU = (
    ("index.html", "Overview"),
    ("this-week.html", "This week"),
    ("completeness.html", "Completeness"),
    ("trends.html", "Trends"),
    ("expectations.html", "Expectations"),
    ("findings.html", "Findings"),
    ("deliveries.html", "Deliveries"),
)
FIRST_MULTIPLES = 12
"""So many units are drawn at once on the overview; the rest wait behind a fold."""
LAST_MONTHS = 24
TREND_MEASURES = ("Received of due", "Overdue", "Assessments", "Findings open")


@dataclass(frozen=True)
class Picture:
    """Everything that was counted, once, for the coordinator's pages and for the units' report cards."""

    frames: Mapping[str, pl.DataFrame]
    units: tuple[Unit, ...]
    weeks: tuple[Week, ...]
    compared: Compared
    judged: tuple[Judged, ...]
    details: tuple[UnitDetail, ...]


def picture(warehouse: Warehouse, library: Library, run: RunSummary, found: Sequence[Unit]) -> Picture:
    """Ask the ledger each question once."""
    frames = {
        "due": ledger.due(warehouse, run.today),
        "completeness": ledger.completeness(warehouse),
        "by_year": ledger.completeness_by_year(warehouse),
        "trend": ledger.trend(warehouse),
        "change": ledger.change(warehouse),
        "coverage": ledger.coverage(warehouse),
        "expectations": ledger.expectations(warehouse),
        "findings": ledger.findings(warehouse),
        "ages": ledger.ages(warehouse),
        "quarantined": ledger.quarantined(warehouse),
    }
    rows = weeks(found, frames["due"], frames["change"], frames["findings"], worklist_life.read(library, run.as_of))
    return Picture(
        frames,
        tuple(found),
        tuple(rows),
        compared(frames["change"]),
        tuple(judged(frames["expectations"], found, library)),
        tuple(details(frames, library, found)),
    )


def write_network(seen: Picture, library: Library, run: RunSummary, folder: Path) -> None:
    """Every page, workbook and table of `published/network` into an empty folder."""
    pages = _Pages(seen, library, run, folder)
    pages.overview()
    pages.week()
    pages.completeness()
    pages.trends()
    pages.expectations()
    pages.findings()
    pages.deliveries()
    pages.units()
    pages.tables()


class _Pages:
    def __init__(self, seen: Picture, library: Library, run: RunSummary, folder: Path) -> None:
        self.seen, self.library, self.run, self.folder = seen, library, run, folder
        self.sentence = first_sentence(seen.weeks, seen.compared)
        due, findings = seen.frames["due"], seen.frames["findings"]
        used = {key for name in ("instrument",) for key in (*due[name].to_list(), *findings[name].to_list()) if key}
        self.instruments = ledger.instrument_order(library, sorted(used))
        spans = {text for text in due["quarter"].unique().to_list() if text}
        spans |= {delivery.quarter for unit in seen.units for delivery in unit.deliveries if delivery.quarter}
        spans |= {quarter(day) for day in seen.frames["trend"]["month"].unique().to_list()}
        self.periods = sorted({*spans, *(text[:4] for text in spans)}, reverse=True)
        names = sorted(seen.units, key=lambda unit: unit.name)
        self.common: dict[str, Any] = {
            "menu": MENU,
            "units": seen.units,
            "weeks": seen.weeks,
            "compared": seen.compared,
            "alphabetical": {unit.site: place for place, unit in enumerate(names)},
            "instruments": [(key, words.short_name(key)) for key in self.instruments],
            "periods": self.periods,
        }

    def _write(
        self, file: str, template: str, title: str, sentence: str, filters: Sequence[str], **values: Any
    ) -> None:
        given = self.common | {
            "up": "../" * file.count("/"),
            "here": file,
            "page_title": title,
            "sentence": sentence,
            "filters": filters,
            "is_ordered": True,
        }
        text = render(f"quality/{template}", self.library, self.run, **(given | values))
        path = self.folder / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def overview(self) -> None:
        seen, due = self.seen, self.seen.frames["due"]
        sums = due.group_by("site_id").agg(pl.col("n_received").sum(), pl.col("n_due").sum())
        received = {unit.site: (0, 0) for unit in seen.units} | {site: (n, of) for site, n, of in sums.iter_rows()}
        spans = quarters(due)[-QUARTERS:] or [""]
        counts = overview_counts(due, seen.frames["findings"], seen.frames["change"], self.library, seen.units)
        self._write(
            "index.html",
            "overview.html.j2",
            "units this week",
            self.sentence,
            ("unit", "instrument", "period"),
            attention=attention(seen.weeks, due, seen.judged, self.library),
            multiples=multiples(due, seen.units),
            first=FIRST_MULTIPLES,
            loop_place={unit.site: place for place, unit in enumerate(seen.units)},
            received=received,
            spans=(spans[0], spans[-1]),
            counts=compact({"page": "overview"} | counts),
        )

    def week(self) -> None:
        title = f"{self.library.network.title}: this week"
        told = [
            f"{self.library.network.title}, {self.run.today.isoformat()}. Counts only; no patient is listed here.",
            "overdue: the window closed within what the unit's data reach; nothing came; it can still be asked for.",
            "due in 30 days: not come yet, window open or still to open, due no later than 30 days from today.",
            "numbers rest on: the last accepted delivery; older than the last one where the gate holds that back.",
        ]
        if self.library.network.is_synthetic:
            told.append("Synthetic data: no real patient is behind any number here.")
        write_week(week_table(self.seen.weeks), title, told, self.folder / "this-week.xlsx")
        self._write("this-week.html", "week.html.j2", "this week", self.sentence, ("unit",), details=self.seen.details)

    def completeness(self) -> None:
        frame, years = self.seen.frames["completeness"], self.seen.frames["by_year"]
        maps = heat_maps(frame, self.library, self.seen.units)
        by_site = {unit.site: unit for unit in self.seen.units}
        coverage = [
            row | {"unit": by_site[row["site_id"]]}
            for row in self.seen.frames["coverage"].iter_rows(named=True)
            if row["site_id"] in by_site
        ]
        known = by_year(years, maps, self.seen.units)
        filters = ("unit", "instrument", "period") if known["years"] else ("unit", "instrument")
        self._write(
            "completeness.html",
            "completeness.html.j2",
            "completeness",
            sentences.completeness(frame),
            filters,
            maps=maps,
            shades=range(SHADES + 1),
            coverage=coverage,
            periods=list(reversed(known["years"])),
            **({"counts": compact({"page": "completeness"} | known)} if known["years"] else {}),
        )

    def trends(self) -> None:
        trend = self.seen.frames["trend"]
        counts = month_counts(trend, self.seen.units)
        months = network_months(trend)
        shown = counts["months"][-LAST_MONTHS:]
        total = [[row[name] for name in MONTH_COUNTS] for row in reversed(months)][-LAST_MONTHS:]
        self._write(
            "trends.html",
            "trends.html.j2",
            "trends",
            sentences.trends(months),
            ("unit", "period"),
            months=[row | {"key": month(row["month"]), "quarter": quarter(row["month"])} for row in months],
            measures=TREND_MEASURES,
            network_bars=_month_bars(total),
            unit_bars=[(unit, _month_bars(counts["units"][unit.site][-LAST_MONTHS:])) for unit in self.seen.units],
            first_month=shown[0] if shown else "",
            last_month=shown[-1] if shown else "",
            counts=compact({"page": "trends"} | counts),
        )

    def expectations(self) -> None:
        items = self.seen.judged
        unmet = not_met(items)
        keys = list(dict.fromkeys([*words.SUITES, *sorted({item.suite_key for item in items})]))
        suites = []
        for key in keys:
            own = [item for item in items if item.suite_key == key]
            if own:
                counts = {status: sum(item.status == status for item in own) for status in words.EXPECTATION_STATES}
                listed = [item for item in unmet if item.suite_key == key]
                suites.append({"key": key, "name": words.suite_words(key), "counts": counts, "listed": listed})
        self._write(
            "expectations.html",
            "expectations.html.j2",
            "expectations",
            sentences.expectations(items),
            ("unit", "instrument"),
            suites=suites,
            tally=tally(items, self.seen.units),
        )

    def findings(self) -> None:
        frames = self.seen.frames
        listed = rules(frames["findings"], frames["change"], self.library)
        counts = rule_counts(listed, frames["findings"], frames["change"], self.seen.units)
        is_compared = not frames["change"].is_empty()
        self._write(
            "findings.html",
            "findings.html.j2",
            "findings by rule",
            sentences.findings(self.seen.units),
            ("unit", "instrument"),
            rules=listed,
            ages={(site, age): n for site, age, n in frames["ages"].iter_rows()},
            age_words=[text for _, text in ledger.AGE_STEPS] if not frames["ages"].is_empty() else [],
            counts=compact({"page": "findings", "isCompared": is_compared, "units": counts}),
        )

    def deliveries(self) -> None:
        listed = [(unit, delivery) for unit in self.seen.units for delivery in unit.deliveries]
        listed.sort(key=lambda item: item[0].name)
        listed.sort(key=lambda item: item[1].name, reverse=True)
        self._write(
            "deliveries.html",
            "deliveries.html.j2",
            "deliveries",
            sentences.deliveries(self.seen.units),
            ("unit", "period"),
            deliveries=listed,
            periods=sorted(
                {
                    text
                    for _, delivery in listed
                    if delivery.quarter
                    for text in (delivery.quarter, delivery.quarter[:4])
                },
                reverse=True,
            ),
        )

    def units(self) -> None:
        own: dict[str, list[Judged]] = {}
        for item in self.seen.judged:
            own.setdefault(item.unit.site, []).append(item)
        for week, detail in zip(self.seen.weeks, self.seen.details, strict=True):
            unit = week.unit
            self._write(
                f"units/{unit.site}.html",
                "unit.html.j2",
                unit.name,
                sentences.unit(week),
                ("instrument", "period"),
                unit=unit,
                week=week,
                detail=detail,
                judged=own.get(unit.site, []),
                is_ordered=False,
            )

    def tables(self) -> None:
        folder, frames = self.folder / "tables", self.seen.frames
        folder.mkdir()
        rests = pl.DataFrame(
            [(u.site, u.is_held, u.last_accepted.name if u.last_accepted else None) for u in self.seen.units],
            schema={"site_id": pl.String, "is_held": pl.Boolean, "rests_on_delivery": pl.String},
            orient="row",
        )
        write_table(
            folder / "units", _unit_table(self.seen.weeks).join(rests, on="site_id", how="left", maintain_order="left")
        )
        for name in ("completeness", "trend", "change", "coverage", "expectations", "findings"):
            frame = frames[name]
            if name == "expectations":
                # An error's text may quote a value; what failed is told in counts.
                kept = pl.when(pl.col("status") != "error").then(pl.col("message"))
                frame = frame.with_columns(kept.alias("message"))
            write_table(folder / name, frame.join(rests, on="site_id", how="left", maintain_order="left"))


@dataclass(frozen=True)
class Bars:
    """A row of small bars, one a month, and the latest month's number."""

    path: str
    latest: str


def _month_bars(rows: Sequence[Any]) -> list[Bars]:
    """One set of bars for each of TREND_MEASURES; a row that is 0 stands for a month without anything."""
    known = [row or [0] * len(MONTH_COUNTS) for row in rows]
    if not known:
        return [Bars("", "n/a")] * len(TREND_MEASURES)
    last = known[-1]
    return [
        Bars(bars([row[1] / row[0] if row[0] else 0.0 for row in known]), share(last[1], last[0])),
        *(Bars(bars([row[place] for row in known]), count(last[place])) for place in (3, 4, 7)),
    ]


def _unit_table(rows: Sequence[Week]) -> pl.DataFrame:
    texts = dict.fromkeys(("site_id", "name", "state", "last_delivery"), pl.String())
    counts = (
        "n_overdue",
        "n_missed",
        "n_awaiting_delivery",
        "n_due_in_30_days",
        "n_findings_open",
        "n_findings_new",
        "n_findings_closed",
    )
    listed = [
        (
            row.unit.site,
            row.unit.name,
            row.unit.state.word,
            row.unit.last.name if row.unit.last else None,
            row.unit.last_accepted.data_through if row.unit.last_accepted else None,
            row.unit.n_overdue,
            row.unit.n_missed,
            row.unit.n_awaiting,
            row.n_soon,
            row.unit.n_open,
            row.unit.n_new,
            row.unit.n_closed,
        )
        for row in rows
    ]
    schema = texts | {"data_through_date": pl.Date()} | dict.fromkeys(counts, pl.Int64())
    return pl.DataFrame(listed, schema=schema, orient="row")
