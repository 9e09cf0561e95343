"""Trajectories drawn: SVG for the page (its colours follow the reader's theme), SVG to keep, and an interactive page.

What belongs here: Altair charts and their colours. What does not: the numbers (`trajectory`), or words around figures.
Every colour of a chart is one of `COLOURS`, so that it can be exchanged for a CSS variable afterwards.
"""

from __future__ import annotations

import json
import re
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
PANEL_WIDTH, PANEL_HEIGHT = 250, 190
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
    import altair as alt
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
        svg = vl_convert.vegalite_to_svg(_bare(chart, datasets))
        panels.append(DrawnPanel(label, themed(svg, _sentence(trajectory, outcome, label))))
    charts = [
        _panel(trajectory, outcome, is_synthetic=is_synthetic, has_legend=True).properties(title=label)
        for outcome, label in outcomes
    ]
    svg = vl_convert.vegalite_to_svg(_bare(alt.hconcat(*charts, spacing=28), datasets, PAPER))
    interactive = _interactive(trajectory, outcomes, is_synthetic=is_synthetic)
    spec = json.dumps(_bare(interactive, datasets), sort_keys=True)
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


def bare(spec: dict[str, Any], datasets: dict[str, list[dict[str, Any]]], background: str = "transparent") -> Any:
    """A chart as Vega-Lite with the look of every figure and its data."""
    spec.pop("$schema", None)
    return spec | {"config": CONFIG | {"background": background}, "datasets": datasets}


def _bare(chart: Any, datasets: dict[str, list[dict[str, Any]]], background: str = "transparent") -> Any:
    """An Altair chart likewise; data are put in last, since Altair copies what it holds at every step."""
    return bare(chart.to_dict(validate=False), datasets, background)


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


def _data(name: str, outcome: Any = None) -> Any:
    """A chart on one of the named datasets, of one outcome where it is given (a key, or a parameter)."""
    import altair as alt

    chart = alt.Chart(alt.NamedData(name=name))
    return chart if outcome is None else chart.transform_filter(alt.datum.outcome == outcome)


def _layers(trajectory: Trajectory, outcome: Any, y: Any, *, legend: Any, height: int) -> list[Any]:
    import altair as alt

    labels, colours, shapes = _scale(trajectory)
    rows = trajectory.shown if not isinstance(outcome, str) else trajectory.shown.filter(pl.col("outcome") == outcome)
    months = sorted(rows["months"].unique().to_list())
    edge = max(1.5, 0.04 * (months[-1] - months[0]))
    x_scale = alt.Scale(domain=[months[0] - edge, months[-1] + edge], nice=False, zero=False)
    axis = alt.Axis(values=months, title=None, grid=False, format="d" if all(m == int(m) for m in months) else ".1f")
    x = alt.X("x:Q", scale=x_scale, axis=axis)
    colour = alt.Color("group_label:N", scale=alt.Scale(domain=labels, range=colours), legend=legend)
    shape = alt.Shape("group_label:N", scale=alt.Scale(domain=labels, range=shapes), legend=legend)
    dashes = [list(look.dash) for look in looks(trajectory)]
    dash = alt.StrokeDash("group_label:N", scale=alt.Scale(domain=labels, range=dashes), legend=legend)
    tooltip = [
        alt.Tooltip("outcome_label:N", title="Outcome"),
        alt.Tooltip("group_label:N", title="Group"),
        alt.Tooltip("months:Q", title="Month"),
        alt.Tooltip("n_patients:Q", title="Patients"),
        alt.Tooltip("mean:Q", title="Observed mean", format=".2f"),
        alt.Tooltip("ci_low:Q", title="95 % from", format=".2f"),
        alt.Tooltip("ci_high:Q", title="95 % to", format=".2f"),
    ]
    base = _data(POINTS, outcome)
    whiskers = base.mark_rule(strokeWidth=1, opacity=0.75).encode(
        x=x, y=y("ci_low"), y2=alt.Y2("ci_high"), color=colour
    )
    marks = base.mark_point(filled=True, size=44, opacity=1).encode(
        x=x, y=y("mean"), color=colour, shape=shape, tooltip=tooltip
    )
    strips = [
        base.transform_filter(alt.FieldEqualPredicate(field="group_label", equal=label))
        .mark_text(fontSize=10, baseline="middle", color=colours[place])
        .encode(
            x=alt.X("months:Q", scale=x_scale, axis=axis), y=alt.value(height + 31 + 14 * place), text="n_patients:Q"
        )
        for place, label in enumerate(labels)
    ]
    names = [
        _data(TEXTS)
        .mark_text(fontSize=10, baseline="middle", align="right", color=colours[place], fontStyle="italic")
        .encode(x=alt.value(-8), y=alt.value(height + 31 + 14 * place), text="n:N")
        for place in range(len(labels))
    ]
    model = (
        _data(LINES, outcome)
        .mark_line(strokeWidth=2.25)
        .encode(x=alt.X("months:Q", scale=x_scale, axis=axis), y=y("y"), color=colour, strokeDash=dash)
    )
    drawn = [] if trajectory.lines.is_empty() else [model]
    if trajectory.has_band:
        band = (
            _data(LINES, outcome)
            .mark_area(opacity=0.13)
            .encode(
                x=alt.X("months:Q", scale=x_scale, axis=axis), y=y("band_low"), y2=alt.Y2("band_high"), color=colour
            )
        )
        drawn = [band, model]
    return [*drawn, whiskers, marks, *strips, *names]


def _panel(trajectory: Trajectory, outcome: str, *, is_synthetic: bool, has_legend: bool = False) -> Any:
    import altair as alt

    domain = _domain(trajectory, outcome)

    def y(field: str) -> Any:
        return alt.Y(
            f"{field}:Q", scale=alt.Scale(domain=domain, zero=False, nice=False), axis=alt.Axis(title=None, tickCount=5)
        )

    legend = alt.Legend(title=None) if has_legend else None
    layers = _layers(trajectory, outcome, y, legend=legend, height=PANEL_HEIGHT)
    if is_synthetic:
        layers.append(_mark(PANEL_WIDTH))
    return alt.layer(*layers).properties(width=PANEL_WIDTH, height=PANEL_HEIGHT)


def _mark(width: int) -> Any:
    import altair as alt

    return (
        _data(TEXTS)
        .mark_text(align="right", baseline="bottom", fontSize=10, fontStyle="italic", color=MUTED)
        .encode(x=alt.value(width), y=alt.value(-2), text="mark:N")
    )


def _interactive(trajectory: Trajectory, outcomes: list[tuple[str, str]], *, is_synthetic: bool) -> Any:
    """One panel, the outcome chosen from a list; pointing at a mean shows its numbers."""
    import altair as alt

    keys, labels = [key for key, _ in outcomes], [label for _, label in outcomes]
    chosen = alt.param(
        name="outcome", value=keys[0], bind=alt.binding_select(options=keys, labels=labels, name="Outcome ")
    )

    def y(field: str) -> Any:
        scale = (
            alt.Scale(domain=_domain(trajectory, keys[0]), zero=False, nice=False)
            if trajectory.is_one_scale
            else alt.Scale(zero=False)
        )
        return alt.Y(f"{field}:Q", scale=scale, axis=alt.Axis(title=None, tickCount=5))

    layers = _layers(trajectory, chosen, y, legend=alt.Legend(title=None), height=320)
    if is_synthetic:
        layers.append(_mark(600))
    return alt.layer(*layers).properties(width=600, height=320).add_params(chosen)


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
