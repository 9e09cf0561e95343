"""Figures of procedures: effect sizes with their intervals, and one question under every specification.

What belongs here: charts of rows that may be shown, as Vega-Lite. What does not: trajectories (`figures`), or numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assets.publishing.figures import (
    GROUP_0,
    GROUP_1,
    INK,
    LINE,
    MUTED,
    PAPER,
    Chart,
    DrawnFigure,
    DrawnPanel,
    complete,
    layer,
    synthetic_mark,
    themed,
)
from assets.publishing.formatting import number, plural
from assets.publishing.statistics.change_tables import PLAIN, subject
from assets.publishing.statistics.records import Procedure
from assets.publishing.statistics.table import decimals_by_error

ROWS, MARKS = "rows", "marks"
WIDTH = 420
ROW_HEIGHT = 22
MOST_ROWS = 60
"""Rows of a forest that can still be read."""
SLACK = {"left": 48, "right": 72, "top": 4, "bottom": 4}
"""Readers' fonts are wider than the one that places texts."""
CURVE_WIDTH, CURVE_HEIGHT = 640, 180


def drawn(procedure: Procedure, outcomes: Mapping[str, str], *, is_synthetic: bool) -> list[DrawnFigure]:
    """Every figure that a procedure's rows can be drawn as: a forest, a specification curve, both or none."""
    made = [_forest(procedure, is_synthetic=is_synthetic)]
    made += [
        _curve(procedure, outcome, outcomes.get(outcome, outcome), is_synthetic=is_synthetic)
        for outcome in dict.fromkeys(row["outcome"] for row in procedure.rows("results.sensitivity"))
    ]
    return [figure for figure in made if figure is not None]


def _forest(procedure: Procedure, *, is_synthetic: bool) -> DrawnFigure | None:
    """Each estimate with its interval around nought, from effect sizes, contrasts or standardised differences."""
    rows = _effects(procedure)
    if not rows or len(rows) > MOST_ROWS:
        return None
    labels = list(dict.fromkeys(row["label"] for row in rows))
    y = {
        "field": "label",
        "type": "nominal",
        "sort": labels,
        "axis": {"title": None, "labelLimit": 260, "labelColor": INK},
    }
    x = {
        "type": "quantitative",
        "scale": {"zero": True, "nice": True},
        "axis": {"title": _unit(procedure), "tickCount": 6, "labelFlush": False},
    }
    span, point, printed = x | {"field": "low"}, x | {"field": "estimate"}, {"field": "printed"}
    layers = [
        layer(MARKS, "rule", {"x": {"datum": 0, "type": "quantitative"}}, (), {"color": MUTED, "strokeWidth": 1}),
        layer(ROWS, "rule", {"y": y, "x": span, "x2": {"field": "high"}}, (), {"color": GROUP_0, "strokeWidth": 2}),
        layer(ROWS, "point", {"y": y, "x": point}, (), {"filled": True, "color": GROUP_0, "size": 60, "opacity": 1}),
        layer(
            ROWS,
            "text",
            {"y": y, "x": {"value": WIDTH + 12}, "text": printed},
            (),
            {"align": "left", "color": MUTED, "fontSize": 11},
        ),
    ]
    chart = {
        "layer": [*layers, *_mark(WIDTH, is_synthetic)],
        "width": WIDTH,
        "height": ROW_HEIGHT * len(labels),
        "padding": SLACK,
    }
    first = rows[0]
    sentence = (
        f"{procedure.title}: {plural(len(rows), 'estimate')} with 95 % intervals; the first is {first['label']}, "
        f"{first['printed']}. The numbers stand in the table."
    )
    caption = "Points: estimates. Bars: 95 % intervals. Right: estimate, interval and n. The line stands at nought."
    title = f"{procedure.title}: {_unit(procedure).lower()}s"
    return _figure(f"{procedure.name}_forest", title, caption, chart, {ROWS: rows}, sentence)


def _unit(procedure: Procedure) -> str:
    if procedure.rows("results.effect_size"):
        return "Effect size"
    return "Standardised difference" if procedure.rows("results.group_test") else "Contrast"


def _effects(procedure: Procedure) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    sizes = [row for row in procedure.rows("results.effect_size") if _is_main(row)]
    several = len({row["variant"] for row in sizes}) > 1
    for row in sizes:
        name = f", {row['variant']}" if several else ""
        found.append(_effect(f"{subject(row)}{name}", row, "estimate", "ci_low", "ci_high", "n"))
    if not found:
        found = [
            _effect(row["label"] or row["variable"], row, "smd", "smd_ci_low", "smd_ci_high", "n")
            for row in procedure.rows("results.group_test")
        ]
    if not found:
        found = [
            _effect(_contrast(procedure, row), row, "estimate", "ci_low", "ci_high", "n_patients")
            for row in procedure.rows("results.contrast")
        ]
    return [row for row in found if row["estimate"] is not None and row["low"] is not None]


def _is_main(row: Mapping[str, Any]) -> bool:
    """The primary sample by the exact formulas: the others stand in the table."""
    is_size = row["variant"] != PLAIN and not str(row["variant"]).endswith("_approx")
    return is_size and row.get("is_primary") is not False


def _contrast(procedure: Procedure, row: Mapping[str, Any]) -> str:
    when = "" if row["at_months"] is None or ", month " in row["contrast"] else f", month {number(row['at_months'], 0)}"
    text = str(row["contrast"])
    readable = text if " " in text else text.replace(":", " × ").replace("_", " ")
    return f"{procedure.outcome(row['outcome'])}: {readable}{when}"


def _effect(label: str, row: Mapping[str, Any], value: str, low: str, high: str, n: str) -> dict[str, Any]:
    known = row[value] is not None and row[low] is not None and row[high] is not None
    decimals = decimals_by_error([row.get("std_error")]) if row.get("std_error") else 2
    size = "" if row[n] is None else f", n = {row[n]}"
    printed = (
        f"{number(row[value], decimals)} [{number(row[low], decimals)}, {number(row[high], decimals)}]{size}"
        if known
        else ""
    )
    return {
        "label": label,
        "estimate": row[value] if known else None,
        "low": row[low] if known else None,
        "high": row[high] if known else None,
        "printed": printed,
    }


def _curve(procedure: Procedure, outcome: str, label: str, *, is_synthetic: bool) -> DrawnFigure | None:
    """Estimates in order of size with their intervals; beneath, the choices that each one made (Simonsohn 2020)."""
    known = [row for row in procedure.rows("results.sensitivity") if row["outcome"] == outcome]
    known = sorted(
        (row for row in known if row["estimate"] is not None), key=lambda row: (row["estimate"], row["universe"])
    )
    if len(known) < 2:
        return None
    points = [
        {"place": place, "estimate": row["estimate"], "low": row["ci_low"], "high": row["ci_high"],
         "primary": bool(row["is_primary"])} for place, row in enumerate(known)
    ]  # fmt: skip
    varied = _varied([str(row["choices"] or "") for row in known])
    choices = [{"place": place, "choice": choice} for place, own in enumerate(varied) for choice in own]
    order = sorted({choice for own in varied for choice in own})
    x = {
        "field": "place",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [-0.5, len(known) - 0.5], "nice": False},
    }
    colour = {"condition": {"test": "datum.primary", "value": GROUP_1}, "value": GROUP_0}
    y = {"type": "quantitative", "axis": {"title": label, "tickCount": 5}}
    bars = max(1.0, min(4.0, 400 / len(known)))
    interval = {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": colour}
    estimates = {"x": x, "y": y | {"field": "estimate"}, "color": colour}
    top: Chart = {
        "width": CURVE_WIDTH,
        "height": CURVE_HEIGHT,
        "layer": [
            layer(MARKS, "rule", {"y": {"datum": 0, "type": "quantitative"}}, (), {"color": MUTED}),
            layer(ROWS, "rule", interval, (), {"strokeWidth": bars, "opacity": 0.45}),
            layer(ROWS, "point", estimates, (), {"filled": True, "size": 36, "opacity": 1}),
            *_mark(CURVE_WIDTH, is_synthetic),
        ],
    }
    names = {"title": None, "labelLimit": 260, "grid": True, "gridColor": LINE}
    rows = {"field": "choice", "type": "nominal", "sort": order, "axis": names}
    ticks = layer(
        "choices", "tick", {"x": x, "y": rows}, (), {"color": INK, "thickness": 2, "orient": "vertical", "size": 10}
    )
    below: Chart = {"width": CURVE_WIDTH, "height": 16 * len(order), "layer": [ticks]}
    chart: Chart = {"vconcat": [top, below] if order else [top], "spacing": 12, "padding": SLACK}
    primary = next((row for row in known if row["is_primary"]), None)
    decimals = decimals_by_error([row["std_error"] for row in known])
    said = "" if primary is None else f" The primary one gives {number(primary['estimate'], decimals)}."
    sentence = (
        f"{procedure.title}, {label}: {plural(len(known), 'specification')} from "
        f"{number(known[0]['estimate'], decimals)} to {number(known[-1]['estimate'], decimals)}.{said}"
    )
    caption = (
        "Above: each specification’s estimate with its 95 % interval, in order of size; the primary one in the second "
        "colour. Below: the choices that it made."
    )
    name = f"{procedure.name}_{outcome}_curve"
    return _figure(name, f"{procedure.title}: {label}", caption, chart, {ROWS: points, "choices": choices}, sentence)


def _varied(texts: Sequence[str]) -> list[list[str]]:
    """The choices of each specification that not all of them share; a text names them with `;` or `,` between."""
    parts = [
        [part.strip().replace("_", " ") for part in text.replace(",", ";").split(";") if part.strip()] for text in texts
    ]
    shared = set(parts[0]).intersection(*map(set, parts[1:])) if parts else set()
    return [[part for part in own if part not in shared] for own in parts]


def _mark(width: int, is_synthetic: bool) -> list[Chart]:
    return [synthetic_mark(MARKS, width)] if is_synthetic else []


def _figure(
    name: str, title: str, caption: str, chart: Chart, data: dict[str, list[dict[str, Any]]], sentence: str
) -> DrawnFigure:
    import vl_convert

    svg = vl_convert.vegalite_to_svg(complete(chart, data | {MARKS: [{}]}, PAPER))
    panel = themed(svg.replace(f'fill="{PAPER}"', 'fill="none"', 1), sentence)
    return DrawnFigure(name, title, caption, (DrawnPanel("", panel),), svg)
