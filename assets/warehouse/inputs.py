"""What a build reads besides the lake: codebook, schedule, sites, deliveries and clocks as small Parquet files.

What belongs here: laying declarations out as tables for SQL, and the empty typed files that make lake globs match.
What does not: the lake's schema (`checks.lake_schema`), any rule of scoring or matching (SQL).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from checks.lake_schema import EMPTY_PARTITION, lake_schema
from codebook.instrument import Instrument, Scale, Version
from codebook.library import Library
from codebook.reference import source_items

INPUTS: dict[str, dict[str, pl.DataType]] = {
    "context": {
        "network": pl.String(),
        "title": pl.String(),
        "is_synthetic": pl.Boolean(),
        "as_of": pl.Date(),
        "today": pl.Date(),
        "overdue_until_days": pl.Int32(),
        "minimum_cell_count": pl.Int32(),
    },
    "instrument": {
        "instrument": pl.String(),
        "family": pl.String(),
        "name": pl.String(),
        "direction": pl.String(),
        "is_outcome": pl.Boolean(),
        "n_items": pl.Int32(),
    },
    "version": {
        "instrument": pl.String(),
        "version": pl.String(),
        "label": pl.String(),
        "scale_points": pl.Int32(),
        "minimum": pl.Int32(),
        "maximum": pl.Int32(),
        "items": pl.String(),
        "valid_from": pl.Date(),
        "valid_until": pl.Date(),
        "rescaled_to": pl.String(),
        "rescaled_minimum": pl.Int32(),
        "rescaled_maximum": pl.Int32(),
        "is_rescaling_accepted": pl.Boolean(),
    },
    "identical_item": {
        "instrument": pl.String(),
        "other_instrument": pl.String(),
        "item": pl.Int32(),
    },
    "norm": {
        "instrument": pl.String(),
        "scale": pl.String(),
        "norm_order": pl.Int32(),
        "sample": pl.String(),
        "n": pl.Int32(),
        "mean": pl.Float64(),
        "sd": pl.Float64(),
        "status": pl.String(),
    },
    "item": {
        "instrument": pl.String(),
        "version": pl.String(),
        "item": pl.Int32(),
        "minimum": pl.Int32(),
        "maximum": pl.Int32(),
        "is_reversed": pl.Boolean(),
        "reverse_from": pl.Int32(),
        "recode": pl.String(),
    },
    "scale": {
        "instrument": pl.String(),
        "version": pl.String(),
        "scale": pl.String(),
        "label": pl.String(),
        "scale_order": pl.Int32(),
        "items": pl.String(),
        "n_items": pl.Int32(),
        "aggregate": pl.String(),
        "max_missing": pl.Int32(),
        "only_items": pl.String(),
        "prorate": pl.String(),
        "rule_name": pl.String(),
        "is_rule_accepted": pl.Boolean(),
        "is_primary": pl.Boolean(),
        "minimum": pl.Float64(),
        "maximum": pl.Float64(),
        "measures": pl.String(),
        "threshold": pl.Float64(),
        "needed": pl.Int32(),
        "gates": pl.String(),
        "constant": pl.Float64(),
        "factor": pl.Float64(),
        "levels": pl.String(),
        "any_above_lowest": pl.Float64(),
        "any_at_highest": pl.Float64(),
        "decimals": pl.Int32(),
    },
    "term": {
        "instrument": pl.String(),
        "version": pl.String(),
        "scale": pl.String(),
        "term_order": pl.Int32(),
        "source_scale": pl.String(),
        "weight": pl.Float64(),
    },
    "cutoff": {
        "instrument": pl.String(),
        "version": pl.String(),
        "scale": pl.String(),
        "label": pl.String(),
        "operator": pl.String(),
        "value": pl.Float64(),
    },
    "site": {
        "site_id": pl.String(),
        "name": pl.String(),
        "mode": pl.String(),
        "cadence_days": pl.Int32(),
        "schedule": pl.String(),
    },
    "occasion": {
        "schedule": pl.String(),
        "occasion": pl.String(),
        "label": pl.String(),
        "occasion_order": pl.Int32(),
        "anchor": pl.String(),
        "months": pl.Float64(),
        "before_days": pl.Int32(),
        "after_days": pl.Int32(),
        "months_anchor": pl.String(),
        "valid_from": pl.Date(),
    },
    "due": {
        "schedule": pl.String(),
        "occasion": pl.String(),
        "instrument": pl.String(),
        "family": pl.String(),
        "rater": pl.String(),
        "from_date": pl.Date(),
        "until_date": pl.Date(),
    },
    "delivery": {
        "site_id": pl.String(),
        "delivery": pl.String(),
        "delivery_date": pl.Date(),
        "data_through_date": pl.Date(),
        "is_data_through_estimated": pl.Boolean(),
        "n_files": pl.Int64(),
        "n_rows_landed": pl.Int64(),
        "n_rows_accepted": pl.Int64(),
        "n_rows_quarantined": pl.Int64(),
        "content_fingerprint": pl.String(),
        "recipe_fingerprint": pl.String(),
        "received_at": pl.Datetime("us"),
        "unmapped_columns": pl.String(),
        "gate": pl.String(),
        "mode": pl.String(),
    },
    "missing_code": {"instrument": pl.String(), "code": pl.String(), "label": pl.String()},
}
"""Every input and the type of its columns; `.build/inputs/<name>.parquet`."""


def write_inputs(
    library: Library, deliveries: pl.DataFrame, as_of: dt.date | None, today: dt.date, folder: Path
) -> None:
    """Write every input of a build to `folder`; the same declarations give the same bytes.

    `deliveries` has one row per known delivery with the columns of `quality.delivery`; `mode` is taken from the site's
    declaration where the column is absent. Deliveries later than `as_of` are left out: they are not known yet.

    Raises:
        ValueError: `deliveries` lacks a column.
    """
    instruments = [library.instruments[key] for key in sorted(library.instruments)]
    network = library.network
    rows: dict[str, Iterable[Mapping[str, Any]]] = {
        "context": [
            {
                "network": network.name,
                "title": network.title,
                "is_synthetic": network.is_synthetic,
                "as_of": as_of,
                "today": today,
                "overdue_until_days": network.quality.overdue_until_days,
                "minimum_cell_count": network.privacy.minimum_cell_count,
            }
        ],
        "instrument": [i.model_dump(include=set(INPUTS["instrument"])) | {"instrument": i.key} for i in instruments],
        "version": [_version_row(i, v, library.accepted_rules()) for i in instruments for v in i.versions],
        "identical_item": [row for i in instruments for row in _identical_rows(i)],
        "norm": [
            norm.model_dump() | {"instrument": i.key, "norm_order": order}
            for i in instruments
            for order, norm in enumerate(i.norms, start=1)
        ],
        "item": [row for i in instruments for version in i.versions for row in _item_rows(i, version)],
        "scale": [row for i in instruments for v in i.versions for row in _scale_rows(i, v, library.accepted_rules())],
        "term": [row for i in instruments for version in i.versions for row in _term_rows(i, version)],
        "cutoff": [row for i in instruments for version in i.versions for row in _cutoff_rows(i, version)],
        "site": _site_rows(library),
        "occasion": _occasion_rows(library),
        "due": _due_rows(library),
        "missing_code": [
            {"instrument": i.key, "code": str(code.code), "label": code.label}
            for i in instruments
            for code in i.missing_codes
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in INPUTS.items():
        if name == "delivery":
            frame = _delivery_frame(library, deliveries, as_of)
        else:
            frame = pl.DataFrame([{column: row.get(column) for column in schema} for row in rows[name]], schema=schema)
        frame.write_parquet(folder / f"{name}.parquet")


def ensure_empty_lake(lake: Path, library: Library) -> None:
    """Write the empty typed file of every table of the lake, so that a glob matches before the first delivery.

    A file is rewritten only when its schema is no longer the codebook's (an instrument got an item or a scale).
    """
    for table, schema in lake_schema(library.instruments).items():
        folder = lake / "accepted" / table / f"site={EMPTY_PARTITION}" / f"delivery={EMPTY_PARTITION}"
        path = folder / "part.parquet"
        if path.is_file() and pl.read_parquet_schema(path) == pl.Schema(schema):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / "part.parquet.partial"
        pl.DataFrame(schema=schema).write_parquet(partial)
        partial.replace(path)


def _version_items(instrument: Instrument, version: Version) -> tuple[int, ...]:
    return version.items or tuple(range(1, instrument.n_items + 1))


def _text(numbers: Sequence[int]) -> str | None:
    return ",".join(str(number) for number in numbers) or None


def _date(text: str | None) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None


def _version_row(instrument: Instrument, version: Version, accepted: frozenset[str]) -> dict[str, Any]:
    rescaling = version.rescaled_to
    target = instrument.version(rescaling.version) if rescaling else None
    return {
        "instrument": instrument.key,
        "version": version.key,
        "label": version.label,
        "scale_points": version.scale_points,
        "minimum": version.minimum,
        "maximum": version.maximum,
        "items": _text(_version_items(instrument, version)),
        "valid_from": _date(version.valid_from),
        "valid_until": _date(version.valid_until),
        "rescaled_to": target.key if target else None,
        "rescaled_minimum": target.minimum if target else None,
        "rescaled_maximum": target.maximum if target else None,
        "is_rescaling_accepted": rescaling is not None and rescaling.name in accepted,
    }


def _identical_rows(instrument: Instrument) -> Iterable[dict[str, Any]]:
    """Both ways round, whichever of the two declarations says it."""
    for other, items in instrument.identical_items.items():
        for item in items:
            yield {"instrument": instrument.key, "other_instrument": other, "item": item}
            yield {"instrument": other, "other_instrument": instrument.key, "item": item}


def _item_rows(instrument: Instrument, version: Version) -> Iterable[dict[str, Any]]:
    for item in _version_items(instrument, version):
        minimum, maximum = version.item_range(item)
        yield {
            "instrument": instrument.key,
            "version": version.key,
            "item": item,
            "minimum": minimum,
            "maximum": maximum,
            "is_reversed": item in instrument.reversed_items and item not in version.reversed_in_export,
            "reverse_from": sum(version.scored_range(item)),
            "recode": ",".join(f"{raw}:{scored}" for raw, scored in version.recode_of(item).items()) or None,
        }


def _scale_rows(instrument: Instrument, version: Version, accepted: frozenset[str]) -> Iterable[dict[str, Any]]:
    for order, scale in enumerate(instrument.scales_of(version.key), start=1):
        items = _scale_items(instrument, version, scale)
        rule = scale.missing_rule
        yield {
            "instrument": instrument.key,
            "version": version.key,
            "scale": scale.key,
            "label": scale.label,
            "scale_order": order,
            "items": _text(items),
            "n_items": len(items),
            "aggregate": scale.aggregate,
            "max_missing": rule.max_missing if rule else 0,
            "only_items": _text(rule.only_items) if rule else None,
            "prorate": rule.prorate if rule else None,
            "rule_name": rule.name if rule else None,
            "is_rule_accepted": rule is not None and rule.name in accepted,
            "is_primary": scale.is_primary,
            "minimum": scale.minimum,
            "maximum": scale.maximum,
            "measures": scale.measures,
            "threshold": scale.threshold,
            "needed": scale.needed,
            "gates": ",".join(f"{gate.item}:{gate.minimum!r}" for gate in scale.gates) or None,
            "constant": scale.values.constant if scale.values else scale.constant,
            "factor": scale.factor,
            **_value_set(version, scale),
        }


def _value_set(version: Version, scale: Scale) -> dict[str, Any]:
    if scale.values is None:
        return {}
    levels = (
        f"{item}:{level}:{term!r}"
        for item, terms in scale.values.levels.items()
        for level, term in enumerate(terms, start=version.item_range(item)[0] + 1)
    )
    return {"levels": ",".join(levels)} | scale.values.model_dump(
        include={"any_above_lowest", "any_at_highest", "decimals"}
    )


def _scale_items(instrument: Instrument, version: Version, scale: Scale) -> tuple[int, ...]:
    """Items behind a scale in a version; for a ratio or a linear scale those of the scales it is made of."""
    known = set(_version_items(instrument, version))
    return tuple(item for item in source_items(scale, list(instrument.scales_of(version.key))) if item in known)


def _term_rows(instrument: Instrument, version: Version) -> Iterable[dict[str, Any]]:
    for scale in instrument.scales_of(version.key):
        for order, source in enumerate(scale.source_scales(), start=1):
            yield {
                "instrument": instrument.key,
                "version": version.key,
                "scale": scale.key,
                "term_order": order,
                "source_scale": source,
                "weight": scale.terms.get(source, 1.0),
            }


def _cutoff_rows(instrument: Instrument, version: Version) -> Iterable[dict[str, Any]]:
    for scale in instrument.scales_of(version.key):
        for cutoff in scale.cutoffs:
            if not cutoff.versions or version.key in cutoff.versions:
                yield {
                    "instrument": instrument.key,
                    "version": version.key,
                    "scale": scale.key,
                    "label": cutoff.label,
                    "operator": cutoff.operator,
                    "value": cutoff.value,
                }


def _site_rows(library: Library) -> Iterable[dict[str, Any]]:
    for key in sorted(library.sites):
        site = library.sites[key]
        schedule = library.schedule_of(site)
        yield {
            "site_id": key,
            "name": site.name,
            "mode": site.delivery.mode,
            "cadence_days": site.delivery.cadence_days,
            "schedule": schedule.name if schedule else None,
        }


def _occasion_rows(library: Library) -> Iterable[dict[str, Any]]:
    for name in sorted(library.schedules):
        schedule = library.schedules[name]
        for order, occasion in enumerate(schedule.occasions, start=1):
            yield {
                "schedule": name,
                "occasion": occasion.key,
                "label": occasion.label,
                "occasion_order": order,
                "anchor": occasion.anchor,
                "months": occasion.months,
                "before_days": occasion.before_days,
                "after_days": occasion.after_days,
                "months_anchor": schedule.months_anchor,
                "valid_from": schedule.valid_from,
            }


def _due_rows(library: Library) -> Iterable[dict[str, Any]]:
    for name in sorted(library.schedules):
        for occasion in library.schedules[name].occasions:
            for due in occasion.due:
                yield {
                    "schedule": name,
                    "occasion": occasion.key,
                    "instrument": due.instrument,
                    "family": library.instruments[due.instrument].family,
                    "rater": due.rater,
                    "from_date": due.from_date,
                    "until_date": due.until_date,
                }


def _delivery_frame(library: Library, deliveries: pl.DataFrame, as_of: dt.date | None) -> pl.DataFrame:
    schema = INPUTS["delivery"]
    if "mode" not in deliveries.columns:
        modes = {key: site.delivery.mode for key, site in library.sites.items()}
        mode = pl.col("site_id").replace_strict(modes, default="snapshot", return_dtype=pl.String)
        deliveries = deliveries.with_columns(mode.alias("mode"))
    missing = sorted(set(schema) - set(deliveries.columns))
    if missing:
        raise ValueError(f"the table of deliveries has no column {', '.join(missing)}")
    frame = deliveries.select(_cast(deliveries.schema[name], name, dtype) for name, dtype in schema.items())
    if as_of is not None:
        frame = frame.filter(pl.col("delivery_date") <= as_of)
    return frame.sort("site_id", "delivery")


def _cast(given: pl.DataType, name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(given, pl.List):
        return column.list.join(", ").alias(name)
    if isinstance(dtype, pl.Datetime):
        if given == pl.String():
            column = column.str.to_datetime(time_zone="UTC", time_unit="us")
        if (isinstance(given, pl.Datetime) and given.time_zone) or given == pl.String():
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column.cast(dtype)
