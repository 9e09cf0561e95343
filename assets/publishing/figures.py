"""Trajectories drawn: SVG for the page (its colours follow the reader's theme), SVG to keep, and an interactive page.

What belongs here: charts as Vega-Lite, and their colours. What does not: the numbers (`trajectory`), or words around
figures.
Every colour of a chart is one of `COLOURS`, so that it can be exchanged for a CSS variable afterwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from assets.publishing.formatting import plural
from assets.publishing.trajectory import Trajectory

COLOURS = {
    "#1c2127": "--ink",
    "#59616b": "--muted",
    "#dde1e6": "--line",
    "#0b5c8b": "--group-0",
    "#b04308": "--group-1",
}
"""Colour of a chart → variable of the style sheet that stands for the same."""
INK, MUTED, LINE, GROUP_0, GROUP_1 = COLOURS
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
PANEL, ALONE = (250, 190), (420, 250)
"""Width and height of one of several panels, and of a figure's only one."""
LARGEST = 1.3
"""A picture is stretched to its column's width, but no more than this."""
DODGE_MONTHS = 0.45
"""Groups stand this far to the left and right of their occasion, so that their intervals do not hide each other."""
PAPER = "#ffffff"
"""Ground of pictures to keep."""
CONFIG: dict[str, Any] = {
    "font": FONT,
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED, "titleColor": MUTED, "gridColor": LINE, "domainColor": MUTED, "tickColor": MUTED,
        "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "domain": False, "ticks": False,
        "labelPadding": 6,
    },
    "title": {"color": INK, "fontSize": 13, "fontWeight": 600, "anchor": "start", "offset": 10},
    "legend": {
        "labelColor": INK, "titleColor": MUTED, "labelFontSize": 12, "symbolSize": 70, "symbolOpacity": 1,
        "orient": "top", "title": None, "columnPadding": 28,
    },
    "concat": {"spacing": 28},
}  # fmt: skip
SYNTHETIC_MARK = "synthetic data"
POINTS, LINES, TEXTS = "points", "lines", "texts"
"""Names of the datasets inside a chart."""
TOOLTIP: Any = [
    {"field": "outcome_label", "type": "nominal", "title": "Outcome"},
    {"field": "group_label", "type": "nominal", "title": "Group"},
    {"field": "months", "type": "quantitative", "title": "Month"},
    {"field": "n_patients", "type": "quantitative", "title": "Patients"},
    {"field": "mean", "type": "quantitative", "title": "Observed mean", "format": ".2f"},
    {"field": "ci_low", "type": "quantitative", "title": "95 % from", "format": ".2f"},
    {"field": "ci_high", "type": "quantitative", "title": "95 % to", "format": ".2f"},
]
Chart = dict[str, Any]


@dataclass(frozen=True)
class DrawnPanel:
    """One outcome, as SVG for the page, with what it shows in a sentence."""

    label: str
    svg: str


@dataclass(frozen=True)
class DrawnFigure:
    """A figure in its forms: panels for the page, one picture to keep, and (trajectories only) an interactive one."""

    name: str
    title: str
    caption: str
    panels: tuple[DrawnPanel, ...]
    svg: str
    spec: str = ""
    """Vega-Lite JSON of the interactive figure; empty where there is none."""


def draw(trajectory: Trajectory, *, is_synthetic: bool) -> DrawnFigure | None:
    """Draw what may be shown; None where nothing may."""
    import vl_convert

    if trajectory.shown.is_empty():
        return None
    outcomes = list(trajectory.shown.select("outcome", "outcome_label").unique(maintain_order=True).iter_rows())
    datasets = {
        POINTS: _points(trajectory).to_dicts(),
        LINES: trajectory.lines.to_dicts(),
        TEXTS: [{"n": "n", "mark": SYNTHETIC_MARK}],
    }
    panels = []
    for outcome, label in outcomes:
        chart = _panel(trajectory, outcome, is_synthetic=is_synthetic)
        own = datasets | {
            name: [row for row in datasets[name] if row["outcome"] == outcome] for name in (POINTS, LINES)
        }
        svg = vl_convert.vegalite_to_svg(complete(chart, own))
        panels.append(DrawnPanel(label, themed(svg, _sentence(trajectory, outcome, label))))
    charts = [
        _panel(trajectory, outcome, is_synthetic=is_synthetic, has_legend=True) | {"title": label}
        for outcome, label in outcomes
    ]
    svg = vl_convert.vegalite_to_svg(complete({"hconcat": charts, "spacing": 28}, datasets, PAPER))
    interactive = complete(_interactive(trajectory, outcomes, is_synthetic=is_synthetic), datasets)
    spec = json.dumps(interactive, sort_keys=True)
    return DrawnFigure(trajectory.name, trajectory.title, caption(trajectory), tuple(panels), svg, spec)


def caption(trajectory: Trajectory) -> str:
    """What lines, marks and numbers of a trajectory are."""
    if trajectory.lines.is_empty():
        lines = "No model line: none could be estimated."
    else:
        lines = f"Lines: the model{' with its 95 % band' if trajectory.has_band else ''}."
    held = (
        f" {plural(trajectory.n_suppressed, 'mean')} of too few patients suppressed." if trajectory.n_suppressed else ""
    )
    order = ", in the order of the groups" if len(trajectory.group_sizes) > 2 else ""
    return (
        f"Months across, points up. {lines} Marks: observed means with 95 % intervals. "
        f"n: patients behind each mean{order}.{held}"
    )


def themed(svg: str, description: str) -> str:
    """An SVG for inside a page: colours become variables, and it is one picture with one description."""
    for colour, variable in COLOURS.items():
        svg = re.sub(re.escape(colour), f"var({variable})", svg, flags=re.IGNORECASE)
    svg = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", svg)
    svg = re.sub(r' font-family="[^"]*"', "", svg)
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    found = re.search(r' width="([\d.]+)" height="([\d.]+)"', svg)
    if found is None:
        return svg
    most = f' style="max-width:{LARGEST * float(found[1]):.0f}px" role="img" aria-label="{label}"'
    return svg[: found.start()] + most + svg[found.end() :]


def complete(chart: Chart, datasets: dict[str, list[dict[str, Any]]], background: str = "transparent") -> Chart:
    """A chart as Vega-Lite with the look of every figure and its data."""
    return chart | {"config": CONFIG | {"background": background}, "datasets": datasets}


def layer(
    data: str, mark: str, encoding: Chart, filters: Sequence[Any] = (), look: Mapping[str, Any] | None = None
) -> Chart:
    """Marks of one kind on one of the named datasets; `look` is colour, size and the like."""
    made: Chart = {"data": {"name": data}, "mark": {"type": mark, **(look or {})}, "encoding": encoding}
    return made | ({"transform": [{"filter": one} for one in filters]} if filters else {})


def synthetic_mark(data: str, width: float) -> Chart:
    """The words that mark synthetic data, above the right end of a chart."""
    place = {"x": {"value": width}, "y": {"value": -2}}
    look = {"align": "right", "baseline": "bottom", "fontSize": 10, "fontStyle": "italic", "color": MUTED}
    return layer(data, "text", place, (), look | {"text": SYNTHETIC_MARK})


@dataclass(frozen=True)
class Look:
    """How a group is drawn: colour by the first grouping, dashes and mark by the second."""

    label: str
    colour: str
    shape: str
    dash: tuple[int, ...]


def looks(trajectory: Trajectory) -> list[Look]:
    """The groups that are there, in the order of their levels: colour by the first grouping, dashes by the second."""
    found = []
    for group in sorted(trajectory.group_sizes):
        first, *rest = trajectory.groups.places[group]
        is_second = (rest[0] if rest else first // 2) % 2 > 0
        found.append(
            Look(
                trajectory.groups.labels[group],
                (GROUP_0, GROUP_1)[first % 2],
                ("circle", "square", "triangle-up", "diamond")[first % 2 + 2 * is_second],
                (5, 3) if is_second else (1, 0),
            )
        )
    return found


def _scale(trajectory: Trajectory) -> tuple[list[str], list[str], list[str]]:
    """Group labels with their colours and shapes."""
    found = looks(trajectory)
    return [look.label for look in found], [look.colour for look in found], [look.shape for look in found]


def _domain(trajectory: Trajectory, outcome: str) -> list[float]:
    rows = trajectory.shown if trajectory.is_one_scale else trajectory.shown.filter(pl.col("outcome") == outcome)
    lines = trajectory.lines.filter(pl.col("outcome").is_in(rows["outcome"].unique().to_list()))
    values = [
        value
        for column in (rows["ci_low"], rows["ci_high"], rows["mean"], lines["y"], lines["band_low"], lines["band_high"])
        for value in column.drop_nulls().to_list()
    ]
    low, high = min(values), max(values)
    pad = 0.06 * (high - low or 1.0)
    return [round(low - pad, 3), round(high + pad, 3)]


def _points(trajectory: Trajectory) -> pl.DataFrame:
    labels, _, _ = _scale(trajectory)
    shift = {label: DODGE_MONTHS * (2 * place - (len(labels) - 1)) for place, label in enumerate(labels)}
    return trajectory.shown.drop("is_suppressed").with_columns(
        (pl.col("months") + pl.col("group_label").replace_strict(shift, return_dtype=pl.Float64)).alias("x")
    )


def _layers(
    trajectory: Trajectory, outcome: str | None, domain: list[float] | None, *, has_legend: bool, height: float
) -> list[Chart]:
    """Bands, lines, intervals, means and the number of patients; `outcome` None: the one that a reader chose."""
    labels, colours, shapes = _scale(trajectory)
    rows = trajectory.shown if outcome is None else trajectory.shown.filter(pl.col("outcome") == outcome)
    months = sorted(rows["months"].unique().to_list())
    edge = max(1.5, 0.04 * (months[-1] - months[0]), DODGE_MONTHS * len(labels) + 0.6)
    scale = {"domain": [months[0] - edge, months[-1] + edge], "nice": False, "zero": False}
    ticks = {
        "values": months,
        "title": None,
        "grid": False,
        "format": "d" if all(m == int(m) for m in months) else ".1f",
    }
    legend = {"title": None} if has_legend else None

    def x(field: str) -> Chart:
        return {"field": field, "type": "quantitative", "scale": scale, "axis": ticks}

    def y(field: str) -> Chart:
        limits = {"domain": domain, "zero": False, "nice": False} if domain else {"zero": False}
        return {"field": field, "type": "quantitative", "scale": limits, "axis": {"title": None, "tickCount": 5}}

    def by_group(values: Sequence[Any]) -> Chart:
        return {
            "field": "group_label",
            "type": "nominal",
            "scale": {"domain": labels, "range": values},
            "legend": legend,
        }

    colour, shape = by_group(colours), by_group(shapes)
    dash = by_group([list(look.dash) for look in looks(trajectory)])
    own: list[Any] = ["datum.outcome === outcome" if outcome is None else {"field": "outcome", "equal": outcome}]
    made: list[Chart] = []
    if trajectory.has_band:
        band = {"x": x("months"), "y": y("band_low"), "y2": {"field": "band_high"}, "color": colour}
        made.append(layer(LINES, "area", band, own, {"opacity": 0.13}))
    if not trajectory.lines.is_empty():
        line = {"x": x("months"), "y": y("y"), "color": colour, "strokeDash": dash}
        made.append(layer(LINES, "line", line, own, {"strokeWidth": 2.25}))
    whiskers = {"x": x("x"), "y": y("ci_low"), "y2": {"field": "ci_high"}, "color": colour}
    means: Chart = {"x": x("x"), "y": y("mean"), "color": colour, "shape": shape}
    if outcome is None:
        means["tooltip"] = TOOLTIP
    made.append(layer(POINTS, "rule", whiskers, own, {"strokeWidth": 1, "opacity": 0.75}))
    made.append(layer(POINTS, "point", means, own, {"filled": True, "size": 44, "opacity": 1}))
    for place, (label, ink) in enumerate(zip(labels, colours, strict=True)):
        row = {"value": height + 31 + 14 * place}
        look = {"fontSize": 10, "baseline": "middle", "color": ink}
        sizes = {"x": x("months"), "y": row, "text": {"field": "n_patients"}}
        name = {"x": {"value": -8}, "y": row, "text": {"field": "n"}}
        made.append(layer(POINTS, "text", sizes, [*own, {"field": "group_label", "equal": label}], look))
        made.append(layer(TEXTS, "text", name, (), look | {"align": "right", "fontStyle": "italic"}))
    return made


def _panel(trajectory: Trajectory, outcome: str, *, is_synthetic: bool, has_legend: bool = False) -> Chart:
    width, height = ALONE if trajectory.shown["outcome"].n_unique() == 1 else PANEL
    layers = _layers(trajectory, outcome, _domain(trajectory, outcome), has_legend=has_legend, height=height)
    mark = [synthetic_mark(TEXTS, width)] if is_synthetic else []
    return {"layer": [*layers, *mark], "width": width, "height": height}


def _interactive(trajectory: Trajectory, outcomes: list[tuple[str, str]], *, is_synthetic: bool) -> Chart:
    """One panel, the outcome chosen from a list; pointing at a mean shows its numbers."""
    keys, labels = [key for key, _ in outcomes], [label for _, label in outcomes]
    width, height = 600, 320
    domain = _domain(trajectory, keys[0]) if trajectory.is_one_scale else None
    layers = _layers(trajectory, None, domain, has_legend=True, height=height)
    mark = [synthetic_mark(TEXTS, width)] if is_synthetic else []
    chosen = {"input": "select", "options": keys, "labels": labels, "name": "Outcome "}
    return {
        "layer": [*layers, *mark],
        "width": width,
        "height": height,
        "params": [{"name": "outcome", "value": keys[0], "bind": chosen}],
    }


def _sentence(trajectory: Trajectory, outcome: str, label: str) -> str:
    groups, _, _ = _scale(trajectory)
    parts = []
    for group in groups:
        rows = trajectory.shown.filter((pl.col("outcome") == outcome) & (pl.col("group_label") == group)).sort("months")
        if rows.is_empty():
            continue
        first, last = rows.row(0, named=True), rows.row(-1, named=True)
        parts.append(
            f"{group}: observed mean {first['mean']:.1f} at month {first['months']:g}, "
            f"{last['mean']:.1f} at month {last['months']:g}"
        )
    return f"{label} over months by group. {'; '.join(parts)}. The numbers stand in the table below."
